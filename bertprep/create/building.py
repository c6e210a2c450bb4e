"""Stage 2: a partition's documents -> its instances -> its shards.

Beside its shards, a partition leaves a small result file, so that a resumed run of the same plan
uses the result and skips the work.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertprep.create.job import Job
from bertprep.create.output_folder import shard_name
from bertprep.create.partitions import unpack_documents
from bertprep.create.worker import tools_of
from bertprep.data import ShardSummary, TokenizedDocuments
from bertprep.errors import BertprepError
from bertprep.json_files import COUNT, read_json
from bertprep.objectives import create_training_instances
from bertprep.records.manifest import make_manifest
from bertprep.records.serializer import RecordSerializer
from bertprep.records.shards import ShardWriter
from bertprep.storage import RemoteFiles, run_in_subprocess
from bertprep.storage.files import write_whole
from bertprep.vocab import Vocabulary

#: Counts of stage 1 that the manifest has when their options are used.
_TEXT_COUNTS = (
    *("split_lines", "unsplit_lines", "cut_sentences"),
    *("segmented_lines", "unaligned_lines"),
)
#: Shape of a result file.
_RESULT = {
    "shards": [{"name": str, **dict.fromkeys(("records", "bytes", "crc32c"), COUNT)}],
    "counts": {str: COUNT},
}


@dataclass(frozen=True)
class BuiltPartition:
    """The shards of a partition, and counts of its documents and instances."""

    shards: list[ShardSummary]
    counts: dict[str, int]


def find_built(job: Job) -> dict[int, BuiltPartition]:
    """Return the partitions that an earlier run of the same plan has finished."""
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
    values = read_json(result_file, _RESULT, "Remove it, then repeat the command")
    return BuiltPartition([ShardSummary(**shard) for shard in values["shards"]], values["counts"])


def build_partition(
    job: Job, partition: int, parts: Iterable[np.ndarray], attempt: str = ""
) -> BuiltPartition:
    """Create the instances of a partition and write its shards.

    Args:
        parts: the partition's slice of each blob, in corpus order.
        attempt: prefix of temporary file names, where two attempts may run at the same time.
    """
    if built := _find(job, partition):
        return built
    documents, vocabulary = unpack_documents(parts), tools_of(job).vocabulary
    try:
        instances = create_training_instances(
            documents, vocabulary, job.instance_options(partition)
        )
    except BertprepError as error:
        raise BertprepError(f"partition {partition}: {error}") from error
    names = _shard_names(job, partition)
    shards = []
    for number, name in enumerate(names):
        serializer = RecordSerializer(instances, tools_of(job).layout, number, len(names))
        temporary = job.work / f"{attempt}{name.replace('/', '-')}.tmp"
        shards.append(_write_shard(job, name, temporary, serializer))
    if job.url:
        RemoteFiles(job.url).upload(names, job.folder, job.work, partition)
    counts = _count_tokens(documents, vocabulary) | instances.counts
    if job.options.tokenizer.marks_words:
        counts |= _count_words(documents, vocabulary)
    result = BuiltPartition(shards, counts)
    path = _result_file(job, partition)
    temporary = path.with_name(f"{attempt}{path.stem}.tmp")
    write_whole(path, temporary, json.dumps(asdict(result)).encode())
    return result


def _write_shard(
    job: Job, name: str, temporary: Path, serializer: RecordSerializer
) -> ShardSummary:
    compression, slack = job.options.records.compression, tools_of(job).layout.slack
    with ShardWriter(job.folder / name, temporary, compression, slack) as writer:
        while True:
            buffer, start = writer.buffer()
            end = serializer.fill(buffer, start)
            if end == start:
                break
            writer.write(end)
    return ShardSummary(name, serializer.num_records, writer.bytes, writer.crc32c)


def _count_tokens(documents: TokenizedDocuments, vocabulary: Vocabulary) -> dict[str, int]:
    return {
        "documents": documents.num_documents,
        "sentences": documents.num_sentences,
        "tokens": documents.num_tokens,
        "unknown_tokens": int(np.count_nonzero(documents.tokens == vocabulary.unk_id)),
    }


def _count_words(documents: TokenizedDocuments, vocabulary: Vocabulary) -> dict[str, int]:
    """Count words, and tokens that continue a word without being `##` pieces."""
    continues = documents.continues_word
    is_piece = np.array([token.startswith("##") for token in vocabulary.tokens])
    joined = continues & ~is_piece[documents.token_ids]
    return {
        "words": int(np.count_nonzero(~continues)),
        "joined_tokens": int(np.count_nonzero(joined)),
    }


def collect_results(
    job: Job, built: Mapping[int, BuiltPartition], text_counts: Mapping[str, int]
) -> dict[str, Any]:
    """Return the manifest of all partitions."""
    results = [built[p] for p in range(job.partitions.num_all_partitions)]
    num_kept = job.partitions.num_partitions
    kept, held_out = results[:num_kept], results[num_kept:]
    counts = {name: sum(result.counts[name] for result in results) for name in results[0].counts}
    counts["eval_documents"] = sum(result.counts["documents"] for result in held_out)
    counts["largest_partition_tokens"] = max(result.counts["tokens"] for result in results)
    counts["empty_partitions"] = sum(not result.counts["documents"] for result in results)
    shards, eval_shards = (
        [shard for result in part for shard in result.shards] for part in (kept, held_out)
    )
    counts |= {name: text_counts[name] for name in _TEXT_COUNTS if name in text_counts}
    return make_manifest(job.plan, shards, eval_shards, counts)


def _result_file(job: Job, partition: int) -> Path:
    return job.work / f"shards-{partition:06d}.json"


def _shard_names(job: Job, partition: int) -> list[str]:
    numbers = job.partitions
    if job.is_held_out(partition):
        held_out = partition - numbers.num_partitions
        return [shard_name(held_out, numbers.num_eval_partitions, held_out=True)]
    first = partition * numbers.shards_per_partition
    indices = range(first, first + numbers.shards_per_partition)
    return [shard_name(index, numbers.num_shards) for index in indices]
