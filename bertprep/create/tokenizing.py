"""A split of the corpus -> tokenized documents, dealt to partitions and packed in blobs.

block of lines -> sentences -> tokens -> sentences of a length that is wanted
"""

from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from bertprep.corpus import Block, Split, read_blocks
from bertprep.create.job import BLOCK_BYTES, Job
from bertprep.create.partitions import join_documents, pack_partitions
from bertprep.data import HashedDocuments
from bertprep.errors import BertprepError, TextError
from bertprep.tokenization.long_sentences import cut_long_sentences


@dataclass(frozen=True)
class TextCounts:
    """What was counted while text became tokens; counts of parts add up.

    Attributes:
        documents: that have a token.
        held_out: of these, those that nothing is learned from.
        one_sentence: of these, those of a single sentence.
        mended_lines: were not UTF-8, and were replaced or left out.
        skipped_documents: could not be read.
        split_lines, unsplit_lines: became sentences; stayed whole, since the splitter failed.
        cut_sentences: were cut into parts.
        segmented_lines, unaligned_lines: seen by the word segmenter; masked by characters, since
            its words do not join to the line.
    """

    documents: int = 0
    held_out: int = 0
    one_sentence: int = 0
    mended_lines: int = 0
    skipped_documents: int = 0
    split_lines: int = 0
    unsplit_lines: int = 0
    cut_sentences: int = 0
    segmented_lines: int = 0
    unaligned_lines: int = 0

    @classmethod
    def sum(cls, parts: Iterable["TextCounts"]) -> "TextCounts":
        """Of all parts."""
        listed = list(parts)
        names = [field.name for field in fields(cls)]
        return cls(**{name: sum(getattr(part, name) for part in listed) for name in names})


def tokenize_split(job: Job, split: Split) -> Generator[list[np.ndarray], None, dict[str, Any]]:
    """Tokenizes the documents of a split and deals them to partitions.

    Yields:
        A blob: uint32[...] a partition.

    Returns:
        The fields of its TextCounts.
    """
    counts: list[TextCounts] = []
    waiting: list[HashedDocuments] = []
    waiting_bytes = 0

    def pack_waiting() -> list[np.ndarray]:
        packed = pack_partitions(join_documents(waiting), job.partitions)
        held_out = packed[job.partitions.num_partitions :]
        counts.append(TextCounts(held_out=sum(int(part[0]) for part in held_out)))
        waiting.clear()
        return packed

    for block in read_blocks(split, job.options.corpus, BLOCK_BYTES):
        hashed, counted = tokenize_block(job, block)
        counts.append(counted)
        waiting.append(hashed)
        waiting_bytes += len(block.data)
        if waiting_bytes >= job.blob_bytes:
            yield pack_waiting()
            waiting_bytes = 0
    if waiting:
        yield pack_waiting()
    return asdict(TextCounts.sum(counts))


def tokenize_block(job: Job, block: Block) -> tuple[HashedDocuments, TextCounts]:
    """Tokenizes whole documents.

    Raises:
        BertprepError: text that cannot be meant; its place is that in the input.
    """
    tokenizer, splitter = job.tokenizer, job.splitter
    mended = tokenizer.invalid_lines
    segmented, unaligned = tokenizer.segmented_lines, tokenizer.unaligned_lines
    sentences = splitter.split_block(block.data) if splitter else None
    try:
        hashed = tokenizer.tokenize_text(sentences.data if sentences else block.data)
    except TextError as error:
        where = block.where(sentences.source_line(error.line) if sentences else error.line)
        raise BertprepError(f"{where}: {error.problem}. {error.advice}") from error
    hashed, num_cut = _cut_sentences(job, hashed)
    documents = hashed.documents
    return hashed, TextCounts(
        documents=documents.num_documents,
        one_sentence=int(np.count_nonzero(np.diff(documents.document_offsets) == 1)),
        mended_lines=tokenizer.invalid_lines
        - mended
        + (sentences.invalid_lines if sentences else 0),
        skipped_documents=block.skipped,
        split_lines=sentences.split_lines if sentences else 0,
        unsplit_lines=sentences.unsplit_lines if sentences else 0,
        cut_sentences=num_cut,
        segmented_lines=tokenizer.segmented_lines - segmented,
        unaligned_lines=tokenizer.unaligned_lines - unaligned,
    )


def _cut_sentences(job: Job, hashed: HashedDocuments) -> tuple[HashedDocuments, int]:
    """Cuts the sentences that are longer than is wanted; the hashes stay those of the text."""
    most = job.options.corpus.max_sentence_tokens
    if most is None:
        return hashed, 0
    documents, num_cut = cut_long_sentences(hashed.documents, most, job.vocabulary)
    return HashedDocuments(documents, hashed.hashes), num_cut
