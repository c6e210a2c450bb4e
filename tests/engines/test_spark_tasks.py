"""What Spark's tasks do before and after a stage, without Spark: looks, order, words for errors."""

import errno
import json
import multiprocessing
import pickle
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertprep.engines import Task
from bertprep.engines.spark import executor
from bertprep.engines.spark.executor import (
    Step,
    TaskError,
    check_machine,
    describe_failure,
    gather_counts,
    marker_path,
    run_map,
    run_plain,
    run_reduce,
    versions,
)
from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.kernels import jit
from bertprep.options import CreateOptions, EngineOptions

JAVA = "An error occurred while calling z:org.apache.spark.api.python.PythonRDD.runJob.\n: "
ABORTED = "org.apache.spark.SparkException: Job aborted due to stage failure: "
FAILED = "Task 1 in stage 4.0 failed 4 times, most recent failure:\nLost task 1.3 in stage 4.0 "
CHECKS = [(0, Task("the check", 0, 0.0))]
WHERE = "(TID 9) (10.0.0.7 executor 1): "


def send(task: int) -> Generator[list[np.ndarray], None, dict[str, Any]]:
    for number in range(2):
        yield [np.array([key, task, number], np.uint32) for key in range(3)]
    return {"task": task}


def receive(key: int, blobs: Iterable[np.ndarray], attempt: str) -> tuple[Any, ...]:
    return key, attempt, [blob.tolist() for blob in blobs]


def fail(error: Exception, *_: object) -> Iterator[list[np.ndarray]]:
    raise error
    yield []


@pytest.fixture
def make_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Step]:
    """Makes an make_step with a stage, whose mark is there."""
    monkeypatch.setattr(executor, "_set_up_runs", set())

    def make(stage: Any, setup: Callable[[], object] = bool) -> Step:
        marker_path("abc", tmp_path).touch()
        return Step("abc", str(tmp_path), versions(), pickle.dumps((setup, stage)))

    return make


def test_blobs_of_nothing_and_of_keys_not_asked_for_stay_behind(
    make_step: Callable[..., Step],
) -> None:
    made = list(run_map(make_step(send), {0, 2}, 9, iter([(4, Task("split 4", 7, 1.0))])))
    blobs = [
        (key, order[:2], np.frombuffer(order[2], np.uint32).tolist()) for key, order in made[:-1]
    ]
    assert blobs == [(2, (4, 0), [2, 7, 0]), (2, (4, 1), [2, 7, 1])]
    assert made[-1][:1] == (9,)
    ((counts, num_blobs),) = gather_counts(9, made[-1:])
    assert counts == [{"task": 7}]
    assert num_blobs.tolist() == [0, 0, 2, 0, 0, 0, 0, 0, 0]


def test_a_key_gets_its_blobs_in_the_order_of_the_tasks(make_step: Callable[..., Step]) -> None:
    blobs = {
        order: np.array([1, *order], np.uint32).tobytes() for order in [(10, 0), (2, 1), (2, 0)]
    }
    pairs = [(5, (*order, blob)) for order, blob in blobs.items()]
    result = run_reduce(make_step(receive), {5: "partition 5"}, {5: 3}, "x-", iter(pairs), 5)
    assert result == (5, "x-", [[1, 2, 0], [1, 2, 1], [1, 10, 0]])


def test_counts_are_in_the_order_of_the_tasks() -> None:
    sent = [np.array(keys, np.uint32).tobytes() for keys in ([0, 1, 0], [], [1])]
    pairs = [(2, (number, 1, ({"n": number}, sent[number]))) for number in (2, 0, 1)]
    ((counts, num_blobs),) = gather_counts(2, pairs)
    assert counts == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert num_blobs.tolist() == [2, 2]


def test_no_stage_sees_a_shuffle_that_has_broken_off(make_step: Callable[..., Step]) -> None:
    # Found by killing an executor: an empty shard, and a result file that said that it was whole.
    pairs = [(5, (0, 0, np.ones(1, np.uint32).tobytes()))]
    with pytest.raises(TaskError, match="only 1 of 2 blobs have arrived"):
        run_reduce(make_step(receive), {5: "partition 5"}, {5: 2}, "", iter(pairs), 5)


