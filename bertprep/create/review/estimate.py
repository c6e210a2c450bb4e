"""A sample -> an estimate of the run: records, bytes, memory, time.

The run's own functions create the instances of the sample and serialize them in memory; the rest is
proportional to the bytes of text. Cost: 0.15 s for 2 MB at dupe 10.
"""

import time
from dataclasses import dataclass, replace

import numpy as np

from bertprep.corpus import measure_text_bytes, plan_splits
from bertprep.create.job import BLOCK_BYTES, Job
from bertprep.create.partitions import deal
from bertprep.create.review.sample import Sample
from bertprep.create.worker import tools_of
from bertprep.objectives import create_training_instances
from bertprep.options import available_cores
from bertprep.records.serializer import RecordSerializer
from bertprep.records.shards import BLOCK_BYTES as BUFFER_BYTES
from bertprep.records.shards import checksum, gzip_bytes

#: More passes over the sample take longer and add no precision.
_MAX_DUPES = 10
#: Time of a run relative to the kernels that are timed here: reading, dealing, fsync (benchmarks/).
_TOTAL_TIME = 1.3
#: Workers share memory and caches: two are 1.89 times as fast as one.
_PARALLEL_EFFICIENCY = 0.95

#: Memory of the parent, and of a worker without its task. These and the following figures were
#: fitted to the peak PSS of runs (benchmarks/README.md).
_PARENT_BYTES, _WORKER_BYTES = 100e6, 70e6
#: Per byte of a block of text: the text twice, and the tokenizer's buffers.
_BYTES_PER_TEXT_BYTE = 6
#: A token is in the blob's slices, concatenated, and packed as a varint.
_BYTES_PER_TOKEN, _BYTES_PER_INSTANCE, _BYTES_PER_MASK = 12, 40, 8


@dataclass(frozen=True)
class SampleRecords:
    """The records of the sample.

    Attributes:
        dupes: passes over the documents.
        counts: counts of the instances, as in the manifest.
        record_bytes: bytes of the uncompressed records.
        compressed_share: bytes in the shards per byte of records.
        build_seconds: processor time of creating and serializing the records.
        compress_seconds: processor time of compressing them.
    """

    dupes: int
    counts: dict[str, int]
    record_bytes: int
    compressed_share: float
    build_seconds: float
    compress_seconds: float


@dataclass(frozen=True)
class Estimate:
    """Size and cost of the run.

    Attributes:
        is_exact: the sample is the whole corpus, so the counts of its text are exact.
        has_exact_records: so is the number of records.
        text_bytes: bytes of the corpus' text, decompressed.
        documents, sentences, tokens, records: their numbers.
        shard_bytes: bytes of all shards.
        disk_bytes: peak bytes on the local disk: tokens between the stages, and shards unless they
            are uploaded.
        memory_bytes: peak bytes of all processes together.
        seconds: wall time on an idle machine.
    """

    is_exact: bool
    has_exact_records: bool
    text_bytes: float
    documents: float
    sentences: float
    tokens: float
    records: float
    shard_bytes: float
    disk_bytes: float
    memory_bytes: float
    seconds: float


def build_sample(job: Job, sample: Sample) -> SampleRecords:
    """Build the records of the sample, for their number, size and time.

    Raises:
        BertprepError: the instances cannot be created.
    """
    options, tools = job.options.instances, tools_of(job)
    options = replace(options, dupe_factor=min(options.dupe_factor, _MAX_DUPES))
    if sample.documents.num_documents < 2 and not sample.is_whole:
        options = replace(options, quirks="keep")  # "fix" requires the documents that follow
    begin = time.thread_time()
    instances = create_training_instances(sample.documents, tools.vocabulary, options)
    serializer = RecordSerializer(instances, tools.layout)
    buffer = np.empty(BUFFER_BYTES + tools.layout.slack, np.uint8)
    record_bytes = first_bytes = 0
    while size := serializer.fill(buffer, 0):
        checksum(buffer, size)
        record_bytes += size
        first_bytes = first_bytes or size
    seconds = time.thread_time() - begin
    compressed_share, compress_seconds = 1.0, 0.0
    if job.options.records.compression == "gzip" and first_bytes:
        first_bytes = RecordSerializer(instances, tools.layout).fill(buffer, 0)
        begin = time.thread_time()
        compressed_share = gzip_bytes(buffer[:first_bytes]) / first_bytes
        compress_seconds = (time.thread_time() - begin) * record_bytes / first_bytes
    return SampleRecords(
        options.dupe_factor,
        instances.counts,
        record_bytes,
        compressed_share,
        seconds,
        compress_seconds,
    )


