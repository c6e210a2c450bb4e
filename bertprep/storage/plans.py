"""Plans: JSON objects with every option that the content of a folder follows from."""

import json
import re
from typing import Any

from bertprep.terminal import printable

PLAN_NAME, MANIFEST_NAME, VOCABULARY_NAME = "plan.json", "manifest.json", "vocab.txt"

Plan = dict[str, Any]


def encode(document: Plan) -> bytes:
    """Return the content of a JSON file."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def differences(old: Plan, new: Plan) -> list[str]:
    """Return one phrase per value that differs: `max_seq_length was 128, is 512`."""
    if old.get("format") != new.get("format"):
        old_format, new_format = (printable(_shown(plan.get("format"))) for plan in (old, new))
        return [
            f"in format {old_format}, by another version of bertprep; this version writes format "
            f"{new_format}"
        ]
    flat_old, flat_new = dict(_leaves(old)), dict(_leaves(new))
    names = list(dict.fromkeys([*flat_old, *flat_new]))
    return [
        printable(f"{name} was {_shown(flat_old.get(name))}, is {_shown(flat_new.get(name))}")
        for name in names
        if flat_old.get(name) != flat_new.get(name)
    ]


def _leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        inner = value.items()
        return [leaf for key, item in inner for leaf in _leaves(item, _inner_name(name, key))]
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        named = [(f"input {item['path']}" if "path" in item else str(item), item) for item in value]
        return [(key, {k: v for k, v in item.items() if k != "path"}) for key, item in named]
    return [(name, value)]


def _inner_name(name: str, key: str) -> str:
    # The name of an option says enough; "vocabulary" and "sha256" need each other.
    return f"{name} {key}" if name == "vocabulary" else key


def _shown(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(
            f"{item:,} {key}" if isinstance(item, int) else f"{key} {item}"
            for key, item in value.items()
        )
    text = str(value)
    return f"{text[:8]}..." if re.fullmatch("[0-9a-f]{64}", text) else text
