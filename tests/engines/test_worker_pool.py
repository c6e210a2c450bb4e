"""The worker pool: every task's result, whatever happens to the workers, and none left behind."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from waiting import FOREVER, finish, wait_for

from bertprep.engines import worker_pool
from bertprep.engines.worker_pool import WorkerPool
from bertprep.errors import BertprepError, UsageError


class RecordError(BertprepError):
    """Takes other arguments than the message that it hands on: plain pickle cannot rebuild it."""

    exit_status = 7

    def __init__(self, path: str, offset: int) -> None:
        super().__init__(f"{path}: bad record at byte {offset}")
        self.offset = offset


class OddError(Exception):
    """Neither pickled nor printed."""

    def __init__(self) -> None:
        self.callback = lambda: None

    def __str__(self) -> str:
        raise ValueError("no words")


class BrokenOnArrival:
    """Pickles in the worker, fails to unpickle in the parent."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return int, ("not a number",)


def square(number: int) -> int:
    return number * number


def negate(number: int) -> int:
    return -number


def repeat(number: int) -> bytes:
    return bytes([number]) * 1_000_000


def own_pid(_: int) -> int:
    return os.getpid()


def die(how: Callable[[], object], folder: Path, times: int, number: int) -> int:
    """Ends as `how` says in the first `times` tries at task 3; the folder counts the tries."""
    if number == 3:
        tries = len(list(folder.iterdir()))
        if tries < times:
            (folder / str(tries)).touch()
            how()
    return square(number)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def exit_3() -> None:
    os._exit(3)


def note_pid_and_repeat(folder: Path, number: int) -> bytes:
    (folder / f"{number}.{os.getpid()}").touch()
    return repeat(number)


def fail(error: BaseException, _: int) -> None:
    raise error


MISTAKES = {
    "plain": BertprepError("no documents"),
    "usage": UsageError("no such flag"),
    "with an attribute": RecordError("a.tfrecord", 12),
}


def make_mistake(kind: str) -> None:
    raise MISTAKES[kind]


def fail_oddly(_: int) -> None:
    raise OddError


def fail_locally(_: int) -> None:
    class LocalError(RecordError):
        pass

    raise LocalError("a.tfrecord", 17)


def return_broken(_: int) -> BrokenOnArrival:
    return BrokenOnArrival()


def return_lambda(_: int) -> Callable[[], None]:
    return lambda: None


set_up_in: list[int] = []


def note_setup() -> None:
    set_up_in.append(os.getpid())


def count_setups(_: int) -> tuple[int, int]:
    return os.getpid(), set_up_in.count(os.getpid())


def numbered(count: int) -> list[tuple[str, int]]:
    return [(f"partition {number}", number) for number in range(count)]


