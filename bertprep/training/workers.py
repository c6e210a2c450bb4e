"""Workers of one run: they exit together, and report one that was lost in one line.

    with lost_workers_reported():
        ...                             # steps: each is an all-reduce over all workers
    exit_together(trainer.strategy)     # every worker, after its last work

TensorFlow's coordination service runs in the first worker. It logs errors for a worker that exits
before the run has ended, and a worker that outlives the service logs errors, too. So all workers
wait for each other, and the first one exits when the others are gone.
"""

import atexit
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf

from bertprep.errors import MachineError

#: A worker that keeps running after the run, or a machine that does not answer, delays the exit of
#: the first worker by this much.
_EXIT_SECONDS = 120.0
_POLL_SECONDS = 0.05

_LOST_WORKER = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)


@contextmanager
def lost_workers_reported() -> Iterator[None]:
    """Turn the errors of an all-reduce without all workers into one line.

    Raises:
        MachineError: another worker has died or cannot be reached.
    """
    try:
        yield
    except _LOST_WORKER as error:
        raise MachineError(
            "another worker has exited or cannot be reached: repeat the command on all workers to "
            "resume from the last checkpoint"
        ) from error


def exit_together(strategy: tf.distribute.Strategy) -> None:
    """Wait until every worker has come here; the first one waits again, at its exit.

    Only for a run that ends in the same way on every worker: a worker with an error of its own
    exits at once, and the others lose the connection to it.
    """
    resolver = strategy.cluster_resolver
    if resolver is None:  # a single process
        return

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
