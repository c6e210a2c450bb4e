"""A URL -> the fsspec file system that serves it, and the files that it names.

Each process opens file systems of its own and keeps them. Those that it inherits by a fork depend
on a thread that it does not have, and closing them would close the parent's sockets.
"""

import glob
import os
import re
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

from bertprep.errors import UsageError
from bertprep.options import shown_url
from bertprep.storage.retries import FIRST_TRIES, attempt_if_found

#: Packages that serve a scheme, by their names on PyPI; for others fsspec has its own message.
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("abfs", "abfss", "az"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    "hdfs": "pyarrow",
    "hf": "huggingface_hub",
}
#: Seconds to connect, and between two bytes. A whole file, which may be large, has no limit.
_CONNECT_SECONDS, _SILENCE_SECONDS = 30, 60

_systems: dict[tuple[int, str, str], Any] = {}


def scheme_of(url: str) -> str:
    """Return the scheme of a URL: `s3` of `s3://bucket/key`."""
    return url.partition("://")[0].lower()


def is_web(url: str) -> bool:
    """Whether a web server has the file: it cannot list files, and may not support ranges."""
    return scheme_of(url) in ("http", "https")


def require_system(url: str) -> None:
    """Load the package that serves a URL, without a thread or a connection.

    Raises:
        UsageError: the package is not installed, or the scheme is unknown.
    """
    import fsspec

    scheme, name = scheme_of(url), shown_url(url)
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        package = _PACKAGES.get(scheme)
        advice = f"pip install {package}" if package else re.sub(r"\s+", " ", str(error))
        raise UsageError(f"{name}: {scheme}:// needs another package: {advice}") from error
    except ValueError as error:
        raise UsageError(
            f"{name}: unknown scheme {scheme}://; name a path, or a URL of a kind that fsspec "
            "supports, such as s3://, gs:// or https://"
        ) from error


def locate(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, one per host and process, and the path in it."""
    key = (os.getpid(), scheme_of(url), urlsplit(url).netloc)
    if key not in _systems:
        require_system(url)
        _systems[key] = _open_system(url)
    return _systems[key], _systems[key]._strip_protocol(url)


def locate_fresh(url: str) -> tuple[Any, str]:
    """Return what `locate` does, and drop cached listings, since files change."""
    system, path = locate(url)
    system.invalidate_cache()
    return system, path


def find_files(url: str) -> tuple[Literal["file", "folder", "glob"], list[str]]:
    """Return what a URL names, and the URLs of its files, hidden ones too, in no order.

    Memory: the names and sizes of all files below the folder.

    Raises:
        UsageError: it names nothing, or nothing that can be listed.
        MachineError: the store does not answer.
    """
    if is_web(url):
        if url.endswith("/") or "*" in url:
            raise UsageError(
                f"{shown_url(url)}: a web server cannot list files; name each file by its own URL, "
                "or download them and name the folder"
            )
        return "file", [url]
    system, path = locate_fresh(url)
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
    found = attempt_if_found(url, "cannot be listed", list_all, FIRST_TRIES) or {}
    # The scheme and the host, which a file system leaves out of its paths.
    head = url.rstrip("/").removesuffix(path.rstrip("/"))
    # Some tools create an object whose name ends with / for an empty folder.
    names = [
        head + name
        for name, info in found.items()
        if info["type"] == "file" and not name.endswith("/")
    ]
    return ("folder" if kind == "directory" else "glob"), names


def _kind(url: str) -> str | None:
    system, path = locate_fresh(url)
    action = partial(system.info, path)
    info = attempt_if_found(url, "cannot be accessed", action, FIRST_TRIES)
    return info["type"] if info else None


def _open_system(url: str) -> Any:
    from fsspec.core import url_to_fs

    options = _web_options(scheme_of(url)) if is_web(url) else {}
    return url_to_fs(url, skip_instance_cache=True, **options)[0]


def _web_options(scheme: str) -> dict[str, Any]:
    import aiohttp
    from fsspec.config import conf

    given = conf.get(scheme, {})
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS
    )
    # trust_env: proxies and ~/.netrc. identity: ranges are of the file, not of a compressed copy.
    client = {"timeout": timeout, "trust_env": True, **given.get("client_kwargs", {})}
    headers = {"Accept-Encoding": "identity", **given.get("headers", {})}
    return {"client_kwargs": client, "headers": headers}