def start_time(pid: int) -> str | None:
    """When this process began, None if it is gone: tells it from a later one of the same id."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


Retries = list[tuple[str, str]]


def ignore(name: str, cause: str) -> None:
    pass


@pytest.fixture
def retries() -> Retries:
    return []


@pytest.fixture
def pool(retries: Retries) -> Iterator[WorkerPool]:
    with WorkerPool(2, on_retry=lambda name, cause: retries.append((name, cause))) as pool:
        yield pool
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_task_gives_its_result_once(workers: int) -> None:
    with WorkerPool(workers, on_retry=ignore) as pool:
        results = list(pool.run(square, numbered(40)))
    assert sorted(results) == sorted((name, number * number) for name, number in numbered(40))


def test_results_larger_than_a_pipe_arrive_whole(pool: WorkerPool) -> None:
    for name, result in pool.run(repeat, numbered(9)):
        assert result == bytes([int(name.split()[1])]) * 1_000_000


def test_workers_stay_for_the_next_run_with_another_function(pool: WorkerPool) -> None:
    first = {pid for _, pid in pool.run(own_pid, numbered(20))}
    assert dict(pool.run(negate, numbered(3)))["partition 2"] == -2
    second = {pid for _, pid in pool.run(own_pid, numbered(20))}
    assert os.getpid() not in first
    assert len(first | second) <= 2


def test_no_more_workers_start_than_there_are_tasks() -> None:
    with WorkerPool(5, on_retry=ignore) as pool:
        assert list(pool.run(square, [])) == []
        assert multiprocessing.active_children() == []
        list(pool.run(square, numbered(1)))
        assert len(multiprocessing.active_children()) == 1


def test_tasks_are_taken_as_workers_become_free(pool: WorkerPool) -> None:
    taken = []

    def tasks() -> Iterator[tuple[str, int]]:
        for name, number in numbered(30):
            taken.append(name)
            yield name, number

    for done, _ in enumerate(pool.run(square, tasks()), start=1):
        # At most two results wait for us and two tasks are under way.
        assert len(taken) <= done + 4
    assert len(taken) == 30


def test_each_worker_is_set_up_once() -> None:
    with WorkerPool(2, on_retry=ignore, set_up=note_setup) as pool:
        for _ in range(2):
            assert {setups for _, (_, setups) in pool.run(count_setups, numbered(10))} == {1}


def test_a_replaced_worker_is_set_up_too(tmp_path: Path) -> None:
    with WorkerPool(2, on_retry=ignore, set_up=note_setup) as pool:
        list(pool.run(partial(die, kill_self, tmp_path, 1), numbered(5)))
        assert {setups for _, (_, setups) in pool.run(count_setups, numbered(10))} == {1}


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        (kill_self, "killed by signal 9 (SIGKILL): out of memory?"),
        (partial(signal.raise_signal, signal.SIGTERM), "killed by signal 15 (SIGTERM)"),
        (exit_3, "exited with status 3"),
        (partial(fail, ValueError("odd\nvalue"), 0), "ValueError: odd value"),
        (
            partial(fail, OSError(errno.EIO, "I/O error", "a.txt"), 0),
            "I/O error: a.txt",
        ),
        (partial(fail, MemoryError(), 0), "MemoryError"),
        (partial(fail, KeyboardInterrupt(), 0), "KeyboardInterrupt"),
    ],
)
def test_a_task_that_fails_once_is_tried_again(
    pool: WorkerPool,
    retries: Retries,
    tmp_path: Path,
    how: Callable[[], object],
    cause: str,
) -> None:
    results = list(pool.run(partial(die, how, tmp_path, 1), numbered(8)))
    assert sorted(results) == sorted((name, number * number) for name, number in numbered(8))
    assert [name for name, _ in retries] == ["partition 3"]
    assert cause in retries[0][1]


def test_a_task_may_fail_twice(pool: WorkerPool, retries: Retries, tmp_path: Path) -> None:
    assert len(list(pool.run(partial(die, kill_self, tmp_path, 2), numbered(8)))) == 8
    assert [name for name, _ in retries] == ["partition 3", "partition 3"]


def test_a_task_that_fails_three_times_ends_the_run(
    pool: WorkerPool, retries: Retries, tmp_path: Path
) -> None:
    with pytest.raises(BertprepError, match=r"^partition 3 failed three times: killed by signal 9"):
        list(pool.run(partial(die, kill_self, tmp_path, 9), numbered(8)))
    assert len(retries) == 2
    assert multiprocessing.active_children() == []
    assert len(list(pool.run(square, numbered(8)))) == 8  # the pool itself is whole


def test_the_last_failure_shows_the_traceback_of_the_worker(pool: WorkerPool) -> None:
    with pytest.raises(BertprepError) as caught:
        list(pool.run(partial(fail, ZeroDivisionError("by zero")), [("partition 0", 0)]))
    assert str(caught.value) == "partition 0 failed three times: ZeroDivisionError: by zero"
    assert "in fail" in str(caught.value.__cause__)


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_comes_through_unchanged_at_the_first_try(
    pool: WorkerPool, retries: Retries, kind: str
) -> None:
    expected = MISTAKES[kind]
    with pytest.raises(BertprepError) as caught:
        list(pool.run(make_mistake, [("partition 0", kind)]))
    assert type(caught.value) is type(expected)
    assert str(caught.value) == str(expected)
    assert caught.value.exit_status == expected.exit_status
    assert vars(caught.value) == vars(expected)
    assert retries == []


def test_a_mistake_that_pickle_cannot_carry_keeps_its_words(pool: WorkerPool) -> None:
    with pytest.raises(BertprepError, match=r"^a\.tfrecord: bad record at byte 17$") as caught:
        list(pool.run(fail_locally, numbered(1)))
    assert caught.value.exit_status == 7


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EACCES", "EROFS"])
def test_what_the_file_system_refuses_is_not_tried_again(
    pool: WorkerPool, retries: Retries, number: str
) -> None:
    code = getattr(errno, number)
    error = OSError(code, os.strerror(code), "out/part-3.tmp")
    with pytest.raises(BertprepError) as caught:
        list(pool.run(partial(fail, error), numbered(1)))
    assert str(caught.value) == f"partition 0: out/part-3.tmp: {os.strerror(code)}"
    assert retries == []


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (fail_oddly, "OddError: <exception str() failed>"),
        (return_broken, "ValueError: invalid literal for int"),
        (return_lambda, "pickle"),
    ],
)
def test_what_pickle_cannot_carry_is_a_failed_try(
    pool: WorkerPool, retries: Retries, function: Callable[[int], object], cause: str
) -> None:
    with pytest.raises(BertprepError, match="partition 0 failed three times") as caught:
        list(pool.run(function, numbered(1)))
    assert cause in str(caught.value)
    assert len(retries) == 2


def test_a_reply_cut_short_is_a_failed_try(tmp_path: Path) -> None:
    retries = []
    with WorkerPool(1, on_retry=lambda name, cause: retries.append((name, cause))) as pool:
        results = pool.run(partial(note_pid_and_repeat, tmp_path), numbered(3))
        next(results)
        # We do not read now, so the next reply, larger than the pipe, is stuck in the worker.
        wait_for(lambda: any(tmp_path.glob("1.*")), "the start of the next task")
        pid = int(next(tmp_path.glob("1.*")).suffix[1:])
        os.kill(pid, signal.SIGKILL)
        assert dict(results) == {f"partition {n}": repeat(n) for n in (1, 2)}
    assert retries == [("partition 1", "killed by signal 9 (SIGKILL): out of memory?")]


def test_a_worker_killed_while_it_waits_is_replaced(pool: WorkerPool, retries: Retries) -> None:
    pids = {pid for _, pid in pool.run(own_pid, numbered(20))}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert len(list(pool.run(square, numbered(8)))) == 8
    assert {cause for _, cause in retries} == {"killed by signal 9 (SIGKILL): out of memory?"}


@pytest.mark.parametrize("leave", [KeyboardInterrupt, ValueError])
def test_an_error_in_the_caller_leaves_no_worker(leave: type[BaseException]) -> None:
    pids: list[int] = []

    def consume(pool: WorkerPool) -> None:
        for _, pid in pool.run(own_pid, numbered(1000)):
            pids.append(pid)
            if len(pids) == 10:
                raise leave

    with pytest.raises(leave), WorkerPool(3, on_retry=ignore) as pool:
        consume(pool)
    assert multiprocessing.active_children() == []
    assert [start_time(pid) for pid in pids] == [None] * 10


def test_an_iterator_that_is_dropped_stops_the_workers(pool: WorkerPool) -> None:
    results = pool.run(own_pid, numbered(1000))
    _, pid = next(results)
    with pytest.raises(RuntimeError, match="another run"):
        next(pool.run(square, numbered(1)))
    del results
    assert multiprocessing.active_children() == []
    assert start_time(pid) is None
    assert len(list(pool.run(square, numbered(8)))) == 8


def test_closing_ends_a_run_under_way(pool: WorkerPool) -> None:
    results = pool.run(square, numbered(1000))
    next(results)
    pool.close()
    with pytest.raises(RuntimeError, match="closed"):
        list(results)


def test_an_error_in_the_tasks_stops_the_workers(pool: WorkerPool) -> None:
    def tasks() -> Iterator[tuple[str, int]]:
        yield from numbered(3)
        raise BertprepError("cannot list the input")

    with pytest.raises(BertprepError, match="cannot list"):
        list(pool.run(square, tasks()))
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
def test_dead_workers_leak_no_descriptor(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    with WorkerPool(2, on_retry=ignore) as pool:
        list(pool.run(square, numbered(8)))
        with_workers = descriptors()
        for attempt in range(5):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            list(pool.run(partial(die, kill_self, folder, 2), numbered(8)))
        assert descriptors() <= with_workers
    assert descriptors() == before


def test_spawned_workers_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_START_METHOD", "spawn")
    with WorkerPool(2, on_retry=ignore) as pool:
        assert sorted(pool.run(abs, numbered(4))) == numbered(4)
        with pytest.raises(BertprepError, match="partition 0 failed three times: exited with"):
            list(WorkerPool(1, on_retry=print).run(os._exit, [("partition 0", 3)]))


def test_an_engine_needs_a_worker() -> None:
    with pytest.raises(UsageError, match="workers must be at least 1, got 0"):
        WorkerPool(0, on_retry=ignore)


PARENT = """
import os, signal, sys, time
from pathlib import Path
from bertprep.engines.worker_pool import WorkerPool

