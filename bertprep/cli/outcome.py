"""How a command ends: an error is one line with an exit status; a broken pipe is quiet."""

import os
import signal
import sys
from functools import partial
from types import FrameType
from typing import Any, NoReturn

import click

from bertprep.errors import BertprepError, MachineError, remedy

_RESUMABLE = {"create", "pretrain", "vocab"}
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Stopped(BaseException):
    """SIGINT or SIGTERM, by its number."""


class Group(click.Group):
    """Turns our errors into one line and their exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BertprepError as error:
            advice = remedy(error.number) if isinstance(error, MachineError) else ""
            _fail(f"{error}{advice}", error.exit_status)
        except BrokenPipeError:
            _close_quietly()
        except _Stopped as stop:
            is_resumable = ctx.invoked_subcommand in _RESUMABLE
            advice = "; repeat the command to resume" if is_resumable else ""
            _fail(f"stopped{advice}", 128 + stop.args[0])
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _fail(f"{where}{error.strerror or error}{remedy(error.errno)}", 1)
        except MemoryError:
            _fail("out of memory: try fewer --workers, or more --num-partitions", 1)


def catch_stop_signals(context: click.Context) -> None:
    """Turn stop signals into an exception until the context is closed."""
    for stop_signal in _STOP_SIGNALS:
        before = signal.getsignal(stop_signal)
        if before is not signal.SIG_IGN:  # as in a background job
            signal.signal(stop_signal, _stop)
            context.call_on_close(partial(signal.signal, stop_signal, before))


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # A second Ctrl-C must not interrupt the clean-up.
    for stop_signal in _STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    raise _Stopped(number)


def _fail(text: str, status: int) -> NoReturn:
    click.echo(f"Error: {text}", err=True)
    sys.exit(status)


def _close_quietly() -> NoReturn:
    # Python would report the broken pipe again when it flushes stdout at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
