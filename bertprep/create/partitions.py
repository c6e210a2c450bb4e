"""Tokenized documents -> partitions: how many there are, who goes where, and the exchange.

A map task's documents are dealt by their hashes and packed, partition by partition, into one blob
with an index at its end; a build task reads its slice of every blob. Memory: twice the documents
of one blob; a partition and its slices.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from bertprep.data import HashedDocuments, PartitionPlan, TokenizedDocuments, mix64
from bertprep.errors import UsageError
from bertprep.kernels.partitions import gather_documents

#: Bytes of text in a partition, about.
PARTITION_BYTES = 8 << 20
#: The largest that partitions get for the sake of a number of shards that was asked for.
LARGEST_PARTITION_BYTES = 4 * PARTITION_BYTES

_DEALING, _HOLDING_OUT = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F)


def plan_partitions(
    text_bytes: int,
    *,
    num_shards: int | None = None,
    num_partitions: int | None = None,
    eval_fraction: float = 0.0,
) -> PartitionPlan:
    """Chooses the numbers that were not given.

    Args:
        text_bytes: of the whole corpus, estimated.

    Raises:
        UsageError: the given numbers do not go together; it names the nearest that do.
    """
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
            f"{num_shards} shards do not divide among {num_partitions} partitions: "
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
            f"{num_shards} shards are too few for this corpus, whose partitions would not fit in "
            f"memory with room to spare: pass --num-shards {least} or more"
            + (f", or --num-partitions {num_shards} if they do" if num_shards else "")
        )
    return divisors[0]


def deal(hashes: np.ndarray, plan: PartitionPlan) -> np.ndarray:
    """The partition of each document.

    Args:
        hashes: uint64[num_documents].

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
    """Uniform 64-bit values as int64 numbers in [0, size), size < 2**32."""
    return ((values >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)


def pack_partitions(hashed: HashedDocuments, plan: PartitionPlan) -> list[np.ndarray]:
    """Deals documents and packs those of each partition, in the order in which they came.

    Returns:
        A uint32[...] a partition, for `unpack_documents`.
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
    sentence_ends = _starts(sentence_counts)[document_ends]
    token_ends = _starts(token_counts)[sentence_ends]
    packed = []
    for p in range(plan.num_all_partitions):
        documents_of = slice(document_ends[p], document_ends[p + 1])
        sentences_of = slice(sentence_ends[p], sentence_ends[p + 1])
        tokens_of = slice(token_ends[p], token_ends[p + 1])
        counts = [part.stop - part.start for part in (documents_of, sentences_of, tokens_of)]
        packed.append(
            np.concatenate(
                [
                    np.array(counts, np.uint32),
                    sentence_counts[documents_of],
                    token_counts[sentences_of],
                    gathered[tokens_of],
                ]
            )
        )
    return packed


def _starts(counts: np.ndarray) -> np.ndarray:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def join_documents(parts: Sequence[HashedDocuments]) -> HashedDocuments:
    """Documents of several blocks, one behind the other."""
    if len(parts) == 1:
        return parts[0]
    documents = [part.documents for part in parts]
    tokens = np.concatenate([part.tokens for part in documents])
    sentences = np.concatenate([np.diff(part.sentence_offsets) for part in documents])
    counts = np.concatenate([np.diff(part.document_offsets) for part in documents])
    joined = TokenizedDocuments(tokens, _starts(sentences), _starts(counts))
    return HashedDocuments(joined, np.concatenate([part.hashes for part in parts]))


def unpack_documents(parts: Iterable[np.ndarray]) -> TokenizedDocuments:
    """The documents of packed parts, one behind the other."""
    columns: tuple[list[np.ndarray], ...] = ([], [], [])
    for part in parts:
        counts, rest = part[:3].astype(np.int64), part[3:]
        for column, array in zip(columns, np.split(rest, np.cumsum(counts)[:2]), strict=True):
            column.append(array)
    sentence_counts, token_counts, tokens = (
        np.concatenate(column) if column else np.zeros(0, np.uint32) for column in columns
    )
    return TokenizedDocuments(tokens, _starts(token_counts), _starts(sentence_counts))
