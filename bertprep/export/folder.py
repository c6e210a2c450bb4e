"""Files -> a folder that is there whole or not at all, without harm to what others put into it.

A new folder is written beside its place and renamed. In a folder that is there already the files
are written into a hidden one, then renamed each: what was exported before is replaced, and files
that no export wrote stay. `bertprep_export.json` lists what belongs to an export.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from bertprep.errors import UsageError
from bertprep.storage.files import fsync_folder, write_whole

MARK_NAME = "bertprep_export.json"
_STAGING_NAME = ".bertprep-export"


def require_place(output: Path, overwrite: bool) -> None:
    """Raises UsageError for a folder that is not an export's, unless told to write there."""
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is not a folder; name another --output")
    if not output.exists() or overwrite or _listed(output) is not None:
        return
    names = sorted(p.name for p in output.iterdir() if p.name != _STAGING_NAME)
    if names:
        raise UsageError(
            f"{output}: holds {names[0]}, and no export of bertprep: name another --output, or "
            "pass --overwrite to replace the files that have the same names"
        )


def write_folder(
    output: Path, write: Callable[[Path], None], about: Mapping[str, Any], overwrite: bool
) -> dict[str, int]:
    """Writes an export.

    Args:
        output: the folder.
        write: puts the files into the folder that it is called with.
        about: JSON values that go into `bertprep_export.json`.
        overwrite: replace files of the same names that no export wrote.

    Returns:
        The size of each file in bytes, by its name relative to the folder.

    Raises:
        UsageError: see `require_place`; or a file of another's has a name that is needed.
    """
    require_place(output, overwrite)
    is_new = not output.exists()
    place = Path(os.path.abspath(output))
    # A folder that is there may be a mount: renames must not leave it.
    staging = place / _STAGING_NAME
    if is_new:
        place.parent.mkdir(parents=True, exist_ok=True)
        staging = place.with_name(f"{_STAGING_NAME}-{place.name}")
    _remove(staging)  # what a killed export has left
    staging.mkdir()
    try:
        write(staging)
        sizes = _sync(staging)
        if is_new:
            _write_mark(staging, about, sizes)
            os.rename(staging, place)
            fsync_folder(place.parent)
        else:
            _move(staging, place, sizes, about, overwrite)
    finally:
        _remove(staging)
    return sizes


def _move(
    staging: Path, place: Path, sizes: Mapping[str, int], about: Mapping[str, Any], overwrite: bool
) -> None:
    old = _listed(place) or set()
    taken = [name for name in sizes if (place / name).exists() and name not in old]
    if taken and not overwrite:
        raise UsageError(
            f"{place / taken[0]}: no export wrote this file: move it, or pass --overwrite to "
            "replace it"
        )
    # Whoever comes after a crash finds here what may be replaced and removed.
    _write_mark(place, {**about, "is_whole": False}, old | sizes.keys())
    for name in sizes:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, place / name)
    for name in sorted(old - sizes.keys(), reverse=True):
        (place / name).unlink(missing_ok=True)
        with suppress(OSError):  # is not empty
            for folder in list((place / name).relative_to(place).parents)[:-1]:
                (place / folder).rmdir()
    for folder in {(place / name).parent for name in sizes}:
        fsync_folder(folder)
    _write_mark(place, about, sizes)


def _sync(folder: Path) -> dict[str, int]:
    """Makes files last through a power cut: their sizes, by their names relative to the folder."""
    sizes = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        fsync_folder(path)
    return sizes


def _write_mark(folder: Path, about: Mapping[str, Any], names: Iterable[str]) -> None:
    content = {"is_whole": True, **about, "files": sorted(names)}
    data = (json.dumps(content, indent=2) + "\n").encode()
    write_whole(folder / MARK_NAME, folder / f"{MARK_NAME}.partial", data)


def _listed(folder: Path) -> set[str] | None:
    """The files of the export in a folder; None where there is none."""
    try:
        names = json.loads((folder / MARK_NAME).read_bytes())["files"]
        parts = [PurePosixPath(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # They are removed one day: none may lead out of the folder.
    is_safe = not any(part.is_absolute() or ".." in part.parts for part in parts)
    return set(names) if is_safe else None


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
