"""Waiting for events in tests: with a limit that only a hang reaches, however slow the machine is.

wait_for(lambda: path.exists(), "the file")
status, stdout, stderr = finish(process)
"""

import subprocess
import time
from collections.abc import Callable
from typing import AnyStr

#: Seconds after which a wait counts as a hang.
LIMIT = 600.0
#: Seconds that a process sleeps which must be ended by something else.
FOREVER = 10 * LIMIT
_POLL_SECONDS = 0.02


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Return when `condition()` is true; fail when it stays false for LIMIT seconds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {LIMIT:.0f} s"
        time.sleep(_POLL_SECONDS)


def finish(process: "subprocess.Popen[AnyStr]") -> tuple[int, AnyStr, AnyStr]:
    """Wait for the end of a process; return its status and what its pipes hold.

    A process that hangs is killed.
    """
    try:
        stdout, stderr = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    return process.returncode, stdout, stderr
