"""A URL -> the fsspec file system that serves it, the files that it names, repeated requests.

A request that fails is repeated with growing waits, unless the error would occur again (no such
file, no permission, not supported); then it is an error of one line.
Each process opens file systems of its own and keeps them. Those that it inherits by a fork depend
on a thread that it does not have, and closing them would close the parent's sockets.
"""

import glob
import os
import re
import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.options import shown_url, without_credentials

R = TypeVar("R")

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

#: Seconds before each new attempt: a minute in all.
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
#: Attempts before a run has begun, when the address itself may be wrong.
FIRST_TRIES = 3

_HOPELESS = (
    *(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError),
    *(NotImplementedError, ImportError, ValueError, TypeError, AttributeError, LookupError),
)
#: Temporary client errors: request timeout, too early, too many requests.
_TEMPORARY_STATUS = {408, 425, 429}

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
    path = locate(url)[1]
    info = call_if_found(url, "cannot be accessed", "info", FIRST_TRIES)
    kind = info["type"] if info else None
    if kind == "file":
        return "file", [url]
    is_glob = kind != "directory" and glob.has_magic(path)
    if kind is None and not is_glob:
        raise UsageError(f"{shown_url(url)}: no such file or folder. Check the spelling")
    method = "glob" if is_glob else "find"
    found = call_if_found(url, "cannot be listed", method, FIRST_TRIES, detail=True) or {}
    # The scheme and the host, which a file system leaves out of its paths.
    head = url.rstrip("/").removesuffix(path.rstrip("/"))
    # Some tools create an object whose name ends with / for an empty folder.
    names = [
        head + name
        for name, info in found.items()
        if info["type"] == "file" and not name.endswith("/")
    ]
    return ("folder" if kind == "directory" else "glob"), names


def attempt(url: str, problem: str, action: Callable[[], R], tries: int | None = None) -> R:
    """Call a function that accesses a store, and call it again after temporary errors.

    Args:
        problem: begins the error message: "cannot be read at byte 5".
        tries: the most attempts; by default one more than there are WAITS.

    Raises:
        BertprepError: from the action, at once.
        FileNotFoundError: no such file.
        MachineError: any other error, in one line.
    """
    waits = WAITS[: None if tries is None else tries - 1]
    for count, wait in enumerate((*waits, None), 1):
        try:
            return action()
        except BertprepError:
            raise
        except Exception as error:
            cause = _cause(error)
            if isinstance(cause, FileNotFoundError) or _status(cause) in (404, 410):
                raise FileNotFoundError(url) from error
            if _is_hopeless(cause) or wait is None:
                times = f", tried {count} times" if count > 1 else ""
                raise MachineError(
                    f"{shown_url(url)}: {problem} ({_describe(cause)}{times})"
                ) from error
            # Workers that failed together do not retry together.
            time.sleep(wait * (1 + os.getpid() % 16 / 32))
    raise AssertionError


def call_if_found(
    url: str, problem: str, method: str, tries: int | None = None, **options: Any
) -> Any | None:
    """Call a method of a URL's file system as `attempt` does; None if there is no such file."""
    system, path = locate_fresh(url)
    try:
        return attempt(url, problem, partial(getattr(system, method), path, **options), tries)
    except FileNotFoundError:
        return None


def _describe(error: BaseException) -> str:
    """Return what happened in a few words, without the credentials of URLs."""
    status = _status(error)
    kind = type(error).__name__
    if status is not None:
        kind, text = str(status), str(getattr(error, "message", error))
    elif isinstance(error, OSError) and error.strerror and not error.errno:
        text = error.strerror
    else:
        text = str(error)
    text = without_credentials(" ".join(text.split()))[:300]
    return f"{kind}: {text}" if text and status is None else f"{kind} {text}".rstrip()


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


def _cause(error: BaseException) -> BaseException:
    """Return the original error: fsspec reports any failure of a web file as "not found"."""
    while isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    """Return the HTTP status, which each store's library keeps in another place."""
    response = getattr(error, "response", None)
    parts = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    known = (getattr(error, name, None) for name in ("status", "status_code", "code"))
    for value in chain([parts.get("HTTPStatusCode")], known):
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _is_hopeless(error: BaseException) -> bool:
    status = _status(error)
    if status is not None:
        return 400 <= status < 500 and status not in _TEMPORARY_STATUS
    return isinstance(error, _HOPELESS) or "Credential" in type(error).__name__
