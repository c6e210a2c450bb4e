"""The process of a training run: the workers of TF_CONFIG, and the import of TensorFlow.

    load_tensorflow()
    from bertprep.training.loop import Trainer  # TensorFlow logs nothing any more

TensorFlow's C++ code writes to descriptor 2 while it is loaded and looks for devices, before any of
its settings takes effect. So the descriptor leads to a file for that time, which is printed if the
import fails. TF_CPP_MIN_LOG_LEVEL=0 in the environment shows the logs.

Cost: three seconds, once.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from bertprep.errors import UsageError

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


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


def load_tensorflow() -> None:
    """Import TensorFlow and Keras with start-up logs suppressed."""
    if "tensorflow" in sys.modules:
        return
    shows_logs = _LOG_LEVEL in os.environ
    os.environ.setdefault(_LOG_LEVEL, "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if shows_logs:
        _load()
        return
    with _stderr_suppressed():
        _load()


def _load() -> None:
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
