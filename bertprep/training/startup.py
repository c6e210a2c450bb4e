"""Imports TensorFlow and Keras without their talk on the terminal.

    load_tensorflow()
    from bertprep.training.loop import Trainer  # says nothing any more

TensorFlow's C++ parts write to descriptor 2 while they are loaded and look for devices, before
any setting of theirs counts. So the descriptor leads into a file for that time, which is shown if
the import fails. Whoever wants to hear it all sets TF_CPP_MIN_LOG_LEVEL=0.

Cost: three seconds, once.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


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
