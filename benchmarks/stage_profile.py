"""Nanoseconds an instance of each stage of `bertprep create`, with the time in fsync apart.

The stages run in this process, one after the other, as a single worker would run them. Timers are
put around their functions from outside; a timer's figure leaves out the timers inside it, so that
the column of the maker's thread adds up. What the writer's thread does, it does at the same time.
"""

import importlib
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import processes
from corpora import Settings, first_bytes, write_repeated
from report import Report, megabytes, table

# What is timed, and where its callers look it up. In the order of the data.
PLACES = (
    ("read and split", "bertprep.create.tokenizing.read_blocks"),
    ("tokenize: kernel", "bertprep.kernels.wordpiece.tokenize"),
    ("tokenize: around the kernel", "bertprep.create.worker.FastTokenizer.tokenize_text"),
    ("deal, pack, write blob", "bertprep.create.tokenizing.join_documents"),
    ("deal, pack, write blob", "bertprep.create.tokenizing.pack_partitions"),
    ("deal, pack, write blob", "bertprep.engines.local.write_blob"),
    ("tokenize: the rest", "bertprep.create.pipeline.tokenize_split"),
    ("read slices, unpack", "bertprep.create.building.unpack_documents"),
    ("instances: fill_instances", "bertprep.kernels.instances.fill_instances"),
    ("instances: shuffle", "bertprep.kernels.mt19937.shuffle_order"),
    ("instances: around the kernels", "bertprep.create.building.create_training_instances"),
    ("serialize", "bertprep.create.building.RecordSerializer.__init__"),
    ("serialize", "bertprep.create.building.RecordSerializer.fill"),
    ("shard: open, buffers", "bertprep.create.building.ShardWriter.__init__"),
    ("shard: wait for a buffer", "bertprep.create.building.ShardWriter.write"),
    ("shard: wait for the writer's end", "bertprep.create.building.ShardWriter.__exit__"),
    ("build: counts and the rest", "bertprep.create.pipeline.build_partition"),
    ("writer: CRC32C of the shard", "bertprep.records.shards.checksum"),
    ("writer: write", "bertprep.records.shards._write_all"),
    ("fsync", "os.fsync"),
    ("rename", "os.replace"),
)
_REST = "plan, manifest and the rest"


class Stopwatch:
    """Adds up the seconds of named pieces of work, each without the pieces inside it.

    Attributes:
        maker, writer: seconds by name, of the thread that made this object and of all others.
    """

    def __init__(self) -> None:
        self.maker: Counter[str] = Counter()
        self.writer: Counter[str] = Counter()
        self._maker_id = threading.get_ident()
        self._inside = threading.local()

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Times what is done in the `with`."""
        outer = getattr(self._inside, "seconds", 0.0)
        self._inside.seconds = 0.0
        begin = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - begin
            is_maker = threading.get_ident() == self._maker_id
            seconds = self.maker if is_maker else self.writer
            seconds[name] += elapsed - self._inside.seconds
            self._inside.seconds = outer + elapsed

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with a timer."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.timing(name):
                return function(*args, **kwargs)

        return timed

    def around_each(self, name: str, function: Callable[..., Iterable[Any]]) -> Callable[..., Any]:
        """The function, whose items are timed as they are made; what it returns is passed on."""

        def timed(*args: Any, **kwargs: Any) -> Generator[Any, None, Any]:
            items = iter(function(*args, **kwargs))
            while True:
                with self.timing(name):
                    try:
                        item = next(items)
                    except StopIteration as end:
                        return end.value
                yield item

        return timed


class _ThisProcess:
    """A worker pool without workers."""

    def __init__(self, workers: int, *, set_up: Callable[[], object], **_: object) -> None:
        self._set_up = set_up

    def run(self, function: Any, tasks: Any) -> Iterator[tuple[str, Any]]:
        """Run the tasks one after the other."""
        self._set_up()
        for name, task in tasks:
            yield name, function(task)

    def close(self) -> None:
        """Do nothing: there are no workers."""


def _places(report: Report | None = None) -> list[tuple[str, str]]:
    """Those of PLACES that are there; the report gets the others."""
    found = []
    for name, place in PLACES:
        try:
            _resolve(place)
        except AttributeError:
            if report:
                report.left_out(f"{name}: there is no {place}; its time stands under others")
        else:
            found.append((name, place))
    return found


def _resolve(place: str) -> tuple[Any, str]:
    """The object that holds a function, and the function's name there."""
    parts = place.split(".")
    for size in range(len(parts) - 1, 0, -1):
        try:
            holder: Any = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for name in parts[size:-1]:
            holder = getattr(holder, name)
        getattr(holder, parts[-1])
        return holder, parts[-1]
    raise AttributeError(place)


