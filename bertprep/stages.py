"""What a worker does: a split of the corpus becomes a blob, a partition becomes shards.

The same two functions serve every engine. Each leaves a small result file behind what it wrote, so
that a later run of the same plan takes the result for the work.
"""

import ctypes
import dataclasses
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertprep.corpus import Block, Split, line_number, read_blocks
from bertprep.data import HashedDocuments, PartitionPlan, ShardSummary
from bertprep.errors import BertprepError, TextError
from bertprep.files import write_whole
from bertprep.instances import create_training_instances
from bertprep.options import CreateOptions
from bertprep.output import shard_name
from bertprep.partitions import (
    join_documents,
    pack_partitions,
    read_slice,
    unpack_documents,
    write_blob,
)
from bertprep.records import RecordLayout, RecordSerializer
from bertprep.shards import ShardWriter, checksum
from bertprep.tokenization import FastTokenizer
from bertprep.vocab import Vocabulary

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3

#: Bytes of text that are tokenized at a time.
BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class Job:
    """What every task of a run knows.

    Attributes:
        vocabulary_sha256: of the file that `options` name, as it was when the run began.
        blob_bytes: text that goes into one blob.
        folder, work: of the output.
    """

    options: CreateOptions
    partitions: PartitionPlan
    vocabulary_sha256: str
    blob_bytes: int
    folder: Path
    work: Path


@dataclass(frozen=True)
class TokenizedSplit:
    """A split's blobs, by name, and what was counted on the way."""

    blobs: list[str]
    num_documents: int
    num_held_out: int
    num_one_sentence: int
    mended_lines: int


@dataclass(frozen=True)
class BuiltPartition:
    """A partition's shards, and what was counted on the way."""

    shards: list[ShardSummary]
    counts: dict[str, int]


@functools.lru_cache(1)
def _vocabulary(path: Path, sha256: str) -> Vocabulary:
    vocabulary = Vocabulary.load(path)
    if vocabulary.sha256 != sha256:
        raise BertprepError(f"{path}: the vocabulary has changed since this run began: start again")
    return vocabulary


@functools.lru_cache(1)
def _tokenizer(options: CreateOptions, sha256: str) -> FastTokenizer:
    return FastTokenizer(
        _vocabulary(options.vocab, sha256),
        options.tokenizer,
        corpus=options.corpus,
        seed=options.instances.random_seed,
    )


@functools.lru_cache(1)
def _layout(options: CreateOptions, sha256: str) -> RecordLayout:
    return RecordLayout.of(_vocabulary(options.vocab, sha256), options.instances, options.records)


def record_layout(job: Job) -> RecordLayout:
    """What every record of a run has in common."""
    return _layout(job.options, job.vocabulary_sha256)


def tokenize_block(job: Job, block: Block) -> HashedDocuments:
    """Tokenizes a block; an error names the file and the line."""
    try:
        return _tokenizer(job.options, job.vocabulary_sha256).tokenize_text(block.data)
    except TextError as error:
        line = line_number(block, block.offset) + error.line
        where = f"{block.file.path}:{line}"
        raise BertprepError(f"{where}: {error.problem}. {error.advice}") from error


def tokenize_split(job: Job, split: Split) -> TokenizedSplit:
    """Tokenizes the documents of a split and deals them to partitions, in blobs."""
    result_file = job.work / f"tokens-{split.ordinal:06d}.json"
    if result_file.exists():
        return TokenizedSplit(**json.loads(result_file.read_bytes()))
    tokenizer = _tokenizer(job.options, job.vocabulary_sha256)
    mended_before = tokenizer.mended_lines
    blobs: list[str] = []
    num_documents = num_held_out = num_one_sentence = 0
    waiting: list[HashedDocuments] = []
    waiting_bytes = 0

    def write_waiting() -> None:
        nonlocal num_held_out
        name = f"tokens-{split.ordinal:06d}-{len(blobs):06d}.blob"
        packed = pack_partitions(join_documents(waiting), job.partitions)
        write_blob(job.work / name, packed)
        num_held_out += sum(int(part[0]) for part in packed[job.partitions.num_partitions :])
        blobs.append(name)
        waiting.clear()

    for block in read_blocks(split, job.options.corpus, BLOCK_BYTES):
        hashed = tokenize_block(job, block)
        documents = hashed.documents
        num_documents += documents.num_documents
        num_one_sentence += int(np.count_nonzero(np.diff(documents.document_offsets) == 1))
        waiting.append(hashed)
        waiting_bytes += len(block.data)
        if waiting_bytes >= job.blob_bytes:
            write_waiting()
            waiting_bytes = 0
    if waiting:
        write_waiting()
    result = TokenizedSplit(
        blobs,
        num_documents,
        num_held_out,
        num_one_sentence,
        tokenizer.mended_lines - mended_before,
    )
    _leave(job, result_file, result)
    return result


