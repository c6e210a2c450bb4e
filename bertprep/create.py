"""Raw text -> `tf_examples.tfrecord` shards: the one place that knows the order of the stages.

    files -> splits -> blobs of tokenized documents -> partitions of instances -> shards, manifest

Memory: a worker holds a block of text with its tokens, or a partition with its instances.
"""

import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from bertprep.corpus import Split, estimate_text_bytes, find_inputs, plan_splits
from bertprep.data import InputFile, PartitionPlan
from bertprep.engines.local import LocalEngine
from bertprep.findings import (
    Summary,
    require_documents,
    require_space,
    require_text,
    review_documents,
    review_records,
)
from bertprep.manifest import Plan, make_manifest, make_plan
from bertprep.options import CreateOptions, available_cores
from bertprep.output import OutputFolder
from bertprep.partitions import plan_partitions
from bertprep.preflight import Preflight
from bertprep.preflight import look_ahead as preflight_of
from bertprep.progress import message, progress
from bertprep.stages import (
    BLOCK_BYTES,
    BuiltPartition,
    Job,
    TokenizedSplit,
    build_partition,
    keep_freed_memory,
    tokenize_split,
    warm_up,
)
from bertprep.vocab import Vocabulary

T = TypeVar("T")
R = TypeVar("R")

#: A corpus of more blobs than this gets larger ones: each build task reads from all of them.
_MOST_BLOBS = 4096
_LARGEST_BLOB_BYTES = 8 * BLOCK_BYTES

#: What would become of the output folder, by its state.
_PROSPECTS = {
    "new": "would be made",
    "other": "what another command made there would be removed, and this written",
    "resumed": "an earlier run would be gone on with",
    "complete": "is complete already, nothing would be done",
}


def create(options: CreateOptions) -> Summary:
    """Makes a data set, or goes on with one that was begun.

    Raises:
        BertprepError: with one line that says what to do.
    """
    begin = time.monotonic()
    vocabulary = Vocabulary.load(options.vocab)
    with OutputFolder(options.output) as folder:
        plan, job, files = _prepare(options, vocabulary, folder.work)
        state = folder.begin(plan, overwrite=options.overwrite)
        if state == "complete":
            return _summary(state, folder.read_manifest(), begin)
        warm_up(job)
        said: set[str] = set()
        if state == "resumed":
            _say(options, f"{options.output}: going on with what an earlier run has left here")
        else:
            preflight = _look(job, vocabulary, files)
            said = preflight.said
            _say(options, preflight.short_line())
            _warn(options, *(finding.text for finding in preflight.findings))
            if options.check_disk:
                require_space(preflight.estimate.disk_bytes, folder.path)
        if job.partitions.num_eval_partitions:
            folder.make_eval_folder()

        on_retry = functools.partial(_tell_retry, options)
        with LocalEngine(options.workers or available_cores(), on_retry=on_retry) as engine:
            tokenized = _tokenize(engine, job, plan_splits(files, job.blob_bytes))
            _warn(options, *review_documents(job, tokenized, said))
            built = _build(engine, job, tokenized, estimate_text_bytes(files))
        manifest = _manifest(plan, job.partitions, built)
        _warn(options, *review_records(manifest["counts"], built, said))
        folder.finish(vocabulary.data, manifest)
        return _summary(state, manifest, begin)


def look_ahead(options: CreateOptions) -> str:
    """What `create` would do, as a page for a person; nothing is written.

    Raises:
        BertprepError: what can be known to be wrong before the work.
    """
    vocabulary = Vocabulary.load(options.vocab)
    # stdin is copied, since its size has to be known; to a folder that goes away.
    folder = OutputFolder(options.output)
    folder.require_folder()
    with tempfile.TemporaryDirectory(prefix="bertprep-") as spool:
        plan, job, files = _prepare(options, vocabulary, Path(spool))
        state = folder.foresee(plan, overwrite=options.overwrite)
        warm_up(job)
        preflight = _look(job, vocabulary, files)
        if options.check_disk and state in ("new", "other"):
            require_space(preflight.estimate.disk_bytes, options.output)
        return preflight.full_page(f"{options.output}: {_PROSPECTS[state]}")