def block(number):
    partial = Path(sys.argv[1], f"{os.getpid()}.tmp")
    partial.touch()
    partial.rename(partial.with_suffix(".pid"))
    while number == 0:  # one that computes
        pass
    time.sleep(float(sys.argv[2]))

signal.signal(signal.SIGINT, signal.default_int_handler)
with WorkerPool(3, on_retry=print) as pool:
    list(pool.run(block, [(str(number), number) for number in range(3)]))
"""


@pytest.fixture
def blocked_parent(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[int, str]]]:
    """A process whose three workers are in the middle of a task, and when each of them started."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("follows processes in /proc")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), str(FOREVER)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        wait_for(lambda: len(list(tmp_path.glob("*.pid"))) == 3, "the start of three tasks")
        pids = [int(file.stem) for file in tmp_path.glob("*.pid")]
        started = {pid: start for pid in pids if (start := start_time(pid)) is not None}
        assert len(started) == 3
        yield parent, started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.communicate()


def all_gone(started: dict[int, str]) -> bool:
    return all(start_time(pid) != start for pid, start in started.items())


def test_no_worker_outlives_a_killed_parent(
    blocked_parent: tuple[subprocess.Popen[str], dict[int, str]],
) -> None:
    parent, started = blocked_parent
    parent.kill()
    wait_for(lambda: all_gone(started), "the end of the workers")


def test_ctrl_c_ends_the_workers_without_a_word_from_them(
    blocked_parent: tuple[subprocess.Popen[str], dict[int, str]],
) -> None:
    parent, started = blocked_parent
    os.killpg(parent.pid, signal.SIGINT)
    _, _, words = finish(parent)
    assert all_gone(started)
    assert words.count("Traceback") == 1
    assert words.rstrip().endswith("KeyboardInterrupt")
