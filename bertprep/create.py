"""Raw text -> `tf_examples.tfrecord` shards: the one place that knows the order of the stages.

    files -> splits -> blobs of tokenized documents -> partitions of instances -> shards, manifest

Memory: a block of text and its tokens, or a partition with its instances, a worker; never the corpus.
"""

import functools
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from bertprep.corpus import Split, estimate_text_bytes, find_inputs, plan_splits
from bertprep.data import InputFile, PartitionPlan
from bertprep.engines.local import LocalEngine
from bertprep.errors import BertprepError
from bertprep.manifest import Plan, make_manifest, make_plan
from bertprep.options import CreateOptions, available_cores
from bertprep.output import OutputFolder
from bertprep.partitions import plan_partitions
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

#: For the estimate: tokens a byte of text, and the share of a sequence that an instance takes on.
_TOKENS_A_BYTE, _SHARE_USED = 0.25, 0.7
_GZIP_SHARE = 0.3
_MANY_CUT = 0.25


@dataclass(frozen=True)
class Summary:
    """What a run made.

    Attributes:
        state: "new", "resumed", or "complete" when there was nothing left to do.
        counts: the manifest's: of documents, tokens, instances, masks and others.
        bytes: of all shards' uncompressed records.
        seconds: wall time.
    """

    state: str
    counts: dict[str, int]
    num_shards: int
    bytes: int
    seconds: float


