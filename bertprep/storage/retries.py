"""Repeated attempts at a request to a store, with growing waits; then an error of one line.

Errors that would occur again (no such file, no permission, not supported) are not retried.
"""

import os
import re
import time
from collections.abc import Callable
from itertools import chain
from typing import TypeVar

from bertprep.errors import BertprepError, MachineError
from bertprep.options import shown_url

R = TypeVar("R")

#: Seconds before each new attempt: a minute in all.
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
#: Attempts before a run has begun, when the address itself may be wrong.
FIRST_TRIES = 3

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>()]+")
_HOPELESS = (
    *(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError),
    *(NotImplementedError, ImportError, ValueError, TypeError, AttributeError, LookupError),
)
#: Temporary client errors: request timeout, too early, too many requests.
_TEMPORARY_STATUS = {408, 425, 429}


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
                    f"{shown_url(url)}: {problem} ({describe(cause)}{times})"
                ) from error
            # Workers that failed together do not retry together.
            time.sleep(wait * (1 + os.getpid() % 16 / 32))
    raise AssertionError


def attempt_if_found(
    url: str, problem: str, action: Callable[[], R], tries: int | None = None
) -> R | None:
    """Call a function as `attempt` does; return None if there is no such file."""
    try:
        return attempt(url, problem, action, tries)
    except FileNotFoundError:
        return None


def describe(error: BaseException) -> str:
    """Return what happened in a few words, without the credentials of URLs."""
    status = _status(error)
    kind = type(error).__name__
    if status is not None:
        kind, text = str(status), str(getattr(error, "message", error))
    elif isinstance(error, OSError) and error.strerror and not error.errno:
        text = error.strerror
    else:
        text = str(error)
    text = _URL.sub(lambda match: shown_url(match[0]), " ".join(text.split()))[:300]
    return f"{kind}: {text}" if text and status is None else f"{kind} {text}".rstrip()


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
