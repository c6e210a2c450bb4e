"""Stage 1: a split of the corpus -> tokenized documents, dealt to partitions and packed in blobs.

A block of lines becomes sentences, these tokens, and long sentences are cut.
"""

from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from bertprep.corpus import Block, Split, read_blocks
from bertprep.create.job import BLOCK_BYTES, Job
from bertprep.create.partitions import join_documents, pack_partitions
from bertprep.create.worker import tools_of
from bertprep.data import HashedDocuments
from bertprep.errors import BertprepError, TextError
from bertprep.options import CreateOptions
from bertprep.tokenization.long_sentences import cut_long_sentences


@dataclass(frozen=True)
class TextCounts:
    """Counts of some text that was tokenized; the counts of parts add up.

    Attributes:
        documents: documents that have a token.
        held_out: documents among these that are held out.
        one_sentence: documents among these that have one sentence.
        invalid_lines: lines with invalid UTF-8 or NUL bytes, which were replaced or skipped.
        skipped_documents: documents that could not be read.
        split_lines: lines that were split into sentences.
        unsplit_lines: lines that were kept whole because the sentence splitter failed.
        cut_sentences: sentences that were cut because of --max-sentence-tokens.
        segmented_lines: lines that were given to the word segmenter.
        unaligned_lines: lines among these that are masked by character because the segmenter's
            words do not match the line.
    """

    documents: int = 0
    held_out: int = 0
    one_sentence: int = 0
    invalid_lines: int = 0
    skipped_documents: int = 0
    split_lines: int = 0
    unsplit_lines: int = 0
    cut_sentences: int = 0
    segmented_lines: int = 0
    unaligned_lines: int = 0

    @classmethod
    def sum(cls, parts: Iterable["TextCounts"]) -> "TextCounts":
        """Return the counts of all parts together."""
        listed = list(parts)
        names = [field.name for field in fields(cls)]
        return cls(**{name: sum(getattr(part, name) for part in listed) for name in names})

    def for_manifest(self, options: CreateOptions) -> dict[str, int]:
        """Return the counts of what the options requested, for the manifest."""
        names = []
        if options.corpus.split_sentences:
            names += ["split_lines", "unsplit_lines"]
        if options.corpus.max_sentence_tokens:
            names += ["cut_sentences"]
        if self.segmented_lines:
            names += ["segmented_lines", "unaligned_lines"]
        return {name: getattr(self, name) for name in names}


def tokenize_split(job: Job, split: Split) -> Generator[list[np.ndarray], None, dict[str, Any]]:
    """Tokenize the documents of a split and deal them to partitions.

    Yields:
        A blob: uint32[...] per partition.

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
    """Tokenize the documents of a block.

    Raises:
        BertprepError: the text is invalid; the message names the file and line.
    """
    tools = tools_of(job)
    tokenizer, splitter = tools.tokenizer, tools.splitter
    mended = tokenizer.mended_lines
    segmented, unaligned = tokenizer.segmented_lines, tokenizer.unaligned_lines
    sentences = splitter.split_block(block.data) if splitter else None
    try:
        hashed = tokenizer.tokenize_text(sentences.data if sentences else block.data)
    except TextError as error:
        where = block.where(sentences.source_line(error.line) if sentences else error.line)
        raise BertprepError(f"{where}: {error.problem}. {error.advice}") from error
    num_cut = 0
    if limit := job.options.corpus.max_sentence_tokens:
        documents, num_cut = cut_long_sentences(hashed.documents, limit, tools.vocabulary)
        hashed = HashedDocuments(documents, hashed.hashes)  # hashes of the uncut text
    documents = hashed.documents
    return hashed, TextCounts(
        documents=documents.num_documents,
        one_sentence=int(np.count_nonzero(np.diff(documents.document_offsets) == 1)),
        invalid_lines=tokenizer.mended_lines
        - mended
        + (sentences.mended_lines if sentences else 0),
        skipped_documents=block.skipped,
        split_lines=sentences.split_lines if sentences else 0,
        unsplit_lines=sentences.unsplit_lines if sentences else 0,
        cut_sentences=num_cut,
        segmented_lines=tokenizer.segmented_lines - segmented,
        unaligned_lines=tokenizer.unaligned_lines - unaligned,
    )