def estimate(job: Job, sample: Sample, built: SampleRecords) -> Estimate:
    """Extrapolate from the sample to the corpus."""
    options, documents = job.options, sample.documents
    text_bytes = (
        sample.num_bytes if sample.is_whole else measure_text_bytes(job.files, options.corpus)
    )
    scale = text_bytes / max(1, sample.num_bytes)
    # Truncated blocks count in full: documents are estimated from the bytes that were read.
    read_bytes = sum(sampled.num_bytes for sampled in sample.blocks)
    held_out = _held_out_share(job, sample)
    dupes = (1 - held_out) * options.instances.dupe_factor + held_out  # held-out documents: once
    record_scale = scale * dupes / built.dupes
    records = record_scale * built.counts["instances"]
    shard_bytes = record_scale * built.record_bytes * built.compressed_share
    tokens = scale * documents.num_tokens
    blob_bytes = 4 * tokens
    return Estimate(
        is_exact=sample.is_whole,
        # One partition of documents that were all read is the sample itself.
        has_exact_records=sample.is_whole
        and job.partitions.num_all_partitions == 1
        and built.dupes == options.instances.dupe_factor,
        text_bytes=text_bytes,
        documents=text_bytes * documents.num_documents / max(1, read_bytes),
        sentences=scale * documents.num_sentences,
        tokens=tokens,
        records=records,
        shard_bytes=shard_bytes,
        disk_bytes=blob_bytes if job.url else blob_bytes + shard_bytes,
        memory_bytes=_memory(job, sample, text_bytes, _array_bytes(tokens, records, built)),
        seconds=_seconds(job, sample.seconds_per_byte * text_bytes, built, record_scale),
    )


def _held_out_share(job: Job, sample: Sample) -> float:
    """Return the share of the tokens in documents that are held out."""
    documents = sample.documents
    held_out = deal(sample.hashed.hashes, job.partitions) >= job.partitions.num_partitions
    sizes = np.diff(documents.sentence_offsets[documents.document_offsets])
    return float(sizes[held_out].sum() / max(1, documents.num_tokens))


def _seconds(job: Job, tokenizing: float, built: SampleRecords, record_scale: float) -> float:
    """Return the wall time of both stages.

    Args:
        tokenizing: processor seconds of the first stage.
        record_scale: records of the run per record of the sample.
    """
    cores = available_cores()
    busy = min(job.num_workers, cores)
    making = record_scale * built.build_seconds
    compressing = record_scale * built.compress_seconds
    # A worker compresses in a thread of its own, on another core if one is idle.
    building = max(making, compressing, (making + compressing) * busy / cores)
    num_splits = len(plan_splits(job.files, job.blob_bytes, job.options.corpus))
    return _TOTAL_TIME * (
        tokenizing * _largest_share(num_splits, busy)
        + building * _largest_share(job.partitions.num_all_partitions, busy)
    )


def _largest_share(tasks: int, workers: int) -> float:
    """Return the share of the work of the busiest worker."""
    efficiency = 1.0 if min(tasks, workers) < 2 else _PARALLEL_EFFICIENCY
    return -(-tasks // workers) / max(1, tasks) / efficiency


def _array_bytes(tokens: float, records: float, built: SampleRecords) -> float:
    """Return the bytes of the arrays of all build tasks together."""
    masks = built.counts["masks"] / max(1, built.counts["instances"])
    return _BYTES_PER_TOKEN * tokens + (_BYTES_PER_INSTANCE + _BYTES_PER_MASK * masks) * records


def _memory(job: Job, sample: Sample, text_bytes: float, array_bytes: float) -> float:
    """Return the peak bytes of all processes, most of them in the workers' arrays."""

    def task_bytes(block: float, partition: float) -> float:
        building = array_bytes * partition / max(1.0, text_bytes)
        return max(_BYTES_PER_TEXT_BYTE * block, building)

    block = min(text_bytes, BLOCK_BYTES)
    partition = text_bytes / job.partitions.num_all_partitions
    usual = task_bytes(block, partition)
    # A document is never divided: a large one enlarges one block and one partition.
    largest = max((sampled.num_bytes for sampled in sample.blocks), default=0)
    unusual = task_bytes(max(block, largest), max(partition, largest))
    tasks = max(job.partitions.num_all_partitions, -(-int(text_bytes) // job.blob_bytes), 1)
    busy = min(job.num_workers, tasks)
    return _PARENT_BYTES + busy * (_WORKER_BYTES + usual) + unusual - usual
