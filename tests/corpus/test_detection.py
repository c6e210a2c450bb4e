"""What `--format auto` takes a file for, and where it asks."""

import gzip
import json
from pathlib import Path

import pytest
from stored import STORED, as_json_lines, as_text, write_parquet

from bertprep.corpus import find_formats, find_inputs
from bertprep.corpus.formats import FORMATS
from bertprep.errors import UsageError
from bertprep.options import FORMATS as OPTION_VALUES
from bertprep.options import CorpusOptions

DOCUMENTS = [["One.", "Two."], ["Three."]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def detect(*paths: str, format: str = "auto", text_field: str = "text") -> tuple[list[str], str]:
    found = find_inputs(list(paths), vocab=Path("v"), output=Path("o"), spool=Path("s"))
    files, told = find_formats(found.files, CorpusOptions(format=format, text_field=text_field))
    return [file.format for file in files], told or ""


def question(path: str, data: bytes | str, **options: str) -> str:
    Path(path).write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(UsageError) as caught:
        detect(path, **options)
    assert str(caught.value).startswith(path)
    return str(caught.value)


def test_the_option_names_the_registered_formats() -> None:
    # One entry is chosen by the file, where --format wikiextractor is given.
    assert {*OPTION_VALUES, "wikiextractor-json"} == FORMATS.keys()
    assert all(format.name == name for name, format in FORMATS.items())
    assert all(set(format.stored_as) <= FORMATS.keys() for format in FORMATS.values())


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_are_known_by_their_content(kind: str, mark: str) -> None:
    _, store = STORED[kind]
    data = mark.encode() + store(DOCUMENTS)
    expected = "text" if kind == "text" else "jsonl"
    expected = "wikiextractor" if kind == "wikiextractor" else expected
    for path, found in (("a", data), ("b.gz", gzip.compress(data))):
        Path(path).write_bytes(found)
        assert detect(path)[0] == [expected]


def test_parquet_is_known_whatever_its_name() -> None:
    write_parquet(Path("data"), ["a"])
    assert detect("data") == (["parquet"], "Found parquet: data")


@pytest.mark.parametrize(
    "text",
    [
        "{ a brace } begins this text.\nAnd a second line.\n",
        '{"quoted": and more\n',
        "{}{}\n",
        "{\n",
        "[1] A reference.\n",
        "[\n",
        "[[Link]] in a wiki.\n",
        "<doc> is a tag.\n",
        '<doc id="1">\n',
        "<html>\n<body>\n",
        "PAR1 is how parquet begins.\n",
        '"text"\n',
        "12\n",
        "\n\n",
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a", "a.md"])
def test_text_stays_text(text: str, name: str) -> None:
    Path(name).write_text(text)
    assert detect(name) == (["text"], "")


def test_what_was_found_is_told_in_one_line() -> None:
    for k in range(5):
        Path(f"{k}.jsonl").write_bytes(as_json_lines(DOCUMENTS))
    Path("a.txt").write_bytes(as_text(DOCUMENTS))
    paths = [f"{k}.jsonl" for k in range(5)]
    assert detect(*paths)[1] == "Found jsonl: 0.jsonl, 1.jsonl, 2.jsonl and 2 more"
    assert detect("a.txt", *paths)[1].startswith("Found text: a.txt; jsonl: 0.jsonl, ")
    assert detect(*paths, format="jsonl")[1] == ""
    assert detect("a.txt")[1] == ""


def test_an_empty_file_has_any_format() -> None:
    for name in ("a.jsonl", "a.parquet", "a.txt"):
        Path(name).write_bytes(b"")
        for format in ("auto", "text", "jsonl", "parquet", "wikiextractor"):
            assert detect(name, format=format)[1] == ""


def test_an_array_is_answered_with_the_way_to_convert_it() -> None:
    values = [{"text": "a"}, {"text": "b"}]
    for indent in (None, 2):
        data = json.dumps(values, indent=indent)
        for name in ("a.json", "a.txt"):
            assert "jq -c '.[]' FILE > FILE.jsonl" in question(name, data)
        assert "jq -c '.[]' FILE > FILE.jsonl" in question("a.json", data, format="jsonl")


def test_an_object_over_several_lines_is_answered_with_the_way_to_convert_it() -> None:
    assert "jq -c . FILE" in question("a.json", json.dumps({"text": "a"}, indent=1))


def test_names_that_do_not_fit_are_asked_about() -> None:
    assert "pass --format" in question("a.jsonl", "Plain text.\n").lower()
    assert "pass --format" in question("a.ndjson.gz", gzip.compress(b"Plain text.\n")).lower()


def test_objects_that_may_be_text_are_asked_about() -> None:
    other = '{"body": "a"}\n{"body": "b"}\n'
    assert "(fields body)" in question("a.txt", other)
    assert "pass --format jsonl" in question("b.txt", '{"text": "a"}\nfree text\n')
    assert detect("a.txt", text_field="body")[0] == ["jsonl"]
    assert detect("a.txt", format="text")[0] == ["text"]
    # With a name that says JSON nothing is asked; a line that is none is named when it is read.
    for name in ("a.jsonl", "a.json"):
        Path(name).write_text(other + "free text\n")
        assert detect(name)[0] == ["jsonl"]


@pytest.mark.parametrize("size", [1 << 16, 6 << 20])
@pytest.mark.parametrize("packed", [False, True])
def test_a_first_line_longer_than_what_is_looked_at(size: int, packed: bool) -> None:
    line = json.dumps({"text": "words " * (size // 6)}).encode()
    data = line + b"\n" + line[:100]
    Path("a").write_bytes(gzip.compress(data, 1) if packed else data)
    assert detect("a")[0] == ["jsonl"]


def test_wikiextractor_has_two_forms() -> None:
    for kind, expected in (
        ("wikiextractor", "wikiextractor"),
        ("wikiextractor, json", "wikiextractor-json"),
    ):
        name, store = STORED[kind]
        Path(name).write_bytes(store(DOCUMENTS))
        assert detect(name, format="wikiextractor")[0] == [expected]


def test_bytes_that_are_no_text_are_not_taken_for_old_line_ends() -> None:
    Path("a.txt").write_bytes(b"One\rTwo\r\xff\x00Three\r\r" * 50)
    assert detect("a.txt")[0] == ["text"]  # whose reader names the first NUL


def test_lines_that_end_in_a_carriage_return_alone_are_named() -> None:
    text = "One line.\rAnother.\r\rA document.\rIts end.\r"
    for name, data in (("a.txt", text.encode()), ("a.gz", gzip.compress(text.encode()))):
        found = question(name, data)
        assert "the lines end in a carriage return (CR, \\r) alone" in found
        assert r"tr '\r' '\n' < FILE" in found
        assert detect(name, format="text")[0] == ["text"]
    assert "carriage return" in question("b.txt", text, format="paragraphs")


@pytest.mark.parametrize(
    "text", ["a\r\nb\r\n\r\nc\r\n", "a\r\r\nb\r\r\nc\r\r\nd", "a\rb\nc\rd\n\n"]
)
def test_other_carriage_returns_are_no_question(text: str) -> None:
    Path("a.txt").write_bytes(text.encode())
    for format in ("text", "paragraphs"):
        assert detect("a.txt", format=format)[0] == [format]
    assert detect("a.txt")[0] == ["text"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_columns_are_named_with_the_way_to_convert_them(name: str) -> None:
    found = question(name, "id,text\n1,A boat.\n")
    assert f"this is a {name[2:].upper()} file" in found
    assert "csv.DictReader(open('FILE', newline='')" in found
    assert detect(name, format="text")[0] == ["text"]
