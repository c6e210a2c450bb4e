"""Raw text -> `tf_examples.tfrecord` shards: the one place that knows the order of the stages.

    files -> splits -> blobs of tokenized documents -> partitions of instances -> shards, manifest

Where the tasks run, and how blobs come from the one stage to the other, is the engine's matter.
Memory: a worker holds a block of text with its tokens, or a partition with its instances.
"""

import contextlib
import dataclasses
import functools
import os
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

from bertprep.corpus import Split, estimate_text_bytes, find_formats, find_inputs, plan_splits
from bertprep.corpus.sentences import splitter_identity
from bertprep.create.building import BuiltPartition, build_partition, find_built
from bertprep.create.job import BLOCK_BYTES, Job
from bertprep.create.machine import set_up_machine, warm_up
from bertprep.create.output_folder import EVAL_NAME, open_output
from bertprep.create.partitions import plan_partitions
from bertprep.create.review import Preflight
from bertprep.create.review import look_ahead as preflight_of
from bertprep.create.review.results import (
    Summary,
    count_text,
    require_documents,
    require_space,
    require_text,
    require_tokenizer,
    review_documents,
    review_records,
)
from bertprep.create.tokenizing import TextCounts, tokenize_split
from bertprep.data import InputFile
from bertprep.engines import Engine, Task, open_engine
from bertprep.options import CreateOptions
from bertprep.records.manifest import make_manifest, make_plan
from bertprep.storage.plans import Plan
from bertprep.terminal import message, progress
from bertprep.vocab import Vocabulary

#: What would become of the output, by its state.
_PROSPECTS = {
    "new": "would be made",
    "other": "what another command made there would be removed, and this written",
    "resumed": "an earlier run would be gone on with",
    "complete": "is complete already, nothing would be done",
}

#: A corpus of more blobs than this gets larger ones: each build task reads from all of them.
_MOST_BLOBS = 4096
_LARGEST_BLOB_BYTES = 8 * BLOCK_BYTES


def create(options: CreateOptions) -> Summary:
    """Makes a data set, or goes on with one that was begun.

    Raises:
        BertprepError: with one line that says what to do.
    """
    begin = time.monotonic()
    vocabulary = Vocabulary.load(options.vocab)
    require_tokenizer(options.tokenizer, vocabulary)
    with open_output(options.output, options.work_folder) as folder:
        job, files = _prepare(options, vocabulary, folder.path, folder.work)
        job = dataclasses.replace(job, url=folder.url)
        plan = _plan(job, vocabulary, files)
        state = folder.begin(plan, overwrite=options.overwrite)
        if state == "complete":
            return _summary(state, folder.read_manifest(), begin)
        warm_up(job)
        said: set[str] = set()
        if state == "resumed":
            _say(options, f"{options.output}: going on with what an earlier run has left here")
        else:
            preflight = preflight_of(job, files)
            said = preflight.said
            _say(options, preflight.line)
            _warn(options, *(finding.text for finding in preflight.findings))
            _require_space(job, preflight)
        if job.partitions.num_eval_partitions:
            folder.make_folder(EVAL_NAME)

        if options.execution.engine == "spark":
            job, files = _seen_from_anywhere(job, files)
        built = find_built(job)
        with _engine(job) as engine:
            splits = plan_splits(files, job.blob_bytes, options.corpus)
            found = _tokenize(engine, job, splits, built)
            _warn(options, *review_documents(job, found, said))
            _build(engine, job, built, estimate_text_bytes(files))
        manifest = _manifest(plan, job, built, found)
        _warn(options, *review_records(manifest["counts"], built, said))
        folder.finish(vocabulary.data, manifest)
        return _summary(state, manifest, begin)


def look_ahead(options: CreateOptions) -> str:
    """What `create` would do, as a page for a person; nothing is written.

    Raises:
        BertprepError: what can be known to be wrong before the work.
    """
    vocabulary = Vocabulary.load(options.vocab)
    require_tokenizer(options.tokenizer, vocabulary)
    folder = open_output(options.output, options.work_folder)
    folder.require_usable()
    # stdin is copied, since its size has to be known; to a folder that goes away.
    with tempfile.TemporaryDirectory(prefix="bertprep-") as spool:
        job, files = _prepare(options, vocabulary, folder.path, Path(spool))
        plan = _plan(job, vocabulary, files)
        state = folder.foresee(plan, overwrite=options.overwrite)
        warm_up(job)
        preflight = preflight_of(job, files, prospect=f"{options.output}: {_PROSPECTS[state]}")
        if preflight.is_whole:
            require_documents(options, preflight.counts)
        if state in ("new", "other"):
            _require_space(job, preflight)
        return preflight.page


