"""JSON of any depth, size and shape: its value, or one line that names the file and the key."""

from pathlib import Path
from typing import Any

import pytest

from bertprep.errors import UsageError
from bertprep.json_files import COUNT, parse_json, read_json


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "more than 64 levels"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "more than 64 levels"),
        (b"1" * 5000, "is too large"),
        (b"1e999", "is too large"),
        (b"[NaN]", "NaN is not a number of JSON"),
        (b"[-Infinity]", "-Infinity is not a number of JSON"),
    ],
)
def test_what_is_not_json_is_one_line(data: bytes, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_json(data, "plan.json", advice="Remove it")
    assert str(error.value).startswith("plan.json: ")
    assert str(error.value).endswith(". Remove it")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "shape", "problem"),
    [
        (b"[]", {"a": COUNT}, "this file must be an object, got []"),
        (b'{"a": {}}', {"a": {"b": str}}, "a.b must be text, is missing"),
        (b'{"a": [1, true]}', {"a": [COUNT]}, "a[1] must be a whole number, got true"),
        (b'{"a": -1}', {"a": COUNT}, "a must be a whole number, got -1"),
        (b'{"a": 9}', {"a": range(1, 9)}, "a must be a whole number from 1 to 8, got 9"),
        (b'{"a": 3}', {"a": (str, None)}, "a must be text or null, got 3"),
        (b'{"a": "x"}', {"a?": float}, 'a must be a number, got "x"'),
        (b'{"a": 1' + b"0" * 400 + b"}", {"a": float}, "a must be a number, got 1000"),
    ],
)
def test_another_shape_names_the_key(data: bytes, shape: Any, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_json(data, "plan.json", shape)
    assert str(error.value).startswith(f"plan.json: {problem}")


def test_a_file_of_the_shape_is_returned_whole(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"a": [{"b": 1}], "seed": 123456789012345678901234567890, "c": null}')
    shape = {"a": [{"b": COUNT, "d?": str}], "c": (str, None)}
    assert read_json(path, shape) == {"a": [{"b": 1}], "seed": int("1234567890" * 3), "c": None}
