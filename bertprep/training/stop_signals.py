"""SIGINT and SIGTERM take effect when the step is complete and saved.

    with StopSignals() as stop:
        for step in ...:
            ...
            if stop.is_wanted:
                save()
                stop.obey()         # the signal takes its usual effect

A second signal takes effect at once.
"""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Defers stop signals within its context; does nothing outside the main thread."""

    def __init__(self) -> None:
        self._number = 0
        self._previous: dict[int, Any] = {}

    @property
    def is_wanted(self) -> bool:
        """Whether a signal has arrived."""
        return self._number != 0

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._defer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()
        if kind is None and self._number:  # it arrived after the last step
            os.kill(os.getpid(), self._number)

    def _defer(self, number: int, frame: FrameType | None) -> None:
        if self._number:
            self.obey()
        else:
            self._number = number

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def obey(self) -> None:
        """Send the deferred signal to the previous handlers."""
        self._restore()
        number, self._number = self._number, 0
        os.kill(os.getpid(), number)