def _create(
    text: Path, vocab: Path, output: Path, stopwatch: Stopwatch | None
) -> tuple[float, int]:
    """Runs `create` in this process; returns its seconds and instances."""
    import bertprep.create.pipeline
    from bertprep.options import CreateOptions

    options = CreateOptions(inputs=(str(text),), vocab=vocab, output=output, workers=1, quiet=True)
    with ExitStack() as stack:
        stack.enter_context(patch("bertprep.engines.local.WorkerPool", _ThisProcess))
        for name, place in _places() if stopwatch else ():
            assert stopwatch
            holder, attribute = _resolve(place)
            is_generator = attribute in ("read_blocks", "tokenize_split")
            around = stopwatch.around_each if is_generator else stopwatch.around
            new = around(name, getattr(holder, attribute))
            stack.enter_context(patch.object(holder, attribute, new))
        begin = time.perf_counter()
        summary = bertprep.create.pipeline.create(options)
        seconds = time.perf_counter() - begin
    return seconds, summary.counts["instances"]


def measure(settings: Settings, report: Report, work: Path) -> None:
    """Runs the section."""
    size = settings.bytes // 10
    problem = processes.enough_disk(work, size)
    if problem:
        report.left_out(f"stages: {problem}")
        return
    _places(report)
    text, output = work / "english.txt", work / "records"
    text.write_bytes(first_bytes(settings.english.data, 1_000_000))
    # Untimed: kernels are loaded, since one that is compiled under a timer would take the timer in.
    _create(text, settings.english.vocab, output, None)
    shutil.rmtree(output)
    size = write_repeated(text, settings.english, size)
    found = []
    for _ in range(settings.repeat):
        os.sync()
        stopwatch = Stopwatch()
        seconds, num_instances = _create(text, settings.english.vocab, output, stopwatch)
        shutil.rmtree(output)
        nanoseconds = {
            thread: {name: value / num_instances * 1e9 for name, value in times.items()}
            for thread, times in (("maker", stopwatch.maker), ("writer", stopwatch.writer))
        }
        whole = seconds / num_instances * 1e9
        nanoseconds["maker"][_REST] = whole - sum(nanoseconds["maker"].values())
        found.append((whole, nanoseconds))
        report.record(
            "run", bytes=size, instances=num_instances, seconds=seconds, nanoseconds=nanoseconds
        )
    text.unlink()
    whole, nanoseconds = sorted(found, key=lambda item: item[0])[len(found) // 2]
    _show(report, size, num_instances, whole, nanoseconds)


def _show(
    report: Report,
    size: int,
    num_instances: int,
    whole: float,
    nanoseconds: dict[str, dict[str, float]],
) -> None:
    names = [*dict.fromkeys(name for name, _ in PLACES), _REST]
    lines = [
        [
            thread,
            name,
            f"{nanoseconds[thread][name]:,.0f}",
            f"{nanoseconds[thread][name] / whole:.1%}",
        ]
        for thread in ("maker", "writer")
        for name in names
        if name in nanoseconds[thread]
    ]
    synced = sum(times.get("fsync", 0.0) for times in nanoseconds.values())
    lines.append(["", "whole", f"{whole:,.0f}", "100.0%"])
    lines.append(["", "whole without fsync", f"{whole - synced:,.0f}", f"{1 - synced / whole:.1%}"])
    report.say(f"{megabytes(size)} of English, {num_instances:,} instances, one worker's work")
    report.say("\n" + table(["thread", "stage", "ns an instance", "share"], lines))
