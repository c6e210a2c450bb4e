"""JSON that somebody else may have written -> its value, of a known shape.

    plan = read_json(Path("plan.json"), {"vocabulary": {"size": COUNT, "sha256": str}})

A file that is damaged, too deep, or of another shape is one error that names the file and the key.
"""

import json
import math
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

from bertprep.errors import UsageError

#: What a value must be: a type; a `range` of whole numbers; a list with the shape of every item; a
#: dict with the shapes of its keys, where `"name?"` may be absent; a tuple of alternatives, where
#: None is JSON's null; or `object` for anything.
Shape = Any
#: Whole numbers that NumPy can hold.
INTEGER, COUNT = range(-(2**63), 2**63), range(2**63)

_MOST_LEVELS, _MOST_DIGITS = 64, 4000
_KINDS = {str: "text", bool: "true or false", float: "a number", dict: "an object", list: "a list"}


def read_json(path: str | PathLike[str], shape: Shape = object, advice: str = "") -> Any:
    """Return the value of a file; see `parse_json`. Raises OSError for one that cannot be read."""
    return parse_json(Path(path).read_bytes(), str(path), shape, advice)


def parse_json(data: bytes | str, name: str, shape: Shape = object, advice: str = "") -> Any:
    """Return the value of a JSON document.

    Args:
        data: the document, in UTF-8.
        name: its file, which the error names.
        shape: what it must be.
        advice: ends the error, as in "Name another --output".

    Raises:
        UsageError: it is not JSON, or not of that shape.
    """
    advice = f". {advice}" if advice else ""
    try:
        value = json.loads(data, parse_constant=_refuse, parse_int=_whole, parse_float=_number)
        _require_shallow(value)
    except RecursionError:
        raise UsageError(f"{name}: more than {_MOST_LEVELS} levels of JSON{advice}") from None
    except ValueError as error:
        raise UsageError(f"{name}: not valid JSON: {error}{advice}") from None
    for where, expected, found in _misfits(value, shape, ""):
        raise UsageError(f"{name}: {where or 'this file'} must be {expected}, {found}{advice}")
    return value


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number of JSON")


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:  # more than Python converts
        raise ValueError(f"the number {_short(text)} is too large")
    return int(text)


def _number(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"the number {_short(text)} is too large")
    return float(text)


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [
            item
            for each in level
            if isinstance(each, dict | list)
            for item in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise RecursionError


def _misfits(value: Any, shape: Shape, where: str) -> Iterator[tuple[str, str, str]]:
    """Yield the place of each value of another shape, what it must be, and what it is."""
    if isinstance(shape, tuple):
        if all(any(_misfits(value, each, where)) for each in shape):
            yield where, " or ".join(map(_described, shape)), f"got {_short(json.dumps(value))}"
    elif isinstance(shape, dict) and isinstance(value, dict):
        for key, inner in shape.items():
            name = key.removesuffix("?")
            place = f"{where}.{name}" if where else name
            if name in value:
                yield from _misfits(value[name], inner, place)
            elif name == key:
                yield place, _described(inner), "is missing"
    elif isinstance(shape, list) and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _misfits(item, shape[0], f"{where}[{number}]")
    elif not _is_a(value, shape):
        yield where, _described(shape), f"got {_short(json.dumps(value))}"


def _is_a(value: Any, shape: Shape) -> bool:
    if isinstance(shape, range):
        return type(value) is int and value in shape
    if shape is float:
        return type(value) is float or (type(value) is int and value in INTEGER)
    return value is None if shape is None else isinstance(shape, type) and isinstance(value, shape)


def _described(shape: Shape) -> str:
    if isinstance(shape, range):
        if shape in (INTEGER, COUNT):
            return "a whole number"
        return f"a whole number from {shape.start:,} to {shape.stop - 1:,}"
    kind = shape if isinstance(shape, type) else type(shape)
    return "null" if shape is None else _KINDS.get(kind, kind.__name__)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:36]} ..."