def build_partition(job: Job, task: tuple[int, list[str]]) -> BuiltPartition:
    """Makes the instances of a partition and writes its shards.

    Args:
        task: the partition's number, and all blobs in the order of the corpus.
    """
    partition, blobs = task
    result_file = job.work / f"shards-{partition:06d}.json"
    names = _shard_names(job, partition)
    if result_file.exists() and all((job.folder / name).exists() for name in names):
        values = json.loads(result_file.read_bytes())
        return BuiltPartition(
            [ShardSummary(**shard) for shard in values["shards"]], values["counts"]
        )
    num_partitions = job.partitions.num_all_partitions
    documents = unpack_documents(
        read_slice(job.work / blob, partition, num_partitions) for blob in blobs
    )
    held_out = partition >= job.partitions.num_partitions
    options = job.options.instances
    if held_out:
        options = dataclasses.replace(options, dupe_factor=1)
    vocabulary = _vocabulary(job.options.vocab, job.vocabulary_sha256)
    try:
        instances = create_training_instances(
            documents, vocabulary, options, seed=options.random_seed + partition
        )
    except BertprepError as error:
        raise BertprepError(f"partition {partition}: {error}") from error
    layout = record_layout(job)
    shards = []
    for number, name in enumerate(names):
        serializer = RecordSerializer(instances, layout, number, len(names))
        temporary = job.work / f"{name.replace('/', '-')}.tmp"
        with ShardWriter(
            job.folder / name, temporary, job.options.records.compression, layout.slack
        ) as writer:
            while True:
                buffer, start = writer.buffer()
                end = serializer.fill(buffer, start)
                if end == start:
                    break
                writer.write(end)
        shards.append(ShardSummary(name, serializer.num_records, writer.bytes, writer.crc32c))
    counts = {
        "documents": documents.num_documents,
        "sentences": documents.num_sentences,
        "tokens": documents.num_tokens,
        "unknown_tokens": int(np.count_nonzero(documents.tokens == vocabulary.unk_id)),
        "instances": len(instances),
        "instance_tokens": int(instances.arrays["a_length"].sum(dtype=np.int64))
        + int(instances.arrays["b_length"].sum(dtype=np.int64)),
        "truncated_tokens": instances.num_truncated,
        "random_next": instances.num_random_next,
        "masks": len(instances.masks),
    }
    result = BuiltPartition(shards, counts)
    _leave(job, result_file, result)
    return result


def _shard_names(job: Job, partition: int) -> list[str]:
    numbers = job.partitions
    if partition >= numbers.num_partitions:
        held_out = partition - numbers.num_partitions
        return [shard_name(held_out, numbers.num_eval_partitions, held_out=True)]
    first = partition * numbers.shards_per_partition
    indices = range(first, first + numbers.shards_per_partition)
    return [shard_name(index, numbers.num_shards) for index in indices]


def _leave(job: Job, path: Path, result: Any) -> None:
    data = json.dumps(dataclasses.asdict(result)).encode()
    write_whole(path, path.with_suffix(".tmp"), data)


def keep_freed_memory() -> None:
    """Lets a worker use the memory of one task's arrays again for the next one's.

    glibc would give blocks of megabytes back to the system each time, and the faults of getting
    them anew take a third of the time of tokenizing. The largest arrays still go back: kept, they
    would let the heap grow by half. Without glibc nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in ((_M_MMAP_THRESHOLD, 16 << 20), (_M_TRIM_THRESHOLD, 1 << 30)):
        mallopt(parameter, value)
    mallopt(_M_TOP_PAD, 16 << 20)


def warm_up(job: Job) -> None:
    """Compiles every kernel and loads the vocabulary, for workers that are forked from here."""
    text = b"One line.\nAnother one.\n\nA document of\ntwo lines.\n"
    hashed = _tokenizer(job.options, job.vocabulary_sha256).tokenize_text(text)
    documents = unpack_documents(pack_partitions(hashed, job.partitions))
    instances = create_training_instances(
        documents, _vocabulary(job.options.vocab, job.vocabulary_sha256), job.options.instances
    )
    layout = record_layout(job)
    buffer = np.zeros(2 * layout.slack, np.uint8)
    checksum(buffer, RecordSerializer(instances, layout).fill(buffer, 0))
