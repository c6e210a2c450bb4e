"""A partition's documents -> its instances -> its shards.

Behind its shards a partition leaves a small result file, so that a later run of the same plan
takes the result for the work.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from bertprep.create.job import Job
from bertprep.create.output_folder import shard_name
from bertprep.create.partitions import unpack_documents
from bertprep.data import ShardSummary, TokenizedDocuments
from bertprep.errors import BertprepError
from bertprep.objectives import create_training_instances
from bertprep.records.serializer import RecordSerializer
from bertprep.records.shards import ShardWriter
from bertprep.storage import RemoteFiles, run_in_subprocess
from bertprep.storage.files import write_whole
from bertprep.vocab import Vocabulary


@dataclass(frozen=True)
class BuiltPartition:
    """A partition's shards, and what was counted on the way."""

    shards: list[ShardSummary]
    counts: dict[str, int]


def find_built(job: Job) -> dict[int, BuiltPartition]:
    """What an earlier run has left of each partition that is whole."""
    # A store is asked by a process of its own, since workers will be forked from this one.
    return run_in_subprocess(_find_all, job) if job.url else _find_all(job)


def _find_all(job: Job) -> dict[int, BuiltPartition]:
    found = {p: _find(job, p) for p in range(job.partitions.num_all_partitions)}
    return {p: built for p, built in found.items() if built}


def _find(job: Job, partition: int) -> BuiltPartition | None:
    result_file, names = _result_file(job, partition), _shard_names(job, partition)
    if not result_file.exists():
        return None
    if job.url:
        are_made = RemoteFiles(job.url).has_uploaded(names, job.work, partition)
    else:
        are_made = all((job.folder / name).exists() for name in names)
    if not are_made:
        return None
    values = json.loads(result_file.read_bytes())
    return BuiltPartition([ShardSummary(**shard) for shard in values["shards"]], values["counts"])


def build_partition(
    job: Job, partition: int, parts: Iterable[np.ndarray], attempt: str = ""
) -> BuiltPartition:
    """Makes the instances of a partition and writes its shards.

    Args:
        parts: the partition's slice of each blob, in the order of the corpus.
        attempt: begins the names of temporary files, where two may be at the same partition.
    """
    if built := _find(job, partition):
        return built
    names = _shard_names(job, partition)
    documents = unpack_documents(parts)
    options = job.options.instances
    if partition >= job.partitions.num_partitions:
        options = replace(options, dupe_factor=1)  # held out
    try:
        instances = create_training_instances(
            documents, job.vocabulary, options, seed=options.random_seed + partition
        )
    except BertprepError as error:
        raise BertprepError(f"partition {partition}: {error}") from error
    shards = []
    for number, name in enumerate(names):
        serializer = RecordSerializer(instances, job.layout, number, len(names))
        temporary = job.work / f"{attempt}{name.replace('/', '-')}.tmp"
        with ShardWriter(
            job.folder / name, temporary, job.options.records.compression, job.layout.slack
        ) as writer:
            while True:
                buffer, start = writer.buffer()
                end = serializer.fill(buffer, start)
                if end == start:
                    break
                writer.write(end)
        shards.append(ShardSummary(name, serializer.num_records, writer.bytes, writer.crc32c))
    if job.url:
        RemoteFiles(job.url).upload(names, job.folder, job.work, partition)
    counts = {
        "documents": documents.num_documents,
        "sentences": documents.num_sentences,
        "tokens": documents.num_tokens,
        "unknown_tokens": int(np.count_nonzero(documents.tokens == job.vocabulary.unk_id)),
        **instances.counts,
    }
    if job.options.tokenizer.marks_words:
        counts |= _count_words(documents, job.vocabulary)
    result = BuiltPartition(shards, counts)
    path = _result_file(job, partition)
    temporary = path.with_name(f"{attempt}{path.stem}.tmp")
    write_whole(path, temporary, json.dumps(asdict(result)).encode())
    return result


def _count_words(documents: TokenizedDocuments, vocabulary: Vocabulary) -> dict[str, int]:
    """Words, and tokens that are joined to the one before them without being `##` pieces."""
    continues = documents.continues_word
    is_piece = np.array([token.startswith("##") for token in vocabulary.tokens])
    joined = continues & ~is_piece[documents.token_ids]
    return {
        "words": int(np.count_nonzero(~continues)),
        "joined_tokens": int(np.count_nonzero(joined)),
    }


def _result_file(job: Job, partition: int) -> Path:
    return job.work / f"shards-{partition:06d}.json"


def _shard_names(job: Job, partition: int) -> list[str]:
    numbers = job.partitions
    if partition >= numbers.num_partitions:
        held_out = partition - numbers.num_partitions
        return [shard_name(held_out, numbers.num_eval_partitions, held_out=True)]
    first = partition * numbers.shards_per_partition
    indices = range(first, first + numbers.shards_per_partition)
    return [shard_name(index, numbers.num_shards) for index in indices]
