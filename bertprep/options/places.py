"""Where things are: a path of this machine, or a URL of an object store or a web server."""

import re
from pathlib import Path

#: A path, or a URL as it was typed: as a path it would lose a slash.
Place = Path | str

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PASSWORD = re.compile(r"^([^/]+://[^/@:]*):[^/@]*@")
_SIGNED = re.compile(
    r"[?&](?:[\w-]*signature|sig|[\w-]*token|[\w-]*key|[\w-]*secret|password)=", re.IGNORECASE
)


def is_url(name: str) -> bool:
    """Whether a name has a scheme, as `s3://bucket/key` has."""
    return _URL.match(name) is not None


def plain_name(name: str) -> str:
    """A name as it was typed, but for `file:///data`, which is `/data`."""
    return name[len("file://") :] if name.lower().startswith("file:///") else name


def place(name: str) -> Place:
    """The path or the URL that a person named."""
    name = plain_name(name)
    return name if is_url(name) else Path(name)


def shown_url(url: str) -> str:
    """A URL as it may stand in a message or a plan: no password, no query with a signature."""
    url = _PASSWORD.sub(r"\1@", url)
    return url.partition("?")[0] if _SIGNED.search(url) else url
