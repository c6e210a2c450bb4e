"""A URL -> the fsspec file system that serves it, and the path there.

Each process makes instances of its own, and keeps them: those that it inherits by a fork belong to
a thread that it has not, and to destroy them would take their sockets out of the parent's hands.
"""

import os
import re
from typing import Any
from urllib.parse import urlsplit

from bertprep.errors import UsageError
from bertprep.options import shown_url

#: What pip calls the package behind a scheme; for others, fsspec has words of its own.
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("abfs", "abfss", "az"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    "hdfs": "pyarrow",
    "hf": "huggingface_hub",
}
#: Seconds: to connect, and between two bytes. No limit for the whole, which may be a large file.
_CONNECT_SECONDS, _SILENCE_SECONDS = 30, 60

_systems: dict[tuple[int, str, str], Any] = {}


def is_web(url: str) -> bool:
    """Whether a web server has it, which lists nothing, and may know no ranges."""
    return scheme_of(url) in ("http", "https")


def scheme_of(url: str) -> str:
    """`s3` of `s3://bucket/key`."""
    return url.partition("://")[0].lower()


def require_system(url: str) -> None:
    """Loads what serves a URL, without a thread or a connection.

    Raises:
        UsageError: the package is not installed, or nobody knows the scheme.
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
            f"{name}: {scheme}:// is nothing that fsspec knows: name a path, or one of s3://, "
            "gs://, https:// and the others that its documentation lists"
        ) from error


def locate(url: str) -> tuple[Any, str]:
    """The file system of a URL, this process's own and one a host, and the path in it."""
    key = (os.getpid(), scheme_of(url), urlsplit(url).netloc)
    if key not in _systems:
        require_system(url)
        _systems[key] = _open_system(url)
    return _systems[key], _systems[key]._strip_protocol(url)


def look_anew(url: str) -> tuple[Any, str]:
    """As `locate`, for a look: without what was listed before, since files change."""
    system, path = locate(url)
    system.invalidate_cache()
    return system, path


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
    # trust_env: proxies, and ~/.netrc. identity: ranges are of the file, not of a packed copy.
    client = {"timeout": timeout, "trust_env": True, **given.get("client_kwargs", {})}
    headers = {"Accept-Encoding": "identity", **given.get("headers", {})}
    return {"client_kwargs": client, "headers": headers}
