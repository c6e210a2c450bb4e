"""SIGINT and SIGTERM in the middle of a step wait until the step is whole and saved.

    with StopSignals() as stop:
        for step in ...:
            ...
            if stop.is_wanted:
                save()
                stop.obey()         # what the signal does without this

A second signal does not wait.
"""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Puts stop signals off while it is entered; does nothing outside the main thread.

    Attributes:
        is_wanted: one has come.
    """

    def __init__(self) -> None:
        self._number = 0
        self._before: dict[int, Any] = {}

    @property
    def is_wanted(self) -> bool:
        return self._number != 0

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()
        if kind is None and self._number:  # it came behind the last step
            os.kill(os.getpid(), self._number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._number:
            self.obey()
        else:
            self._number = number

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def obey(self) -> None:
        """Does what the signal would have done."""
        self._restore()
        number, self._number = self._number, 0
        os.kill(os.getpid(), number)
