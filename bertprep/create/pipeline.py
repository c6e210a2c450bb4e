"""Raw text -> `tf_examples.tfrecord` shards: the one place that knows the order of the stages.

    options -> job, plan -> blobs of tokenized documents -> shards of partitions -> manifest

Where the tasks run, and how blobs travel between the stages, is decided by the engine. Memory: a
worker holds a block of text with its tokens, or a partition with its instances.
"""

import contextlib
import functools
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bertprep.corpus import plan_splits, require_unchanged
from bertprep.create.building import (
    BuiltPartition,
    build_partition,
    collect_results,
    find_built,
)
from bertprep.create.job import Job, make_job, require_documents, require_held_out, require_space
from bertprep.create.named_files import name_shards, require_free_names
from bertprep.create.output_folder import EVAL_NAME, LAYOUT
from bertprep.create.review import Review
from bertprep.create.review.report import Summary
from bertprep.create.tokenizing import tokenize_split
from bertprep.create.worker import set_up_machine, tools_of, warm_up
from bertprep.engines import Engine, Task, open_engine
from bertprep.options import CreateOptions, without_credentials
from bertprep.storage.planned_folder import PlannedFolder
from bertprep.terminal import message, progress

#: State of the output folder, as `--dry-run` describes it.
_STATES = {
    "new": "will be created",
    "other": "the output of another command will be removed",
    "resumed": "an earlier run will be resumed",
    "complete": "is already complete, nothing to do",
}


def create(options: CreateOptions) -> Summary:
    """Create a data set, or resume an earlier run.

    Raises:
        BertprepError: the run cannot succeed; the message says what to change.
    """
    begin = time.monotonic()
    with PlannedFolder(options.output, LAYOUT, options.work_folder) as folder:
        job = make_job(options, folder.path, folder.work, folder.url)
        _say(options, *job.notes)
        require_free_names(job)
        state = folder.begin(job.plan, overwrite=options.overwrite)
        if state == "complete":
            name_shards(job)
            return Summary.of(state, folder.read_manifest(), time.monotonic() - begin)
        warm_up(job)
        review = Review(job)
        if state == "resumed":
            _say(options, f"{without_credentials(options.output)}: resuming an earlier run")
        else:
            forecast = review.sample()
            _say(options, forecast.line)
            _warn(options, *forecast.findings.values())
            require_space(job, forecast.estimate.disk_bytes)
        if job.partitions.num_eval_partitions:
            (folder.path / EVAL_NAME).mkdir(exist_ok=True)

        built = find_built(job)
        with _engine(job) as engine:
            text_counts = _tokenize(engine, job, built)
            require_documents(job, text_counts)
            require_held_out(job, text_counts)
            _warn(options, *review.counts(text_counts))
            built |= _build(engine, job, built)
        manifest = collect_results(job, built, text_counts)
        _warn(options, *review.counts(manifest["counts"]))
        folder.finish(tools_of(job).vocabulary.data, manifest)
        name_shards(job)
        return Summary.of(state, manifest, time.monotonic() - begin)


def look_ahead(options: CreateOptions) -> str:
    """Return the page of `--dry-run`: what `create` would do. Nothing is written.

    Raises:
        BertprepError: the run cannot succeed, as far as a sample shows.
    """
    folder = PlannedFolder(options.output, LAYOUT, options.work_folder)
    folder.require_usable()
    # stdin is copied, since its size must be known, to a folder that is removed at the end.
    with tempfile.TemporaryDirectory(prefix="bertprep-") as spool:
        job = make_job(options, folder.path, Path(spool), folder.url)
        _say(options, *job.notes)
        require_free_names(job)
        state = folder.foresee(job.plan, overwrite=options.overwrite)
        warm_up(job)
        forecast = Review(job).sample(f"{without_credentials(options.output)}: {_STATES[state]}")
        if forecast.estimate.is_exact:
            require_documents(job, forecast.counts)
        if state in ("new", "other"):
            require_space(job, forecast.estimate.disk_bytes)
        return forecast.page


def _engine(job: Job) -> contextlib.AbstractContextManager[Engine]:
    return open_engine(
        job.options.execution,
        notify=functools.partial(_warn, job.options),
        workers=job.options.workers,
        folder=job.work,
        num_keys=job.partitions.num_all_partitions,
        set_up=functools.partial(set_up_machine, job, zlib.ZLIB_RUNTIME_VERSION),
    )


def _tokenize(engine: Engine, job: Job, built: Mapping[int, BuiltPartition]) -> Counter[str]:
    """Stage 1: turn every split into blobs of the partitions that are not built yet."""
    splits = plan_splits(job.files, job.blob_bytes, job.options.corpus)
    tasks = [Task(split.name, split, split.num_bytes) for split in splits]
    keys = [p for p in range(job.partitions.num_all_partitions) if p not in built]
    with progress("tokenize", sum(t.size for t in tasks), quiet=job.options.quiet) as bar:
        counts = engine.map(
            functools.partial(tokenize_split, job.of_tasks), tasks, keys, bar.advance
        )
    require_unchanged(*job.files)
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _build(
    engine: Engine, job: Job, built: Mapping[int, BuiltPartition]
) -> dict[int, BuiltPartition]:
    """Stage 2: turn every partition that is not built yet into its shards."""
    num_partitions = job.partitions.num_all_partitions
    size = job.text_bytes / num_partitions
    tasks = [Task(f"partition {p}", p, size) for p in range(num_partitions) if p not in built]
    with progress("build", job.text_bytes, quiet=job.options.quiet) as bar:
        bar.advance(size * len(built))
        results = engine.reduce(
            functools.partial(build_partition, job.of_tasks), tasks, bar.advance
        )
    return {task.value: result for task, result in zip(tasks, results, strict=True)}


def _warn(options: CreateOptions, *texts: str) -> None:
    _say(options, *(f"Warning: {text}" for text in texts))


def _say(options: CreateOptions, *texts: str) -> None:
    if not options.quiet:
        for text in texts:
            message(text)
