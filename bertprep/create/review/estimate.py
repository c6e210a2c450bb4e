"""A sample -> what a run will make of the whole corpus: records, bytes, memory, time.

The real kernels make the instances of the sample and write them into memory, under the run's own
options; the rest is the rule of three, by bytes of text. Cost: 0.15 s for 2 MB at dupe 10.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bertprep.corpus import measure_text_bytes, plan_splits
from bertprep.create.job import BLOCK_BYTES, Job
from bertprep.create.partitions import deal
from bertprep.create.review.sample import Sample
from bertprep.data import InputFile
from bertprep.objectives import create_training_instances
from bertprep.objectives.sentence_pairs import TrainingInstances
from bertprep.options import CreateOptions, available_cores
from bertprep.records.serializer import RecordSerializer
from bertprep.records.shards import BLOCK_BYTES as BUFFER_BYTES
from bertprep.records.shards import checksum, gzip_bytes

#: More repetitions take longer and tell no more.
_MOST_DUPES = 10
#: What a run does beside the kernels that are timed here: reading, dealing, fsync (benchmarks/).
_OTHER_WORK = 1.3
#: Workers share memory and caches: two are 1.89 times as fast as one.
_PARALLEL_SHARE = 0.95

#: Memory of the parent, and of a worker with its buffers for records and without its task. These
#: and those below were fitted to the peak PSS of runs (benchmarks/README.md).
_PARENT_BYTES, _WORKER_BYTES = 100e6, 70e6
#: Of a block of text: the text twice, and what the tokenizer's buffers touch.
_BYTES_A_TEXT_BYTE = 6
#: A token is there in the blob's slices, joined, packed as varint; an instance; a mask.
_BYTES_A_TOKEN, _BYTES_AN_INSTANCE, _BYTES_A_MASK = 12, 40, 8


@dataclass(frozen=True)
class Built:
    """What became of the sample.

    Attributes:
        dupes: how often its documents were gone through.
        instances: their number, as of the lengths and masks.
        record_bytes: of their records.
        packed_share: bytes in the shards for a byte of records.
        seconds: processor time of making them; `pack_seconds` that of compressing them.
    """

    dupes: int
    instances: TrainingInstances
    record_bytes: int
    packed_share: float
    seconds: float
    pack_seconds: float

    @property
    def share_cut(self) -> float:
        """Share of the tokens of all pairs that were cut away."""
        counts = self.instances.counts
        cut = counts["truncated_tokens"]
        return cut / max(1, cut + counts["instance_tokens"])


@dataclass(frozen=True)
class Estimate:
    """What the run will need and make.

    Attributes:
        is_exact: the sample is all that there is.
        dupes: how often its documents were gone through.
        text_bytes: of the corpus, decompressed.
        record_bytes: of all records, not compressed; `shard_bytes` as they stand in the files.
        blob_bytes: of the tokens between the stages.
        disk_bytes: the most that will be there at a time: shards, and these.
        memory_bytes: of all processes together.
        seconds: from here on, on a machine that has nothing else to do.
    """

    is_exact: bool
    dupes: int
    text_bytes: float
    documents: float
    sentences: float
    tokens: float
    records: float
    record_bytes: float
    shard_bytes: float
    blob_bytes: float
    disk_bytes: float
    memory_bytes: float
    seconds: float


def build_sample(job: Job, sample: Sample) -> Built:
    """Makes the records of the sample, for their number, their size and the time that it takes.

    Raises:
        BertprepError: as the run would.
    """
    options = job.options.instances
    options = replace(options, dupe_factor=min(options.dupe_factor, _MOST_DUPES))
    if sample.documents.num_documents < 2 and not sample.is_whole:
        options = replace(options, quirks="keep")  # "fix" wants another document, and there are
    layout = job.layout
    begin = time.thread_time()
    instances = create_training_instances(sample.documents, job.vocabulary, options)
    serializer = RecordSerializer(instances, layout)
    buffer = np.empty(BUFFER_BYTES + layout.slack, np.uint8)
    record_bytes = first_bytes = 0
    while size := serializer.fill(buffer, 0):
        checksum(buffer, size)
        record_bytes += size
        first_bytes = first_bytes or size
    seconds = time.thread_time() - begin
    packed_share, pack_seconds = 1.0, 0.0
    if job.options.records.compression == "gzip" and first_bytes:
        serializer = RecordSerializer(instances, layout)
        first_bytes = serializer.fill(buffer, 0)
        begin = time.thread_time()
        packed_share = gzip_bytes(buffer[:first_bytes]) / first_bytes
        pack_seconds = (time.thread_time() - begin) * record_bytes / first_bytes
    return Built(options.dupe_factor, instances, record_bytes, packed_share, seconds, pack_seconds)


def estimate(job: Job, files: Sequence[InputFile], sample: Sample, built: Built) -> Estimate:
    """Takes the sample for the whole."""
    options, documents = job.options, sample.documents
    text_bytes = sample.num_bytes if sample.is_whole else measure_text_bytes(files, options.corpus)
    scale = text_bytes / max(1, sample.num_bytes)
    # Documents of which only the start was looked at are whole ones all the same.
    whole_bytes = sum(sampled.num_bytes for sampled in sample.blocks)
    # Held-out documents are gone through once.
    held_out = _share_held_out(job, sample)
    dupes = (1 - held_out) * options.instances.dupe_factor + held_out
    more_records = scale * dupes / built.dupes
    records, record_bytes = (
        more_records * len(built.instances),
        more_records * built.record_bytes,
    )
    shard_bytes = record_bytes * built.packed_share
    tokens = scale * documents.num_tokens
    return Estimate(
        is_exact=sample.is_whole,
        dupes=built.dupes,
        text_bytes=text_bytes,
        documents=text_bytes * documents.num_documents / max(1, whole_bytes),
        sentences=scale * documents.num_sentences,
        tokens=tokens,
        records=records,
        record_bytes=record_bytes,
        shard_bytes=shard_bytes,
        blob_bytes=4 * tokens,
        disk_bytes=shard_bytes + 4 * tokens,
        memory_bytes=_memory(job, sample, text_bytes, tokens, records, built),
        seconds=_seconds(job, files, sample, text_bytes, more_records, built),
    )


def _share_held_out(job: Job, sample: Sample) -> float:
    """Share of the tokens in documents that are held out."""
    documents = sample.documents
    held_out = deal(sample.hashed.hashes, job.partitions) >= job.partitions.num_partitions
    sizes = np.diff(documents.sentence_offsets[documents.document_offsets])
    return float(sizes[held_out].sum() / max(1, documents.num_tokens))


def num_workers(options: CreateOptions) -> int:
    """Worker processes of a run."""
    return options.workers or available_cores()


def _seconds(
    job: Job,
    files: Sequence[InputFile],
    sample: Sample,
    text_bytes: float,
    more_records: float,
    built: Built,
) -> float:
    workers, cores = num_workers(job.options), available_cores()
    tokenizing = sample.seconds_per_byte * text_bytes
    making, packing = more_records * built.seconds, more_records * built.pack_seconds
    busy = min(workers, cores)
    # A worker packs in a thread of its own, which takes a core that is free.
    building = max(making, packing, (making + packing) * busy / cores)
    num_splits = len(plan_splits(files, job.blob_bytes, job.options.corpus))
    return _OTHER_WORK * (
        tokenizing * _slowest_share(num_splits, busy)
        + building * _slowest_share(job.partitions.num_all_partitions, busy)
    )


def _slowest_share(tasks: int, workers: int) -> float:
    """Share of the work on the worker that has most of it."""
    parallel = 1.0 if min(tasks, workers) < 2 else _PARALLEL_SHARE
    return -(-tasks // workers) / max(1, tasks) / parallel


def _memory(
    job: Job, sample: Sample, text_bytes: float, tokens: float, records: float, built: Built
) -> float:
    """Bytes of all processes at their peak, most of them in the workers' arrays."""
    masks = len(built.instances.masks) / max(1, len(built.instances))
    arrays = _BYTES_A_TOKEN * tokens + (_BYTES_AN_INSTANCE + _BYTES_A_MASK * masks) * records

    def task_bytes(block: float, partition: float) -> float:
        building = arrays * partition / max(1.0, text_bytes)
        return max(_BYTES_A_TEXT_BYTE * block, building)

    block = min(text_bytes, BLOCK_BYTES)
    partition = text_bytes / job.partitions.num_all_partitions
    usual = task_bytes(block, partition)
    # A document is never divided: one makes its block and its partition large, for one worker.
    largest = max((sampled.num_bytes for sampled in sample.blocks), default=0)
    unusual = task_bytes(max(block, largest), max(partition, largest))
    tasks = max(job.partitions.num_all_partitions, -(-int(text_bytes) // job.blob_bytes), 1)
    busy = min(num_workers(job.options), tasks)
    return _PARENT_BYTES + busy * (_WORKER_BYTES + usual) + unusual - usual
