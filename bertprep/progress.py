"""How far a stage is: a tqdm bar on a terminal, a plain line every 30 s elsewhere, or nothing.

All of it goes to stderr; results are for stdout.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tqdm import tqdm

_PLAIN_LINE_SECONDS = 30.0


class Progress(Protocol):
    """What a stage tells as it goes on."""

    def advance(self, size: float) -> None:
        """`size` more bytes are done."""


class _Bar:
    def __init__(self, bar: "tqdm[None]") -> None:
        self._bar = bar

    def advance(self, size: float) -> None:
        self._bar.update(size)


class _PlainLines:
    def __init__(self, stage: str, total: float) -> None:
        self._stage, self._total, self._done = stage, max(total, 1.0), 0.0
        self._start = self._last = time.monotonic()

    def advance(self, size: float) -> None:
        self._done += size
        now = time.monotonic()
        if now - self._last < _PLAIN_LINE_SECONDS:
            return
        self._last = now
        rate = self._done / (now - self._start)
        left = (self._total - self._done) / rate if rate else 0.0
        message(
            f"{self._stage}: {self._done / self._total:.0%}, {rate / 1e6:.1f} MB/s, "
            f"{max(left, 0):,.0f} s left"
        )


class _Silence:
    def advance(self, size: float) -> None:
        pass


@contextmanager
def progress(stage: str, total: float, *, quiet: bool) -> Iterator[Progress]:
    """Follows one stage of `total` bytes."""
    if quiet:
        yield _Silence()
    elif not sys.stderr.isatty():
        yield _PlainLines(stage, total)
    else:
        # tqdm's watching thread would be alive while workers are forked.
        tqdm.monitor_interval = 0
        with tqdm(
            total=total,
            desc=stage,
            unit="B",
            unit_scale=True,
            dynamic_ncols=True,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} "
            "[{elapsed}, {remaining} left, {rate_fmt}]",
        ) as bar:
            yield _Bar(bar)


def message(text: str) -> None:
    """One line on stderr, above a bar if there is one."""
    tqdm.write(text, file=sys.stderr)


def result(text: str) -> None:
    """One line on stdout, above a bar if there is one."""
    tqdm.write(text, file=sys.stdout)
