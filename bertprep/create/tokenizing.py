"""Stage 1: a split of the corpus -> tokenized documents, dealt to partitions and packed in blobs.

A block of lines becomes sentences, these become tokens, and long sentences are cut. These counts of
blocks and splits add up:

    documents           documents that have a token
    held_out            documents among these that are held out
    one_sentence        documents among these that have one sentence
    invalid_lines       lines with invalid UTF-8 or NUL bytes, which were replaced or skipped
    skipped_documents   documents that could not be read

With the option that they belong to:

    split_lines         lines that were split into sentences
    unsplit_lines       lines that were kept whole because the sentence splitter failed
    cut_sentences       sentences that were cut because of --max-sentence-tokens
    segmented_lines     lines that were given to the word segmenter
    unaligned_lines     lines among these that its words do not match; they are masked by character
"""

from collections import Counter
from collections.abc import Generator

import numpy as np

from bertprep.corpus import Block, Split, read_blocks, require_unchanged
from bertprep.create.job import BLOCK_BYTES, Job
from bertprep.create.partitions import join_documents, pack_partitions
from bertprep.create.worker import tools_of
from bertprep.data import HashedDocuments
from bertprep.errors import BertprepError, TextError
from bertprep.tokenization.long_sentences import cut_long_sentences


def tokenize_split(job: Job, split: Split) -> Generator[list[np.ndarray], None, dict[str, int]]:
    """Tokenize the documents of a split and deal them to partitions.

    Yields:
        A blob: uint32[...] per partition.

    Returns:
        The counts of its text.
    """
    counts: Counter[str] = Counter()
    waiting: list[HashedDocuments] = []
    waiting_bytes = 0

    def pack_waiting() -> list[np.ndarray]:
        packed = pack_partitions(join_documents(waiting), job.partitions)
        held_out = packed[job.partitions.num_partitions :]
        counts["held_out"] += sum(int(part[0]) for part in held_out)
        waiting.clear()
        return packed

    for block in read_blocks(split, job.options.corpus, BLOCK_BYTES):
        hashed, block_counts = tokenize_block(job, block)
        counts.update(block_counts)
        waiting.append(hashed)
        waiting_bytes += len(block.data)
        if waiting_bytes >= job.blob_bytes:
            yield pack_waiting()
            waiting_bytes = 0
    if waiting:
        yield pack_waiting()
    return dict(counts)


def tokenize_block(job: Job, block: Block) -> tuple[HashedDocuments, dict[str, int]]:
    """Tokenize the documents of a block; return them with the counts of their text.

    Raises:
        BertprepError: the text is invalid; the message names the file and line.
    """
    tools = tools_of(job)
    tokenizer, splitter = tools.tokenizer, tools.splitter
    invalid = tokenizer.invalid_lines
    segmented, unaligned = tokenizer.segmented_lines, tokenizer.unaligned_lines
    sentences = splitter.split_block(block.data) if splitter else None
    try:
        hashed = tokenizer.tokenize_text(sentences.data if sentences else block.data)
    except TextError as error:
        require_unchanged(block.file)
        where = block.where(sentences.source_line(error.line) if sentences else error.line)
        raise BertprepError(f"{where}: {error.problem}. {error.advice}") from error
    counts = {
        "invalid_lines": tokenizer.invalid_lines - invalid,
        "skipped_documents": block.skipped,
    }
    if sentences:
        counts["invalid_lines"] += sentences.invalid_lines
        counts["split_lines"] = sentences.split_lines
        counts["unsplit_lines"] = sentences.unsplit_lines
    if limit := job.options.corpus.max_sentence_tokens:
        documents, counts["cut_sentences"] = cut_long_sentences(
            hashed.documents, limit, tools.vocabulary
        )
        hashed = HashedDocuments(documents, hashed.hashes)  # hashes of the uncut text
    if tokenizer.segmented_lines > segmented:
        counts["segmented_lines"] = tokenizer.segmented_lines - segmented
        counts["unaligned_lines"] = tokenizer.unaligned_lines - unaligned
    sentence_counts = np.diff(hashed.documents.document_offsets)
    counts["documents"] = len(sentence_counts)
    counts["one_sentence"] = int(np.count_nonzero(sentence_counts == 1))
    return hashed, counts
