"""The registry of engines, and the local engine's three steps."""

from collections.abc import Generator, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertprep.engines import Engine, Task, open_engine
from bertprep.engines.local import LocalEngine
from bertprep.errors import BertprepError
from bertprep.options import ENGINES, EngineOptions

KEYS = range(3)


def send(folder: Path, task: int) -> Generator[list[np.ndarray], None, dict[str, Any]]:
    (folder / f"ran-{task}").touch(exist_ok=False)
    for number in range(task):
        yield [np.array([1, key, task, number], np.uint32) for key in KEYS]
    return {"task": task}


def receive(key: int, blobs: Iterable[np.ndarray], attempt: str) -> tuple[int, list[list[int]]]:
    return key, [blob.tolist() for blob in blobs]


def fail(task: int) -> None:
    raise BertprepError(f"task {task}: a mistake")


def tasks(*values: int) -> list[Task[int]]:
    return [Task(f"task {number}", value, 2.0) for number, value in enumerate(values)]


def opened(folder: Path) -> LocalEngine:
    engine = open_engine(
        EngineOptions(), notify=print, workers=2, folder=folder, num_keys=len(KEYS)
    )
    assert isinstance(engine, LocalEngine)
    return engine


@pytest.mark.parametrize("name", ENGINES)
def test_every_entry_of_the_registry_is_an_engine(name: str, tmp_path: Path) -> None:
    if name == "spark":
        pytest.importorskip("pyspark")
    engine = open_engine(EngineOptions(name), notify=print, folder=tmp_path)
    for step in ("map", "reduce", "run"):
        assert callable(getattr(engine, step))
        assert hasattr(Engine, step)


def test_results_come_in_the_order_of_the_tasks(tmp_path: Path) -> None:
    advanced: list[float] = []
    with opened(tmp_path) as engine:
        assert list(engine.run(abs, tasks(*range(-40, 0)), advanced.append)) == [*range(40, 0, -1)]
        assert list(engine.run(abs, [], advanced.append)) == []
    assert sum(advanced) == 80


def test_an_error_of_a_task_is_raised_unchanged(tmp_path: Path) -> None:
    with opened(tmp_path) as engine, pytest.raises(BertprepError, match=r"^task 7: a mistake$"):
        list(engine.run(fail, tasks(7), lambda size: None))


def test_blobs_of_a_key_come_in_the_order_of_the_tasks(tmp_path: Path) -> None:
    with opened(tmp_path) as engine:
        counts = engine.map(partial(send, tmp_path), tasks(2, 0, 1), KEYS, lambda size: None)
        results = engine.reduce(receive, tasks(2, 0), lambda size: None)
    assert counts == [{"task": 2}, {"task": 0}, {"task": 1}]
    assert results == [(key, [[1, key, 2, 0], [1, key, 2, 1], [1, key, 1, 0]]) for key in (2, 0)]


def test_map_tasks_with_a_result_file_are_not_run_again(tmp_path: Path) -> None:
    found = []
    for _ in range(2):  # a stage that ran twice would fail
        with opened(tmp_path) as engine:
            engine.map(partial(send, tmp_path), tasks(2, 3), KEYS, lambda size: None)
            found.append(engine.reduce(receive, tasks(1), lambda size: None))
    assert found[0] == found[1]