def test_a_plain_task_gives_its_result(make_step: Callable[..., Step]) -> None:
    assert run_plain(make_step(abs), iter([(3, Task("task 3", -7, 1.0))])) == [7]
    with pytest.raises(TaskError, match="task 3"):
        run_plain(make_step(len), iter([(3, Task("task 3", 0, 1.0))]))


def test_a_process_is_set_up_once(make_step: Callable[..., Step], tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    sent = make_step(receive, partial(append, counter))
    for _ in range(3):
        run_reduce(sent, {0: "partition 0"}, {0: 0}, "", iter([]), 0)
    assert counter.read_text() == "x"


def append(path: Path) -> None:
    with open(path, "a") as file:
        file.write("x")


def told(make_step: Step) -> BertprepError:
    """What the driver makes of the failure of a map task."""
    with pytest.raises(TaskError) as raised:
        list(run_map(make_step, {0}, 9, iter([(0, Task("split 0 (a.txt)", 0, 1.0))])))
    text = (
        f"{JAVA}{ABORTED}{FAILED}{WHERE}\nbertprep.engines.spark.executor.TaskError: {raised.value}"
    )
    return describe_failure(f"{text}\n\n\tat java.lang\n", ["split 0 (a.txt)"])


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (BertprepError("a.txt:4: not UTF-8\nat all"), BertprepError, "a.txt:4: not UTF-8\nat all"),
        (UsageError('vocab.txt: "no"'), UsageError, 'vocab.txt: "no"'),
        (MachineError("no room", errno.ENOSPC), MachineError, "no room"),
    ],
)
def test_mistakes_come_home_as_they_were(
    make_step: Callable[..., Step], error: BertprepError, kind: type[BertprepError], words: str
) -> None:
    found = told(make_step(partial(fail, error)))
    assert type(found) is kind
    assert str(found) == words
    assert getattr(found, "number", 0) == getattr(error, "number", 0)


def test_a_full_disk_comes_home_with_its_number(make_step: Callable[..., Step]) -> None:
    found = told(make_step(partial(fail, OSError(errno.ENOSPC, "No space left", "/data/shard"))))
    assert isinstance(found, MachineError)
    assert found.number == errno.ENOSPC
    assert str(found).startswith("split 0 (a.txt): /data/shard: No space left on ")


def test_other_errors_name_the_task_and_the_cause(make_step: Callable[..., Step]) -> None:
    found = told(make_step(partial(fail, ValueError("two\nlines"))))
    assert isinstance(found, MachineError)
    assert str(found).startswith("split 0 (a.txt) failed 4 times: ValueError: two lines (on ")


def test_a_machine_that_sees_another_folder_is_refused(make_step: Callable[..., Step]) -> None:
    sent = make_step(send)
    (name,) = check_machine(sent, CHECKS)
    assert Path(sent.folder, name).exists()
    marker_path(sent.run_id, sent.folder).unlink()
    assert "on storage that all machines share" in str(told(sent))
    with pytest.raises(TaskError, match="storage that all machines share"):
        check_machine(sent, CHECKS)


