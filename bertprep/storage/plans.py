"""Plans, and the content of an output folder compared with the plan of a run.

    compare(files, layout, plan, overwrite=False)   # new, other, resumed, complete; or an error

A plan is a JSON object with every option that the content of a folder follows from. Every file that
a run will replace or remove is checked here first.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bertprep.errors import UsageError
from bertprep.json_files import Shape, parse_json
from bertprep.storage.files import Found, LocalFiles
from bertprep.storage.remote_files import RemoteFiles
from bertprep.terminal import printable

PLAN_NAME, MANIFEST_NAME, VOCABULARY_NAME = "plan.json", "manifest.json", "vocab.txt"
#: Differences that an error lists.
_MOST_DIFFERENCES = 6

Plan = dict[str, Any]
Files = LocalFiles | RemoteFiles


@dataclass(frozen=True)
class FolderLayout:
    """Names of the files that a command writes into its output folder.

    Attributes:
        plan_shape: shape of the JSON value of a plan.
        lists: whether a file of this name, relative to the folder, belongs to a plan.
        reserved: names that, without a plan, belong to somebody else and are in the way.
        work_names: names in the work folder.
        folders: subfolders of the files, the deepest first.
        plan_name: file with the plan; the first to be written.
        plan_key: key of the plan in that file; empty if the file is the plan.
        is_complete: whether the folder has all files that a manifest lists. None if the command
            writes no manifest.
        manifest_shape: shape of the JSON value of a manifest, but for its plan.
    """

    plan_shape: Shape
    lists: Callable[[Plan, str], bool]
    reserved: re.Pattern[str]
    work_names: re.Pattern[str]
    folders: tuple[str, ...]
    plan_name: str = PLAN_NAME
    plan_key: str = ""
    is_complete: Callable[[Any, Found], bool] | None = None
    manifest_shape: Shape = None

    @property
    def manifest_names(self) -> list[str]:
        """The name of the manifest, if there is one."""
        return [MANIFEST_NAME] if self.is_complete else []


@dataclass(frozen=True)
class FolderState:
    """What a folder holds, compared with the plan of a run.

    Attributes:
        name: "new", "other" (made with another plan), "resumed" or "complete".
        files: of the folder.
        found: their names, sizes, and some contents.
        old: the plan in the folder.
        manifest: the manifest in the folder.
    """

    name: str
    files: Files
    found: Found
    old: Plan | None
    manifest: Any


def compare(files: Files, layout: FolderLayout, plan: Plan, *, overwrite: bool) -> FolderState:
    """Compare the content of a folder with a plan.

    Raises:
        UsageError: the folder holds files of another plan, and `overwrite` does not permit to
            replace them; or files that no plan lists are in the way.
    """
    documents = [layout.plan_name, *layout.manifest_names, VOCABULARY_NAME]
    found = files.look(layout.folders, documents)

    def parse(name: str, shape: Shape) -> Any:
        data = found.documents.get(name)
        advice = "bertprep did not write this file; name another --output"
        return None if data is None else parse_json(data, files.where(name), shape, advice)

    manifest = parse(MANIFEST_NAME, {**(layout.manifest_shape or {}), "plan": layout.plan_shape})
    is_complete = bool(manifest and layout.is_complete and layout.is_complete(manifest, found))
    key, shape = layout.plan_key, layout.plan_shape
    written = parse(layout.plan_name, {key: shape} if key else shape)
    old = (written[key] if key else written) if written else manifest and manifest["plan"]
    _refuse_foreign(files, layout, found, [plan, old] if old else [plan])
    if not old:
        name = "new"
    elif old == plan:
        name = "complete" if is_complete else "resumed"
    else:
        name = "other"
        if not overwrite:
            _refuse_other(files, differences(old, plan))
    return FolderState(name, files, found, old, manifest)


def remove_listed(state: FolderState, layout: FolderLayout, plan: Plan) -> None:
    """Remove what the plan in a folder lists; its vocabulary only where `plan` has another."""
    assert state.old
    names = [name for name in state.found.sizes if layout.lists(state.old, name)]
    digest = state.old["vocabulary"]["sha256"]
    if _vocabulary_digest(state.found) == digest != plan["vocabulary"]["sha256"]:
        names.append(VOCABULARY_NAME)
    # The plan last: as long as it is there, the files that are left are known to be its own.
    state.files.remove(layout.manifest_names, names, [layout.plan_name])
    state.files.remove_empty(layout.folders)


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


def _refuse_other(files: Files, changed: list[str]) -> None:
    listed = "; ".join(changed[:_MOST_DIFFERENCES])
    if len(changed) > _MOST_DIFFERENCES:
        listed += f"; and {len(changed) - _MOST_DIFFERENCES} more"
    raise UsageError(
        f"{files.where('')}: made by another command ({listed}): name another --output, or pass "
        "--overwrite"
    )


def _refuse_foreign(
    files: Files, layout: FolderLayout, found: Found, plans: Sequence[Plan]
) -> None:
    """Raise UsageError for a file that none of the plans permits to replace."""
    for name in sorted({*found.sizes, *found.others}):
        if len(plans) == 1 and layout.reserved.fullmatch(name):
            raise UsageError(
                f"{files.where(name)}: is here without a {layout.plan_name}; name another "
                "--output, or remove it"
            )
        if name in found.others and any(layout.lists(plan, name) for plan in plans):
            raise UsageError(f"{files.where(name)}: is not a regular file; remove it")
    digest = _vocabulary_digest(found)
    if digest not in (None, *(plan["vocabulary"]["sha256"] for plan in plans)):
        raise UsageError(
            f"{files.where(VOCABULARY_NAME)}: is a different vocabulary, where a copy of this "
            "run's belongs; move it, or name another --output"
        )


def _vocabulary_digest(found: Found) -> str | None:
    data = found.documents.get(VOCABULARY_NAME)
    return None if data is None else hashlib.sha256(data).hexdigest()


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
