"""Imports TensorFlow and Keras without their talk on the terminal.

    load_tensorflow()
    from bertprep.training.loop import Trainer  # says nothing any more

TensorFlow's C++ parts write to descriptor 2 while they are loaded and look for devices, before
any setting of theirs counts. So the descriptor leads into a file for that time, which is shown if
the import fails. Whoever wants to hear it all sets TF_CPP_MIN_LOG_LEVEL=0.

Cost: three seconds, once.

Also how the workers of one run exit together:

    with lost_workers_reported():
        ...                             # steps: each is an all-reduce over all workers
    exit_together(trainer.strategy)     # every worker, after its last work

TensorFlow's coordination service runs in the first worker. It logs errors for a worker that exits
before the run has ended, and a worker that outlives the service logs errors, too. So all workers
wait for each other, and the first one exits when the others are gone.
"""

import atexit
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bertprep.errors import MachineError

if TYPE_CHECKING:
    import tensorflow as tf

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

#: A worker that keeps running after the run, or a machine that does not answer, delays the exit of
#: the first worker by this much.
_EXIT_SECONDS = 120.0
_POLL_SECONDS = 0.05


def load_tensorflow() -> None:
    """Imports TensorFlow, and Keras on top of it."""
    if "tensorflow" in sys.modules:
        return
    is_wanted = _LOG_LEVEL in os.environ
    os.environ.setdefault(_LOG_LEVEL, "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if is_wanted:
        _load()
        return
    with _errors_held_back():
        _load()


def _load() -> None:
    import keras  # noqa: F401
    import tensorflow as tf

    tf.config.list_physical_devices()  # looks for them, and configures none


@contextmanager
def _errors_held_back() -> Iterator[None]:
    """Leads descriptor 2 into a file; what is in it is shown only after an exception."""
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


@contextmanager
def lost_workers_reported() -> Iterator[None]:
    """Turn the errors of an all-reduce without all workers into one line.

    Raises:
        MachineError: another worker has died or cannot be reached.
    """
    from tensorflow import errors

    lost = (
        errors.AbortedError,
        errors.CancelledError,
        errors.DeadlineExceededError,
        errors.UnavailableError,
    )
    try:
        yield
    except lost as error:
        raise MachineError(
            "another worker has exited or cannot be reached: give the same command on all workers "
            "again to resume from the last checkpoint"
        ) from error


def exit_together(strategy: "tf.distribute.Strategy") -> None:
    """Wait until every worker has come here; the first one waits again, at its exit.

    Only for a run that ends in the same way on every worker: a worker with an error of its own
    exits at once, and the others lose the connection to it.
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