def create(options: CreateOptions) -> Summary:
    """Makes a data set, or goes on with one that was begun.

    Raises:
        BertprepError: with one line that says what to do.
    """
    begin = time.monotonic()
    vocabulary = Vocabulary.load(options.vocab)
    _warn(options, vocabulary.casing_warning(options.tokenizer.lowercase))
    with OutputFolder(options.output) as folder:
        files = _find_files(options, folder)
        text_bytes = estimate_text_bytes(files)
        partitions = plan_partitions(
            text_bytes,
            num_shards=options.num_shards,
            num_partitions=options.num_partitions,
            eval_fraction=options.eval_fraction,
        )
        plan = make_plan(options, vocabulary, files, partitions)
        state = folder.begin(plan, overwrite=options.overwrite)
        if state == "complete":
            return _summary(state, folder.read_manifest(), begin)
        if state == "resumed":
            _say(options, f"{options.output}: going on with what an earlier run has left here")
        elif options.check_disk:
            _require_space(options, text_bytes, folder)
        if partitions.num_eval_partitions:
            folder.make_eval_folder()

        blob_bytes = min(max(BLOCK_BYTES, text_bytes // _MOST_BLOBS), _LARGEST_BLOB_BYTES)
        job = Job(options, partitions, vocabulary.sha256, blob_bytes, folder.path, folder.work)
        warm_up(job)
        on_retry = functools.partial(_tell_retry, options)
        with LocalEngine(options.workers or available_cores(), on_retry=on_retry) as engine:
            tokenized = _tokenize(engine, job, plan_splits(files, blob_bytes))
            built = _build(engine, job, tokenized, text_bytes)
        manifest = _manifest(plan, partitions, built)
        _warn(options, *_complaints(manifest["counts"], built))
        folder.finish(vocabulary.data, manifest)
        return _summary(state, manifest, begin)


def _find_files(options: CreateOptions, folder: OutputFolder) -> tuple[InputFile, ...]:
    inputs = find_inputs(
        options.inputs, vocab=options.vocab, output=options.output, spool=folder.work / "stdin"
    )
    _warn(options, *inputs.warnings)
    if not any(file.size for file in inputs.files):
        raise BertprepError(f"{_named(options)}: there is no text, only empty files: name others")
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
    tokenized = [results[name] for name, _ in tasks]
    _check_documents(job, tokenized)
    return tokenized


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


def _check_documents(job: Job, tokenized: list[TokenizedSplit]) -> None:
    num_documents = sum(result.num_documents for result in tokenized)
    if not num_documents:
        raise BertprepError(
            f"{_named(job.options)}: no documents, since all lines are blank or without a token: "
            "name other files"
        )
    held_out = sum(result.num_held_out for result in tokenized)
    if job.partitions.num_eval_partitions and held_out < 2:
        raise BertprepError(
            f"--eval-fraction {job.options.eval_fraction} holds out {_documents(held_out)} of "
            f"{num_documents:,}, and two is the least: pass a larger share, or none"
        )
    if held_out == num_documents:
        raise BertprepError(
            f"--eval-fraction {job.options.eval_fraction} holds out all {num_documents:,} documents: "
            "pass a smaller share, or none"
        )
    mended = sum(result.mended_lines for result in tokenized)
    if mended:
        done = "replaced" if job.options.corpus.encoding_errors == "replace" else "left out"
        _warn(job.options, f"{mended:,} lines were not UTF-8 or had NUL bytes: {done}")
    if num_documents == 1:
        _warn(
            job.options,
            "the corpus is a single document, so every random next sentence comes from it too: put "
            "an empty line between documents",
        )
    elif all(result.num_one_sentence == result.num_documents for result in tokenized):
        _warn(
            job.options,
            "every document has one sentence, so no instance has a true next sentence: an empty line "
            "belongs between documents, not between sentences",
        )


def _manifest(plan: Plan, partitions: PartitionPlan, built: list[BuiltPartition]) -> Plan:
    shards = [result.shards for result in built]
    kept, held_out = shards[: partitions.num_partitions], shards[partitions.num_partitions :]
    counts = {name: sum(result.counts[name] for result in built) for name in built[0].counts}
    counts["eval_documents"] = sum(
        result.counts["documents"] for result in built[partitions.num_partitions :]
    )
    counts["largest_partition_tokens"] = max(result.counts["tokens"] for result in built)
    return make_manifest(plan, sum(kept, []), sum(held_out, []), counts)


def _complaints(counts: dict[str, int], built: list[BuiltPartition]) -> list[str]:
    """What a person should know of the finished data: the things that cost days later."""
    complaints = []
    empty = [number for number, result in enumerate(built) if not result.counts["documents"]]
    if empty:
        complaints.append(
            f"{len(empty)} of {len(built)} partitions have no documents, and empty shards (partition "
            f"{empty[0]} for one): fewer partitions would do"
        )
    unknown = counts["unknown_tokens"] / max(1, counts["tokens"])
    if unknown > 0.01:
        complaints.append(
            f"{unknown:.1%} of the tokens are [UNK]: does the vocabulary fit the language, and "
            "--lowercase its casing?"
        )
    cut = counts["truncated_tokens"] / max(
        1, counts["truncated_tokens"] + counts["instance_tokens"]
    )
    if cut > _MANY_CUT:
        complaints.append(
            f"{cut:.0%} of the tokens were cut away to fit --max-seq-length: are the lines sentences, "
            "and not whole paragraphs?"
        )
    return complaints


def _require_space(options: CreateOptions, text_bytes: int, folder: OutputFolder) -> None:
    """Compares an estimate of what will be written with what is free."""
    instances = options.instances
    length, predictions = instances.max_seq_length, instances.predictions
    num_tokens = text_bytes * _TOKENS_A_BYTE
    num_instances = num_tokens * instances.dupe_factor / (length * _SHARE_USED)
    record_bytes = 4 * length + 7 * predictions + 180
    share = _GZIP_SHARE if options.records.compression == "gzip" else 1.0
    wanted = int(num_instances * record_bytes * share + 4 * num_tokens)
    free = shutil.disk_usage(folder.path).free
    if wanted > free:
        raise BertprepError(
            f"{folder.path}: about {in_bytes(wanted)} will be written and {in_bytes(free)} are free: "
            "name another --output, lower --dupe-factor, or pass --no-check-disk"
        )


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


def _named(options: CreateOptions) -> str:
    more = f" and {len(options.inputs) - 3:,} more" if len(options.inputs) > 3 else ""
    return " ".join(options.inputs[:3]) + more


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count or 'no'} documents"


def in_bytes(size: float) -> str:
    """A number of bytes for people: 1.5 GB."""
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            break
        size /= 1000
    else:
        unit = "GB"
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