def _prepare(
    options: CreateOptions, vocabulary: Vocabulary, work: Path
) -> tuple[Plan, Job, tuple[InputFile, ...]]:
    """All that is known before the text is read."""
    files = _find_files(options, work / "stdin")
    text_bytes = estimate_text_bytes(files)
    partitions = plan_partitions(
        text_bytes,
        num_shards=options.num_shards,
        num_partitions=options.num_partitions,
        eval_fraction=options.eval_fraction,
    )
    plan = make_plan(options, vocabulary, files, partitions)
    blob_bytes = min(max(BLOCK_BYTES, text_bytes // _MOST_BLOBS), _LARGEST_BLOB_BYTES)
    job = Job(options, partitions, vocabulary.sha256, blob_bytes, options.output, work)
    return plan, job, files


def _look(job: Job, vocabulary: Vocabulary, files: tuple[InputFile, ...]) -> Preflight:
    preflight = preflight_of(job, vocabulary, files)
    if preflight.sample.is_whole:
        require_documents(job.options, preflight.sample.documents.num_documents)
    return preflight


def _find_files(options: CreateOptions, spool: Path) -> tuple[InputFile, ...]:
    inputs = find_inputs(options.inputs, vocab=options.vocab, output=options.output, spool=spool)
    _warn(options, *inputs.warnings)
    require_text(options, inputs.files)
    return inputs.files


def _tokenize(engine: LocalEngine, job: Job, splits: list[Split]) -> list[TokenizedSplit]:
    """Stage 1: every split becomes a blob. Returns the results in the order of the corpus."""
    tasks = [(f"split {split.ordinal} ({split.file.path})", split) for split in splits]
    sizes = {name: split.end - split.start for name, split in tasks}
    results: dict[str, TokenizedSplit] = {}
    with progress("tokenize", sum(sizes.values()), quiet=job.options.quiet) as bar:
        for name, result in _run(engine, tokenize_split, job, tasks):
            results[name] = result
            bar.advance(sizes[name])
    return [results[name] for name, _ in tasks]


def _build(
    engine: LocalEngine, job: Job, tokenized: list[TokenizedSplit], text_bytes: int
) -> list[BuiltPartition]:
    """Stage 2: every partition becomes its shards. Returns the results by partition."""
    blobs = [blob for result in tokenized for blob in result.blobs]
    tasks = [(f"partition {p}", (p, blobs)) for p in range(job.partitions.num_all_partitions)]
    results: dict[str, BuiltPartition] = {}
    with progress("build", text_bytes, quiet=job.options.quiet) as bar:
        for name, result in _run(engine, build_partition, job, tasks):
            results[name] = result
            bar.advance(text_bytes / len(tasks))
    return [results[name] for name, _ in tasks]


def _run(
    engine: LocalEngine, stage: Callable[[Job, T], R], job: Job, tasks: list[tuple[str, T]]
) -> Iterator[tuple[str, R]]:
    return engine.run(functools.partial(stage, job), tasks, setup=keep_freed_memory)


def _manifest(plan: Plan, partitions: PartitionPlan, built: list[BuiltPartition]) -> Plan:
    kept, held_out = built[: partitions.num_partitions], built[partitions.num_partitions :]
    counts = {name: sum(result.counts[name] for result in built) for name in built[0].counts}
    counts["eval_documents"] = sum(result.counts["documents"] for result in held_out)
    counts["largest_partition_tokens"] = max(result.counts["tokens"] for result in built)
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


def _tell_retry(options: CreateOptions, name: str, cause: str) -> None:
    _warn(options, f"{name}: {cause}; trying again")


def _warn(options: CreateOptions, *texts: str | None) -> None:
    for text in texts:
        if text:
            _say(options, f"Warning: {text}")


def _say(options: CreateOptions, text: str) -> None:
    if not options.quiet:
        message(text)
