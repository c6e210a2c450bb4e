"""A URL -> the files that it names: one, those of a folder, those that match a glob.

Memory: the names and sizes of all files below the folder.
"""

import glob
from typing import Any, Literal

from bertprep.errors import UsageError
from bertprep.options import shown_url
from bertprep.storage.retries import FIRST_TRIES, attempt
from bertprep.storage.systems import is_web, look_anew

_CANNOT_LIST = (
    "a web server lists no files: name each file by its own URL, or copy them here and name the "
    "folder"
)


def find_files(url: str) -> tuple[Literal["file", "folder", "glob"], list[str]]:
    """What a URL is, and the URLs of its files, in no order; hidden ones too.

    Raises:
        UsageError: it names nothing, or nothing that can be listed.
        MachineError: the store does not answer.
    """
    if is_web(url):
        if url.endswith("/") or "*" in url:
            raise UsageError(f"{shown_url(url)}: {_CANNOT_LIST}")
        return "file", [url]
    system, path = look_anew(url)
    kind = _kind(url)
    if kind == "file":
        return "file", [url]

    def list_all() -> dict[str, Any]:
        found: dict[str, Any] = (
            system.glob(path, detail=True)
            if kind != "directory" and glob.has_magic(path)
            else system.find(path, detail=True)
        )
        return found

    if kind is None and not glob.has_magic(path):
        raise UsageError(f"{shown_url(url)}: no such file or folder. Check the spelling")
    try:
        found = attempt(url, "cannot be listed", list_all, FIRST_TRIES)
    except FileNotFoundError:
        found = {}
    # The scheme and the host, which a file system leaves out of its paths.
    head = url.rstrip("/").removesuffix(path.rstrip("/"))
    # A name that ends with / is what some tools leave on an object store for an empty folder.
    names = [
        head + name
        for name, info in found.items()
        if info["type"] == "file" and not name.endswith("/")
    ]
    return ("folder" if kind == "directory" else "glob"), names


def _kind(url: str) -> str | None:
    system, path = look_anew(url)
    try:
        info = attempt(url, "cannot be looked at", lambda: system.info(path), FIRST_TRIES)
    except FileNotFoundError:
        return None
    kind: str = info["type"]
    return kind
