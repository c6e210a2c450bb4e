"""The process of a training run: TensorFlow's import, stop signals, and the other workers.

    load_tensorflow()                   # start-up logs suppressed
    with lost_workers_reported(), StopSignals() as stop:
        for step in ...:                # each step is an all-reduce over all workers
            ...
            if stop.is_wanted:
                save()
                stop.obey()             # the signal takes its usual effect
    exit_together(trainer.strategy)     # every worker, after its last work

TensorFlow's C++ code writes to descriptor 2 while it is loaded and looks for devices, before any of
its settings takes effect. So the descriptor leads to a file for that time, which is printed if the
import fails. TF_CPP_MIN_LOG_LEVEL=0 in the environment shows the logs.

TensorFlow's coordination service runs in the first worker. It logs errors for a worker that exits
before the run has ended, and a worker that outlives the service logs errors, too. So all workers
wait for each other, and the first one exits when the others are gone.

Cost: three seconds for the import, once. This module imports no TensorFlow until it is asked to.
"""

import atexit
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

from bertprep.errors import STOP_SIGNALS, MachineError, UsageError

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
#: A worker that keeps running after the run, or a machine that does not answer, delays the exit of
#: the first worker by this much.
_EXIT_SECONDS = 120.0
_POLL_SECONDS = 0.05


def load_tensorflow() -> None:
    """Import TensorFlow and Keras with start-up logs suppressed."""
    if "tensorflow" in sys.modules:
        return
    shows_logs = _LOG_LEVEL in os.environ
    os.environ.setdefault(_LOG_LEVEL, "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with nullcontext() if shows_logs else _stderr_suppressed():
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()  # looks for them, and configures none


@contextmanager
def _stderr_suppressed() -> Iterator[None]:
    """Redirect descriptor 2 to a file, which is printed only after an exception."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except Exception:
            file.seek(0)
            os.write(terminal, file.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


class StopSignals:
    """Defers stop signals within its context; does nothing outside the main thread.

    A second signal takes effect at once.
    """

    def __init__(self) -> None:
        self._number = 0
        self._previous: dict[int, Any] = {}

    @property
    def is_wanted(self) -> bool:
        """Whether a signal has arrived."""
        return self._number != 0

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._defer)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
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


def read_worker() -> tuple[int, int]:
    """Return the index of this process among the workers of TF_CONFIG, and their number.

    Raises:
        UsageError: TF_CONFIG does not name the workers.
    """
    try:
        content = json.loads(os.environ.get("TF_CONFIG", ""))
        num_workers, worker = len(content["cluster"]["worker"]), int(content["task"]["index"])
        is_valid = 0 <= worker < num_workers
    except (ValueError, KeyError, TypeError):
        is_valid = False
    if not is_valid:
        raise UsageError(
            "--distribute multiworker needs the workers in the environment variable TF_CONFIG, as "
            'in {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", '
            '"index": 0}}, with the same list and its own index on each'
        )
    return worker, num_workers


@contextmanager
def lost_workers_reported() -> Iterator[None]:
    """Turn the errors of an all-reduce without all workers into one line.

    Raises:
        MachineError: another worker has died or cannot be reached.
    """
    from tensorflow import errors

    try:
        yield
    except (
        errors.AbortedError,
        errors.CancelledError,
        errors.DeadlineExceededError,
        errors.UnavailableError,
    ) as error:
        raise MachineError(
            "another worker has exited or cannot be reached: repeat the command on all workers to "
            "resume from the last checkpoint"
        ) from error


def exit_together(strategy: Any) -> None:
    """Wait until every worker has come here; the first one waits again, at its exit.

    Only for a run that ends in the same way on every worker: a worker with an error of its own
    exits at once, and the others lose the connection to it.

    Args:
        strategy: a `tf.distribute.Strategy`.
    """
    resolver = strategy.cluster_resolver
    if resolver is None:  # a single process
        return
    import tensorflow as tf

    def all_reduce() -> tf.Tensor:
        return tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, tf.constant(1.0)
        )

    with lost_workers_reported():
        tf.function(lambda: strategy.run(all_reduce))()
    if resolver.task_id == 0:
        workers = resolver.cluster_spec().as_dict()["worker"]
        atexit.register(_wait_until_closed, workers[1:])


def _wait_until_closed(addresses: Sequence[str]) -> None:
    """Wait until no process listens at any of the addresses."""
    deadline = time.monotonic() + _EXIT_SECONDS
    for address in addresses:
        while _is_open(address) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _is_open(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except TimeoutError:
        return True
    except (OSError, ValueError):
        return False
    return True
