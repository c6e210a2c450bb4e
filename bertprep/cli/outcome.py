"""How a command ends: an error is one line with an exit status; a broken pipe is quiet."""

import errno
import os
import signal
import sys
from functools import partial
from types import FrameType
from typing import Any, NoReturn

import click

from bertprep.errors import STOP_SIGNALS, BertprepError, MachineError, remedy
from bertprep.options import without_credentials
from bertprep.terminal import printable

_RESUMABLE = {"create", "pretrain", "vocab"}
_WRITE_ERRORS = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EBADF, errno.EIO, errno.EFBIG}
#: Seconds until a stop that was lost in a callback is raised again.
_AGAIN_SECONDS = 0.01


class _Stopped(BaseException):
    """A stop signal, by its number."""


class Group(click.Group):
    """Turns our errors into one line and their exit status."""

    def main(self, *args: Any, **settings: Any) -> Any:
        _open_closed_streams()
        try:
            return super().main(*args, **settings)
        except OSError as error:  # from `--help`, which is shown before any command is invoked
            _fail_at(error)
        except _Stopped as stop:  # while the command was ending
            sys.exit(128 + stop.args[0])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except (Exception, _Stopped) as error:
            stop = _stop_behind(error)
            if stop:
                is_resumable = ctx.invoked_subcommand in _RESUMABLE
                advice = "; repeat the command to resume" if is_resumable else ""
                _fail(f"stopped{advice}", 128 + stop)
            if isinstance(error, BertprepError):
                advice = remedy(error.number) if isinstance(error, MachineError) else ""
                _fail(f"{error}{advice}", error.exit_status)
            if isinstance(error, OSError):
                _fail_at(error)
            if isinstance(error, MemoryError):
                _fail("out of memory: try fewer --workers, or more --num-partitions", 1)
            raise


def show_summary(text: str) -> None:
    """Print the summary of results that are on disk: they are complete without it."""
    try:
        click.echo(text)
    except OSError as error:
        _discard_stdout()
        if not isinstance(error, BrokenPipeError):
            click.echo(f"Warning: stdout: {error.strerror}: the summary is not shown", err=True)


def catch_stop_signals(context: click.Context) -> None:
    """Turn stop signals into an exception until the context is closed."""
    sys.unraisablehook, before = _raise_again, sys.unraisablehook
    context.call_on_close(partial(setattr, sys, "unraisablehook", before))
    for stop_signal in STOP_SIGNALS:
        handler = signal.getsignal(stop_signal)
        if handler is not signal.SIG_IGN:  # as in a background job
            signal.signal(stop_signal, _stop)
            context.call_on_close(partial(signal.signal, stop_signal, handler))


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # A second Ctrl-C must not interrupt the clean-up.
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    raise _Stopped(number)


def _stop_behind(error: BaseException | None) -> int:
    """Return the number of the signal that led to an error, such as one of an import; or 0."""
    while error is not None and not isinstance(error, _Stopped):
        error = error.__cause__ or error.__context__
    return int(error.args[0]) if error else 0


def _raise_again(lost: Any) -> None:
    """Raise a stop again that Python has dropped, since a destructor or a callback was running."""
    if not isinstance(lost.exc_value, _Stopped):
        sys.__unraisablehook__(lost)
        return
    number = lost.exc_value.args[0]
    signal.signal(signal.SIGALRM, lambda *_: _stop(number, None))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)


def _open_closed_streams() -> None:
    """Put a file that cannot be used where a stream is closed: another would get its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            usable = os.O_WRONLY if name == "stderr" else (os.O_WRONLY, os.O_RDONLY)[number]
            os.dup2(os.open(os.devnull, usable), number)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))


def _fail_at(error: OSError) -> NoReturn:
    """End with a system error; one of a write without a file's name is one of stdout."""
    if error.filename is None and error.errno in _WRITE_ERRORS:
        _discard_stdout()
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        _fail(f"stdout: {error.strerror}", 1)
    where = f"{error.filename}: " if error.filename else ""
    _fail(f"{where}{error.strerror or error}{remedy(error.errno)}", 1)


def _fail(text: str, status: int) -> NoReturn:
    try:
        click.echo(f"Error: {printable(without_credentials(text))}", err=True)
    finally:
        sys.exit(status)


def _discard_stdout() -> None:
    # Python would report the error again when it flushes stdout at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