@pytest.mark.parametrize("name", versions())
def test_a_machine_with_other_versions_is_refused(
    make_step: Callable[..., Step], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = make_step(send)
    monkeypatch.setattr(executor, "versions", lambda: versions() | {name: "0.0"})
    assert f"{name} is 0.0 on " in str(told(sent))


def test_the_page_of_the_tasks_loads_no_numba() -> None:
    # The folder of the compiled kernels is chosen after it is loaded, and before they are.
    import subprocess
    import sys

    program = "import sys, bertprep.engines.spark.executor; print('numba' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"


def test_one_process_compiles_while_the_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jit, "_FOLDER", str(tmp_path))
    context = multiprocessing.get_context("fork")
    log = tmp_path / "log"
    processes = [context.Process(target=compile_slowly, args=(log,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    # The first one has ended before another begins, and then they may mix.
    assert log.read_text()[:2] == "be"
    assert sorted(log.read_text()) == sorted("be" * 4)
    assert len(list(tmp_path.glob("compiled-*"))) == 1


def compile_slowly(log: Path) -> None:
    with jit.one_compiles():
        append_word(log, "b")
        time.sleep(0.2)
        append_word(log, "e")


def append_word(path: Path, word: str) -> None:
    with open(path, "a") as file:
        file.write(word)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"engine": "beam"}, "engine must be local or spark, got beam"),
        ({"spark_master": "local"}, "pass --engine spark"),
        ({"spark_conf": ("a=b",)}, "pass --engine spark"),
        ({"engine": "spark", "spark_conf": ("ab",)}, "spark_conf must be key=value, .*, got ab"),
        ({"engine": "spark", "spark_conf": ("=b",)}, "spark_conf must be key=value, .*, got =b"),
    ],
)
def test_options_of_the_engine_are_checked(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EngineOptions(**values)


def test_settings_keep_what_stands_behind_the_first_equals_sign() -> None:
    options = EngineOptions("spark", None, ("a.b=-Dx=1", "a.b = y=2", "c="))
    assert options.spark_settings == {"a.b": " y=2", "c": ""}


def test_workers_are_of_the_local_engine() -> None:
    with pytest.raises(UsageError, match=r"set their number with --spark-conf spark\.cores\.max=N"):
        CreateOptions(("a.txt",), Path("v"), Path("o"), workers=2, execution=EngineOptions("spark"))


def test_json_of_an_error_is_one_line(make_step: Callable[..., Step]) -> None:
    with pytest.raises(TaskError) as raised:
        list(
            run_map(
                make_step(partial(fail, BertprepError("a\nb"))), {0}, 9, iter([(0, Task("", 0, 1))])
            )
        )
    assert "\n" not in str(raised.value)
    assert json.loads(str(raised.value))["text"] == "a\nb"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            f"{JAVA}{ABORTED}{FAILED}{WHERE}ExecutorLostFailure (executor 1 exited caused by one "
            "of the running tasks) Reason: Command exited with code 137\nDriver stacktrace:\n",
            "partition 5 failed 4 times: Command exited with code 137 (on 10.0.0.7 executor 1)",
        ),
        (
            f"{JAVA}{ABORTED}{FAILED}{WHERE}org.apache.spark.api.python.PythonException: "
            'Traceback (most recent call last):\n  File "worker.py", line 1, in main\n'
            "ModuleNotFoundError: No module named 'bertprep'\n\n\tat org.apache.spark.api\n"
            "Driver stacktrace:\n",
            "partition 5 failed 4 times: ModuleNotFoundError: No module named 'bertprep' (on "
            "10.0.0.7 executor 1)",
        ),
        (
            f"{JAVA}{ABORTED}{FAILED.replace('4.0', '4.1')}{WHERE}java.io.IOException: Cannot run "
            'program "./env/bin/python": error=2, No such file or directory\n\tat java.lang\n',
            'a task failed 4 times: java.io.IOException: Cannot run program "./env/bin/python": '
            "error=2, No such file or directory (on 10.0.0.7 executor 1)",
        ),
        (
            f"{JAVA}org.apache.spark.SparkException: Job 3 cancelled because SparkContext was shut "
            "down\n\tat org.apache",
            "Spark: org.apache.spark.SparkException: Job 3 cancelled because SparkContext was shut "
            "down",
        ),
        ("", "Spark: no cause given"),
    ],
    ids=["lost", "Python", "a second attempt", "no task", "nothing"],
)
def test_what_spark_says_becomes_one_line(text: str, words: str) -> None:
    error = describe_failure(text, ["partition 2", "partition 5"])
    assert isinstance(error, MachineError)
    assert str(error) == words


@pytest.mark.parametrize(
    "text",
    [
        "java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext.\n",
        "java.lang.IllegalStateException: SparkContext has been shutdown\n",
        "org.apache.spark.SparkException: Job 1 cancelled because SparkContext was shut down\n",
    ],
)
def test_why_a_run_was_ended_stands_in_the_log(text: str) -> None:
    log = (
        "ERROR StandaloneSchedulerBackend: Application has been killed. Reason: No masters.\nWARN\n"
    )
    found = describe_failure(f"{JAVA}{text}", [], log)
    assert str(found) == "Spark ended this run: No masters."
