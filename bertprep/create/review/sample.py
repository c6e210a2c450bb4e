"""A corpus -> about two megabytes of it, read and tokenized as a run would do it.

The sample is blocks of 16 KB from 128 places that are spread evenly over the corpus' bytes; a
compressed file is read from its start; a corpus of less than the sample is read whole. It depends
on the files and the options alone, so that two runs see the same. Cost: 0.05 s for 2 MB of English.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from bertprep.corpus import Block, Split, TextBlock, estimate_text_bytes, plan_splits, read_blocks
from bertprep.corpus.sentences import SentenceBlock
from bertprep.create.job import Job
from bertprep.create.partitions import join_documents
from bertprep.create.tokenizing import TextCounts, tokenize_block
from bertprep.data import HashedDocuments, InputFile, TokenizedDocuments
from bertprep.tokenization import BasicTokenizer

PLACES = 128
PLACE_BYTES = 1 << 14
#: A document of more is a giant: few texts are longer than this, and novels are not.
LARGEST_BLOCK_BYTES = 4 << 20
#: Of a place where the documents are large their start is enough, and not too much of them is read.
_MOST_BYTES_OF_A_PLACE = 4 * PLACE_BYTES
_MOST_BYTES_READ = 64 << 20
#: To count its lines a file is read from its start; further in than this, bytes must do.
_MOST_BYTES_READ_BACK = 64 << 20

#: A line with one of these has a token, whatever the options are.
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


@dataclass(frozen=True, eq=False)
class SampledBlock:
    """Some documents of the sample.

    Attributes:
        block: where they stand; the data of a large one is cut off.
        sentences: its lines split; None where they are taken for sentences.
        lines: the text, split; bytes that are not UTF-8 are half surrogate pairs.
        documents: the tokens.
        sentence_lines: int64[num_sentences]. The line of each sentence; empty where lines and
            sentences do not go together one by one.
        num_bytes: before the data was cut off.
        counts: what was counted on the way.
    """

    block: Block
    sentences: SentenceBlock | None = field(repr=False)
    lines: list[str]
    hashed: HashedDocuments
    sentence_lines: np.ndarray
    num_bytes: int
    counts: TextCounts

    @property
    def documents(self) -> TokenizedDocuments:
        return self.hashed.documents

    @property
    def large_document(self) -> tuple[int, int] | None:
        """The line where the document starts that was cut off, and all its bytes."""
        if self.num_bytes <= LARGEST_BLOCK_BYTES:
            return None
        # It is the block's last one, or reading would have stopped before.
        blank = [number for number, line in enumerate(self.lines) if not line.strip()]
        start = blank[-1] + 1 if blank else 0
        return start, self.num_bytes - len(self._before(start))

    def _before(self, line: int) -> bytes:
        return "".join(f"{text}\n" for text in self.lines[:line]).encode("utf-8", "surrogateescape")

    def where(self, line: int) -> str:
        """File and line for a person, of a line counted from 0."""
        block = self.block
        if (
            isinstance(block, TextBlock)
            and block.first_line is None
            and block.offset > _MOST_BYTES_READ_BACK
        ):
            return f"{block.file.path}, byte {block.offset + len(self._before(line)):,}"
        return block.where(self.sentences.source_line(line) if self.sentences else line)


@dataclass(frozen=True, eq=False)
class Sample:
    """What was looked at.

    Attributes:
        blocks: in the order of the corpus.
        is_whole: there is nothing else in the corpus.
        seconds_per_byte: processor time of tokenizing a byte of text.
    """

    blocks: list[SampledBlock]
    is_whole: bool
    seconds_per_byte: float

    @cached_property
    def num_bytes(self) -> int:
        """Bytes of text that were tokenized, a line feed a line."""
        return sum(len(sampled.block.data) for sampled in self.blocks)

    @cached_property
    def hashed(self) -> HashedDocuments:
        """All documents of the sample, one behind the other."""
        return join_documents([sampled.hashed for sampled in self.blocks] or [_NO_DOCUMENTS])

    @property
    def documents(self) -> TokenizedDocuments:
        return self.hashed.documents

    @property
    def counts(self) -> TextCounts:
        """What was counted on the way."""
        return TextCounts.sum(sampled.counts for sampled in self.blocks)


_NO_DOCUMENTS = HashedDocuments(
    TokenizedDocuments(np.zeros(0, np.uint32), np.zeros(1, np.int64), np.zeros(1, np.int64)),
    np.zeros(0, np.uint64),
)


def take_sample(job: Job, files: Sequence[InputFile]) -> Sample:
    """Reads and tokenizes a sample of the corpus.

    Raises:
        BertprepError: as the run would, of text that it comes across.
    """
    options = job.options
    basic = BasicTokenizer(options.tokenizer.lowercase, options.tokenizer.strip_accents)
    skip = options.corpus.encoding_errors == "skip"
    blocks: list[SampledBlock] = []
    chosen = _Chosen(job, files)
    for block in chosen.blocks():
        num_bytes = len(block.data)
        block = _cut_off(block, chosen.most_bytes)
        hashed, counts = tokenize_block(job, block)
        sentences = job.splitter.split_block(block.data) if job.splitter else None
        data = sentences.data if sentences else block.data
        text = data.replace(b"\r", b"").decode("utf-8", "surrogateescape")
        lines = text.removesuffix("\n").split("\n")
        sentence_lines = _sentence_lines(lines, hashed.documents.num_sentences, basic, skip)
        sampled = SampledBlock(block, sentences, lines, hashed, sentence_lines, num_bytes, counts)
        blocks.append(sampled)
    return Sample(blocks, chosen.is_whole, _time_tokenizing(job, blocks))


def _time_tokenizing(job: Job, blocks: Sequence[SampledBlock]) -> float:
    """Processor seconds a byte, with the tables and the memo warm, as in most of a long run."""
    timed = blocks[len(blocks) // 2 :]
    begin = time.thread_time()
    for sampled in timed:
        tokenize_block(job, sampled.block)
    seconds = time.thread_time() - begin
    return seconds / max(1, sum(len(sampled.block.data) for sampled in timed))


class _Chosen:
    """The blocks of the sample, and, when they have been read, whether they were all.

    Attributes:
        most_bytes: what is looked at of one block.
        is_whole: nothing was left out.
    """

    def __init__(self, job: Job, files: Sequence[InputFile]) -> None:
        self._options = job.options.corpus
        self._total = max(1, estimate_text_bytes(files))
        places = max(self._total // PLACES, PLACE_BYTES)
        self._splits = plan_splits(files, places, self._options)
        self.is_whole = self._total <= PLACES * PLACE_BYTES
        self.most_bytes = LARGEST_BLOCK_BYTES if self.is_whole else _MOST_BYTES_OF_A_PLACE

    def blocks(self) -> Iterator[Block]:
        small = self.is_whole
        # The factor bounds what a small file may hold that was compressed a thousand times.
        wanted = 2 * PLACES * PLACE_BYTES if small else 0
        most = wanted if small else 2 * PLACE_BYTES
        large_document = ("", 0)
        num_read = 0
        position = 0
        for split in self._splits:
            end = position + self._size(split)
            if not small:
                wanted += PLACE_BYTES * (self._places_before(end) - self._places_before(position))
            position = end
            path, read_up_to = large_document
            if split.file.path == path and split.start < read_up_to:
                continue  # All of it was read already, to find the end of its document.
            if wanted <= 0 or num_read > _MOST_BYTES_READ:
                self.is_whole = False
                continue
            for block in read_blocks(split, self._options, PLACE_BYTES):
                num_read += len(block.data)
                # No more than what two places want, or one large document were all of the sample.
                wanted -= min(len(block.data), most)
                if len(block.data) > LARGEST_BLOCK_BYTES:
                    self.is_whole = False
                    if isinstance(block, TextBlock):
                        large_document = (split.file.path, block.offset + len(block.data))
                yield block
                if wanted <= 0:
                    self.is_whole = False
                    break

    def _size(self, split: Split) -> int:
        """Bytes of text of a split, estimated."""
        share = (split.end - split.start) / max(1, split.file.size)
        return round(share * estimate_text_bytes([split.file]))

    def _places_before(self, position: int) -> int:
        return -(-position * PLACES // self._total)


def _cut_off(block: Block, most_bytes: int) -> Block:
    if len(block.data) <= most_bytes:
        return block
    end = block.data.find(b"\n", most_bytes) + 1
    return replace(block, data=block.data[:end] if end else block.data)


def _sentence_lines(
    lines: list[str], num_sentences: int, basic: BasicTokenizer, skip: bool
) -> np.ndarray:
    """int64[num_sentences]. The line of each sentence; empty where they do not fit."""
    found = [number for number, line in enumerate(lines) if line.strip()]
    if skip:
        found = [number for number in found if not _is_faulty(lines[number])]
    if len(found) != num_sentences:
        found = [
            number
            for number in found
            if _LETTER_OR_DIGIT.search(lines[number]) or basic.tokenize(lines[number])
        ]
    return np.array(found if len(found) == num_sentences else [], np.int64)


def _is_faulty(line: str) -> bool:
    return "\0" in line or any("\udc80" <= character <= "\udcff" for character in line)
