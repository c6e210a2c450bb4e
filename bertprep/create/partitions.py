"""Tokenized documents -> partitions: their number, and how documents get into them.

A map task deals documents to partitions by their hashes and packs them, partition by partition,
into one blob; a build task reads its slice of every blob. Memory: twice the documents of one blob;
a partition and its slices.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from bertprep.data import (
    HashedDocuments,
    PartitionPlan,
    TokenizedDocuments,
    mix64,
    offsets_of,
)
from bertprep.errors import UsageError
from bertprep.kernels.partitions import gather_documents
from bertprep.terminal import in_bytes

#: Approximate bytes of text in a partition.
PARTITION_BYTES = 8 << 20
#: Upper bound of the bytes of text in a partition when --num-shards is given.
LARGEST_PARTITION_BYTES = 4 * PARTITION_BYTES

#: As many shards suit any corpus, one shard for so many bytes of text, and as many one folder.
_FEW_SHARDS, _LEAST_SHARD_BYTES, _MOST_SHARDS = 5000, 10_000, 1_000_000

_DEALING, _HOLDING_OUT = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F)


def plan_partitions(
    text_bytes: int,
    *,
    num_shards: int | None = None,
    num_partitions: int | None = None,
    eval_fraction: float = 0.0,
) -> PartitionPlan:
    """Choose the numbers of partitions and shards that were not given.

    Args:
        text_bytes: estimated bytes of text in the corpus.

    Raises:
        UsageError: the given numbers contradict each other; the message names the nearest that
            do not.
    """
    most = min(max(_FEW_SHARDS, text_bytes // _LEAST_SHARD_BYTES), _MOST_SHARDS)
    for number, noun in ((num_shards, "shards"), (num_partitions, "partitions")):
        if number is not None and number > most:
            raise UsageError(
                f"{number:,} {noun} are too many for {in_bytes(text_bytes)} of text: pass "
                f"--num-{noun} {most} or fewer"
            )
    kept_bytes = text_bytes * (1 - eval_fraction)
    if num_partitions is None:
        if num_shards is None:
            num_partitions = max(1, round(kept_bytes / PARTITION_BYTES))
        else:
            num_partitions = _partitions_for(num_shards, kept_bytes)
    if num_shards is None:
        num_shards = num_partitions
    if num_shards % num_partitions:
        lower = num_shards // num_partitions * num_partitions
        choices = [n for n in (lower, lower + num_partitions) if n]
        raise UsageError(
            f"{num_shards} shards cannot be divided evenly among {num_partitions} partitions: "
            f"pass --num-shards {' or '.join(map(str, choices))}"
        )
    num_eval = 0
    if eval_fraction:
        num_eval = max(1, round(text_bytes * eval_fraction / PARTITION_BYTES))
    return PartitionPlan(num_partitions, num_shards // num_partitions, num_eval, eval_fraction)


def _partitions_for(num_shards: int, kept_bytes: float) -> int:
    least = max(1, -int(-kept_bytes // LARGEST_PARTITION_BYTES))
    divisors = [p for p in range(least, num_shards + 1) if num_shards % p == 0]
    if not divisors:
        raise UsageError(
            f"{num_shards} shards are too few for this corpus: partitions of that size may not fit "
            f"in memory. Pass --num-shards {least} or more, or --num-partitions {num_shards} if "
            "they do fit"
        )
    return divisors[0]


def deal(hashes: np.ndarray, plan: PartitionPlan) -> np.ndarray:
    """Return the partition of each document.

    Args:
        hashes: uint64[num_documents]. Keyed hashes of the documents' text.

    Returns:
        int64[num_documents].
    """
    chosen = _scaled(mix64(hashes ^ _DEALING), plan.num_partitions)
    if plan.num_eval_partitions:
        drawn = mix64(hashes ^ _HOLDING_OUT)
        held_out = (drawn >> np.uint64(11)) < np.uint64(plan.eval_fraction * 2**53)
        held_in = plan.num_partitions + _scaled(mix64(drawn), plan.num_eval_partitions)
        chosen = np.where(held_out, held_in, chosen)
    return chosen


def _scaled(values: np.ndarray, size: int) -> np.ndarray:
    """Map uniform 64-bit values to int64 numbers in [0, size), size < 2**32."""
    return ((values >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)


def pack_partitions(hashed: HashedDocuments, plan: PartitionPlan) -> list[np.ndarray]:
    """Deal documents to partitions and pack those of each partition, in corpus order.

    Returns:
        A uint32[...] per partition, for `unpack_documents`.
    """
    documents = hashed.documents
    partition = deal(hashed.hashes, plan)
    order = np.argsort(partition, kind="stable")
    gathered = np.empty(documents.num_tokens, np.uint32)
    token_counts = np.empty(documents.num_sentences, np.uint32)
    sentence_counts = np.empty(documents.num_documents, np.uint32)
    gather_documents(
        documents.tokens,
        documents.sentence_offsets,
        documents.document_offsets,
        order,
        gathered,
        token_counts,
        sentence_counts,
    )
    document_ends = np.searchsorted(partition[order], np.arange(plan.num_all_partitions + 1))
    sentence_ends = offsets_of(sentence_counts)[document_ends]
    token_ends = offsets_of(token_counts)[sentence_ends]
    packed = []
    ends = (document_ends.tolist(), sentence_ends.tolist(), token_ends.tolist())
    for bounds in zip(*(pairwise(each) for each in ends), strict=True):
        arrays = zip((sentence_counts, token_counts, gathered), bounds, strict=True)
        parts = [array[start:end] for array, (start, end) in arrays]
        counts = np.array([len(part) for part in parts], np.uint32)
        packed.append(np.concatenate([counts, *parts]))
    return packed


def join_documents(parts: Sequence[HashedDocuments]) -> HashedDocuments:
    """Concatenate the documents of several blocks."""
    if len(parts) == 1:
        return parts[0]
    documents = [part.documents for part in parts]
    tokens = np.concatenate([part.tokens for part in documents])
    sentences = np.concatenate([np.diff(part.sentence_offsets) for part in documents])
    counts = np.concatenate([np.diff(part.document_offsets) for part in documents])
    joined = TokenizedDocuments(tokens, offsets_of(sentences), offsets_of(counts))
    return HashedDocuments(joined, np.concatenate([part.hashes for part in parts]))


def unpack_documents(parts: Iterable[np.ndarray]) -> TokenizedDocuments:
    """Unpack and concatenate the documents of several packed parts."""
    columns: tuple[list[np.ndarray], ...] = ([], [], [])
    for part in parts:
        counts, rest = part[:3].astype(np.int64), part[3:]
        for column, array in zip(columns, np.split(rest, np.cumsum(counts)[:2]), strict=True):
            column.append(array)
    sentence_counts, token_counts, tokens = (
        np.concatenate(column) if column else np.zeros(0, np.uint32) for column in columns
    )
    return TokenizedDocuments(tokens, offsets_of(token_counts), offsets_of(sentence_counts))
