"""Seeded mutations of bytes, of JSON values and of text, whatever the file means.

mutated_bytes(rng, b"...")        # one to four faults
mutated_json(rng, b"{...}")       # a fault in the structure, or in the bytes
"""

import json
from random import Random
from typing import Any

from hard_text import NASTY

#: Bytes that readers trip over.
_ODD = (
    *(b"\0", b"\r", b"\r\n", b"\n\n\n", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xe2\x80\xa8", b"\xc2\x85", b"\t", b"\x1a", b"\x1f\x8b\x08"),
    *(
        b"\x1b[31m",
        b"\x1b]0;title\x07",
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b",",
        b"null",
        b"PK\x03\x04",
    ),
    *(b"[MASK]", b"##", b" ", b"<doc>", b"</doc>", b"version https://git-lfs", b"a" * 3000),
)
#: Values that no file of ours has where they are put.
_VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 0.5, -0.5, 2**31, 2**32, 2**63, 10**20, 1e308, -(2**63)),
    *(float("nan"), float("inf"), "", "x", "0", "-1", "\0", "\x1b[31mred\x1b[0m", "a\nb", "\r"),
    *("../../outside/kept", "/etc/passwd", "none", "é" * 50, "x" * 5000, "\ud800", "%s%n{0}"),
    *([], {}, [[]], [None], {"a": 1}, [1, 2, 3], {"": {}}, ["text"], [0] * 1000, [{}]),
)


def mutated_bytes(rng: Random, data: bytes, most: int = 4) -> bytes:
    """The data with one to `most` faults."""
    for _ in range(rng.randint(1, most)):
        data = _with_fault(rng, data)
    return data


def _with_fault(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    size = rng.choice([1, 1, 2, 7, 64, 1000, max(1, len(data) // 3)])
    match rng.randrange(12):
        case 0 | 1 if data:
            at = min(at, len(data) - 1)
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 2:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case 3:
            return data[:at] + data[at + size :]
        case 4:
            return data[:at] + data[at : at + size] + data[at:]
        case 5:
            return data[:at] + rng.randbytes(min(size, 64)) + data[at:]
        case 6:
            return data[:at]
        case 7:
            return data[at:] + data[:at]
        case 8 if rng.random() < 0.2:
            return rng.choice([b"", rng.randbytes(500), data * 3, data[::-1]])
        case 9:
            return data + rng.choice([rng.randbytes(20), b"\0" * 512, data[:size]])
        case _:
            return data[:at] + rng.choice(_ODD) + data[at:]


def mutated_text(rng: Random, text: str) -> str:
    """The text with characters that tokenizers trip over; it stays valid Unicode."""
    characters = list(text)
    for _ in range(rng.randint(1, 40)):
        at = rng.randrange(len(characters) + 1)
        run = "".join(rng.choices(NASTY, k=rng.choice([1, 1, 1, 2, 5, 30])))
        more = rng.choice([run, run, run, "\n", "\n\n", "\r", " ", "a" * rng.randint(150, 260)])
        characters[at : at + rng.choice([0, 0, 1, 5])] = more
    return "".join(characters).translate(dict.fromkeys(range(55296, 57344), "?"))


def mutated_json(rng: Random, data: bytes) -> bytes:
    """The document with faults in its structure; one time in four, in its bytes."""
    if rng.random() < 0.25:
        return mutated_bytes(rng, data)
    try:
        value = json.loads(data)
    except ValueError:
        return mutated_bytes(rng, data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        value = _changed(rng, value)
    encoded = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.02:
        encoded = encoded.replace("1", "1" * 5000, 1)
    return encoded.encode("utf-8", "surrogatepass")


def _changed(rng: Random, value: Any) -> Any:
    """The value with one fault at a place that every level is as likely to be."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return _other(rng, value)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = rng.choice(keys)
    if rng.random() < 0.5 and isinstance(value[key], dict | list) and value[key]:
        value[key] = _changed(rng, value[key])
        return value
    fault = rng.randrange(6)
    if fault == 0:
        del value[key]
    elif fault == 1 and isinstance(value, dict):
        value[str(key) + rng.choice(["s", " ", "\n", "\x1b[31m"])] = value.pop(key)
    elif fault == 2 and isinstance(value, list):
        value.insert(key, value[key])
    elif fault == 3:
        other = rng.choice(keys)
        value[key], value[other] = value[other], value[key]
    else:
        value[key] = _other(rng, value[key])
    return value


def _other(rng: Random, value: Any) -> Any:
    near: list[Any] = []
    if isinstance(value, bool):
        near = [not value, int(value), str(value)]
    elif isinstance(value, int | float):
        near = [value + 1, value - 1, -value, value * 1000, str(value), float(value), [value]]
    elif isinstance(value, str):
        near = [value + "x", value[1:], value.upper(), [value], value.encode().hex(), value * 9]
    if rng.random() < 0.03:
        return _deep(rng.choice([30, 900, 3000]))
    return rng.choice(near if near and rng.random() < 0.4 else list(_VALUES))


def _deep(depth: int) -> Any:
    value: Any = []
    for _ in range(min(depth, 900)):
        value = [value]
    return value
