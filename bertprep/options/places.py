"""Locations of inputs and outputs: local paths, and URLs of object stores and web servers."""

import re
from pathlib import Path
from urllib.parse import unquote

#: A path, or a URL as it was typed: as a path it would lose a slash.
Place = Path | str

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>()]+")
#: Schemes with a user or, on Azure, a container before the @: no secret without a password.
_NAMED_USERS = {"sftp", "ssh", "ftp", "smb", "hdfs", "abfs", "abfss", "wasb", "wasbs"}
_WEB = {"http", "https"}
#: Schemes whose host may have a port.
_WITH_PORTS = _NAMED_USERS | _WEB | {"webhdfs", "s3+http", "s3+https"}
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")
#: Parameters that may carry a secret, wherever such a word is in their name.
_SECRET = re.compile(
    r"sig|token|key|secret|pass|pwd|auth|cred|code|jwt|session|sas|policy|ticket|bearer|cookie",
    re.IGNORECASE,
)
_JWT = re.compile(r"(^|=)eyJ")


def is_url(name: str) -> bool:
    """Whether a name has a scheme, as `s3://bucket/key` has."""
    return _URL.match(name) is not None


def plain_name(name: str) -> str:
    """Return a name as it was typed; for `file:///data`, return `/data`."""
    return name[len("file://") :] if name.lower().startswith("file:///") else name


def place(name: str) -> Place:
    """Return the path or the URL that a user named."""
    name = plain_name(name)
    return name if is_url(name) else Path(name)


def shown_url(url: str) -> str:
    """Return a URL as messages and plans show it: without what may be a credential."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    shown = _hide_user(scheme, rest)
    if scheme in _WEB:
        shown = shown.partition("#")[0]
    for mark in ("#", "?"):  # elsewhere both may be part of a file's name or of a glob
        before, _, after = shown.partition(mark)
        if _has_secret(after):
            shown = before
    return url[: len(scheme)] + separator + shown


def without_credentials(text: object) -> str:
    """Return a text, or a place, with every URL in it as `shown_url` shows it."""
    return _URL_IN_TEXT.sub(lambda match: shown_url(match[0]), str(text))


def _hide_user(scheme: str, rest: str) -> str:
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    user, at, host = authority.rpartition("@")
    has_plain_host = _HOST.fullmatch(host) and (scheme in _WITH_PORTS or ":" not in host)
    if not at and not has_plain_host and "@" in rest:
        # The part after the colon is no port, so the host is further on: the / is in a password.
        return rest.rpartition("@")[2]
    if not at:
        return rest
    kept = user.partition(":")[0] + at if scheme in _NAMED_USERS else ""
    return kept + rest[len(user) + 1 :]


def _has_secret(parameters: str) -> bool:
    for parameter in re.split("[&;]", unquote(parameters)):
        name, equals, _ = parameter.partition("=")
        if equals and (_SECRET.search(name) or _JWT.search(parameter)):
            return True
    return False