def _prepare(
    options: CreateOptions, vocabulary: Vocabulary, folder: Path, work: Path
) -> tuple[Job, tuple[InputFile, ...]]:
    """All that is known before the text is read."""
    files = _find_files(options, work / "stdin")
    text_bytes = estimate_text_bytes(files)
    partitions = plan_partitions(
        text_bytes,
        num_shards=options.num_shards,
        num_partitions=options.num_partitions,
        eval_fraction=options.eval_fraction,
    )
    blob_bytes = min(max(BLOCK_BYTES, text_bytes // _MOST_BLOBS), _LARGEST_BLOB_BYTES)
    return Job(options, partitions, vocabulary.sha256, blob_bytes, folder, work), files


def _plan(job: Job, vocabulary: Vocabulary, files: tuple[InputFile, ...]) -> Plan:
    options = job.options
    return make_plan(options, vocabulary, files, job.partitions) | splitter_identity(options.corpus)


def _find_files(options: CreateOptions, spool: Path) -> tuple[InputFile, ...]:
    inputs = find_inputs(
        options.inputs,
        vocab=options.vocab,
        output=options.output,
        spool=spool,
        format=options.corpus.format,
    )
    _warn(options, *inputs.warnings)
    require_text(options, inputs.files)
    files, told = find_formats(inputs.files, options.corpus)
    if told:
        _say(options, told)
    return files


def _require_space(job: Job, preflight: Preflight) -> None:
    if job.options.check_disk:
        # What goes to a store is here until it is uploaded, shard by shard.
        is_remote = isinstance(job.options.output, str)
        wanted = preflight.blob_bytes if is_remote else preflight.disk_bytes
        require_space(wanted, job.folder)


def _seen_from_anywhere(
    job: Job, files: tuple[InputFile, ...]
) -> tuple[Job, tuple[InputFile, ...]]:
    """Absolute paths, which mean the same to a process in another folder of another machine.

    A file keeps the name that it was given by, in the plan and in messages.
    """
    options = dataclasses.replace(job.options, vocab=job.options.vocab.absolute())
    job = dataclasses.replace(
        job, options=options, folder=job.folder.absolute(), work=job.work.absolute()
    )
    return job, tuple(
        file if file.remote else dataclasses.replace(file, spool=os.path.abspath(file.location))
        for file in files
    )


def _engine(job: Job) -> contextlib.AbstractContextManager[Engine]:
    return open_engine(
        job.options.execution,
        notify=functools.partial(_warn, job.options),
        workers=job.options.workers,
        folder=job.work,
        num_keys=job.partitions.num_all_partitions,
        set_up=functools.partial(set_up_machine, job, zlib.ZLIB_RUNTIME_VERSION),
    )


def _tokenize(
    engine: Engine, job: Job, splits: list[Split], built: Mapping[int, BuiltPartition]
) -> TextCounts:
    """Stage 1: every split becomes blobs, of partitions that are not built yet."""
    tasks = [
        Task(f"split {split.ordinal} ({split.file.path})", split, split.end - split.start)
        for split in splits
    ]
    keys = [p for p in range(job.partitions.num_all_partitions) if p not in built]
    with progress("tokenize", sum(t.size for t in tasks), quiet=job.options.quiet) as bar:
        counts = engine.map(functools.partial(tokenize_split, job), tasks, keys, bar.advance)
    return TextCounts.sum(TextCounts(**each) for each in counts)


def _build(engine: Engine, job: Job, built: dict[int, BuiltPartition], text_bytes: int) -> None:
    """Stage 2: every partition becomes its shards; `built` takes those that were not there."""
    num_partitions = job.partitions.num_all_partitions
    size = text_bytes / num_partitions
    tasks = [Task(f"partition {p}", p, size) for p in range(num_partitions) if p not in built]
    with progress("build", text_bytes, quiet=job.options.quiet) as bar:
        bar.advance(size * len(built))
        results = engine.reduce(functools.partial(build_partition, job), tasks, bar.advance)
    built |= {task.value: result for task, result in zip(tasks, results, strict=True)}


def _manifest(plan: Plan, job: Job, built: Mapping[int, BuiltPartition], found: TextCounts) -> Plan:
    results = [built[p] for p in range(job.partitions.num_all_partitions)]
    num_kept = job.partitions.num_partitions
    kept, held_out = results[:num_kept], results[num_kept:]
    counts = {name: sum(result.counts[name] for result in results) for name in results[0].counts}
    counts["eval_documents"] = sum(result.counts["documents"] for result in held_out)
    counts["largest_partition_tokens"] = max(result.counts["tokens"] for result in results)
    counts |= count_text(job.options, found)
    shards = [shard for result in kept for shard in result.shards]
    eval_shards = [shard for result in held_out for shard in result.shards]
    return make_manifest(plan, shards, eval_shards, counts)


def _summary(state: str, manifest: Plan, begin: float) -> Summary:
    shards = [*manifest["shards"], *manifest["eval_shards"]]
    return Summary(
        state=state,
        counts=manifest["counts"],
        num_shards=len(shards),
        bytes=sum(shard["bytes"] for shard in shards),
        seconds=time.monotonic() - begin,
    )


def _warn(options: CreateOptions, *texts: str | None) -> None:
    for text in texts:
        if text:
            _say(options, f"Warning: {text}")


def _say(options: CreateOptions, text: str) -> None:
    if not options.quiet:
        message(text)
