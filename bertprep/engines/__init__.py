"""Engines: where the tasks of `create`, `vocab` and `inspect` run. No output depends on the choice.

    with open_engine(options, notify=print, folder=work, num_keys=12) as engine:
        counts = engine.map(tokenize, splits, range(12), bar.advance)
        results = engine.reduce(build, partitions, bar.advance)

A new engine is a class with the methods of `Engine`, made from an `EngineSetup`, and an entry in
`options.ENGINES`.
"""

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from bertprep.engines.tasks import Engine, EngineSetup, Task
from bertprep.options import ENGINES, EngineOptions

__all__ = ["Engine", "Task", "open_engine"]


def open_engine(
    options: EngineOptions,
    *,
    notify: Callable[[str], None],
    workers: int | None = None,
    folder: Path | None = None,
    num_keys: int = 0,
    set_up: Callable[[], object] = bool,
) -> AbstractContextManager[Engine]:
    """Return the engine that the options name, to be entered.

    Args:
        notify: receives warnings, such as that a task is retried.
        workers: processes of the local engine; None uses all cores.
        folder: for blobs and temporary files, on storage that every machine sees; not needed for
            `Engine.run` on the local engine.
        num_keys: number of keys of the blobs, which are numbered from 0.
        set_up: called once in each process before its first task.
    """
    module, name = ENGINES[options.engine].split(":")
    engine = getattr(importlib.import_module(f"bertprep.engines.{module}"), name)
    opened: AbstractContextManager[Engine] = engine(
        EngineSetup(options, notify, workers, folder, num_keys, set_up)
    )
    return opened
