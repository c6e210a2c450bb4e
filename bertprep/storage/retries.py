"""What a store could not do now is tried again, with longer and longer waits; then it is one line.

What would fail again all the same (not there, not allowed, not such a thing) is not tried twice.
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

#: Seconds before each new try: a minute in all.
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
#: Tries where nothing has been begun yet, and the address itself may be wrong.
FIRST_TRIES = 3

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>()]+")
_HOPELESS = (
    *(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError),
    *(NotImplementedError, ImportError, ValueError, TypeError, AttributeError, LookupError),
)
#: Client errors that pass: request timeout, too early, too many requests.
_PASSING_STATUS = {408, 425, 429}


def attempt(url: str, doing: str, action: Callable[[], R], tries: int | None = None) -> R:
    """Does what a store is asked to, again where it may help.

    Args:
        doing: what cannot be done, for the message: "cannot be read at byte 5".
        tries: at most; all that WAITS has time for unless given.

    Raises:
        BertprepError: from the action, at once.
        FileNotFoundError: there is no such file.
        MachineError: anything else, in one line.
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
                    f"{shown_url(url)}: {doing} ({describe(cause)}{times})"
                ) from error
            # Workers that failed together do not come back together.
            time.sleep(wait * (1 + os.getpid() % 16 / 32))
    raise AssertionError


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
    """What has happened: fsspec calls every failed look at a web file "not found"."""
    while isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    """The HTTP status, wherever a store's library keeps it."""
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
        return 400 <= status < 500 and status not in _PASSING_STATUS
    return isinstance(error, _HOPELESS) or "Credential" in type(error).__name__
