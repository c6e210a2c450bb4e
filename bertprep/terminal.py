"""What a person reads on a terminal: progress, messages, and text that fits into columns.

Progress is a tqdm bar on a terminal, a plain line every 30 s elsewhere, and nothing with `--quiet`.
Progress and messages go to stderr, results to stdout.
"""

import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:  # tqdm takes 30 ms to import: only what shows progress pays for it
    from tqdm import tqdm

_PLAIN_LINE_SECONDS = 30.0


class Progress(Protocol):
    """What a stage tells as it goes on."""

    def advance(self, size: float) -> None:
        """`size` more of the total are done."""


class _Bar:
    def __init__(self, bar: "tqdm[None]") -> None:
        self._bar = bar

    def advance(self, size: float) -> None:
        self._bar.update(size)


class _PlainLines:
    def __init__(self, stage: str, total: float, unit: str) -> None:
        self._stage, self._total, self._done = stage, max(total, 1.0), 0.0
        self._unit = unit
        self._start = self._last = time.monotonic()

    def advance(self, size: float) -> None:
        self._done += size
        now = time.monotonic()
        if now - self._last < _PLAIN_LINE_SECONDS:
            return
        self._last = now
        rate = self._done / (now - self._start)
        left = (self._total - self._done) / rate if rate else 0.0
        shown = f"{rate / 1e6:.1f} MB/s" if self._unit == "B" else f"{rate:,.1f} {self._unit}/s"
        message(
            f"{self._stage}: {self._done / self._total:.0%}, {shown}, {max(left, 0):,.0f} s left"
        )


class _Silence:
    def advance(self, size: float) -> None:
        pass


@contextmanager
def progress(stage: str, total: float, *, quiet: bool, unit: str = "B") -> Iterator[Progress]:
    """Follows one stage of `total` bytes, or of another unit."""
    if quiet:
        yield _Silence()
    elif not sys.stderr.isatty():
        yield _PlainLines(stage, total, unit)
    else:
        from tqdm import tqdm

        # tqdm's watching thread would be alive while workers are forked.
        tqdm.monitor_interval = 0
        with tqdm(
            total=total,
            desc=stage,
            unit=unit,
            unit_scale=True,
            dynamic_ncols=True,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} "
            "[{elapsed}, {remaining} left, {rate_fmt}]",
        ) as bar:
            yield _Bar(bar)


class StepProgress(Protocol):
    """Progress of a training run."""

    def show(self, text: str) -> None:
        """Show the latest metrics."""

    def advance(self) -> None:
        """Count one more step."""


class _StepBar:
    def __init__(self, bar: "tqdm[None]") -> None:
        self._bar = bar

    def show(self, text: str) -> None:
        self._bar.set_postfix_str(text, refresh=False)

    def advance(self) -> None:
        self._bar.update()


class _StepLines:
    def __init__(self, start: int, total: int) -> None:
        self._first = self._step = start
        self._total, self._shown = total, ""
        self._start = self._last = time.monotonic()

    def show(self, text: str) -> None:
        self._shown = f", {text}"

    def advance(self) -> None:
        self._step += 1
        now = time.monotonic()
        if now - self._last < _PLAIN_LINE_SECONDS:
            return
        self._last = now
        left = (self._total - self._step) * (now - self._start) / (self._step - self._first)
        message(f"step {self._step:,} of {self._total:,}{self._shown}, {left:,.0f} s left")


class _StepSilence:
    def show(self, text: str) -> None:
        pass

    def advance(self) -> None:
        pass


@contextmanager
def step_progress(start: int, total: int, *, quiet: bool) -> Iterator[StepProgress]:
    """Show the progress of a training run from step `start` to `total`."""
    if quiet:
        yield _StepSilence()
    elif not sys.stderr.isatty():
        yield _StepLines(start, total)
    else:
        from tqdm import tqdm

        with tqdm(
            total=total,
            initial=start,
            desc="step",
            dynamic_ncols=True,
            bar_format="{desc} {n_fmt}/{total_fmt} [{elapsed}, {remaining} left{postfix}]",
        ) as bar:
            yield _StepBar(bar)


def message(text: str) -> None:
    """Print one line on stderr, above a bar if there is one. A lost terminal is no error."""
    with suppress(OSError):
        _write(printable(text), sys.stderr)


def result(text: str) -> None:
    """Print one line on stdout, above a bar if there is one."""
    _write(printable(text), sys.stdout)


def _write(text: str, stream: TextIO) -> None:
    if "tqdm" in sys.modules:  # a bar may be shown
        from tqdm import tqdm

        tqdm.write(text, file=stream)
    else:
        print(text, file=stream, flush=True)


def printable(text: str) -> str:
    """Return a text with its control characters escaped, on one line; `""` for an empty one."""
    if text.isprintable():
        return text or '""'
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 document`, `2,000 documents`, `no anomalies`.

    Args:
        number: how many.
        noun, plural: the noun; its plural, unless it ends in just another `s`.
    """
    shown = f"{number:,}" if number else "no"
    return f"{shown} {noun if number == 1 else plural or noun + 's'}"


def in_bytes(size: float) -> str:
    """Return a size in bytes in a readable unit: `1.5 GB`."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("KB", "MB", "GB"):
        size /= 1000
        if size < 1000 or unit == "GB":
            break
    return f"{size:.1f} {unit}"


def columns(text: str) -> int:
    """Return the number of terminal columns of a text: two for each wide character."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):  # drawn over the character before
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def truncated(text: str, width: int) -> str:
    """Return a text cut to at most `width` columns, with `...` at the end of one that was cut."""
    text = text[: width + 1]  # no character is narrower than a column
    if columns(text) <= width:
        return text
    while columns(text) > width - 3:
        text = text[: max(1, len(text) - max(1, (columns(text) - width) // 2))]
    return f"{text}..."


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Return a text as lines of at most `width` columns; only a longer word goes beyond.

    Args:
        first, rest: indent of the first line, and of the others.
    """
    lines, line = [], first
    for word in text.split():
        blank = "" if line in (first, rest) else " "
        if blank and columns(line) + 1 + columns(word) > width:
            lines.append(line)
            line, blank = rest, ""
        line += blank + word
    return [*lines, line]


def table(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return rows of a name and a value as lines, the values aligned in one column."""
    rows = list(rows)
    width = max((columns(name) for name, _ in rows), default=0)
    return [f"{name}{' ' * (width - columns(name))}  {value}" for name, value in rows]
