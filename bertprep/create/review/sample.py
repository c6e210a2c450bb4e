"""A corpus -> a sample of about two megabytes, read and tokenized as the run does it.

The sample is blocks of 16 KB from 128 places that are spread evenly over the bytes of the corpus; a
compressed file is read from its start; a corpus smaller than the sample is read whole. The sample
depends only on the files and the options, so it is reproducible. Cost: 0.05 s for 2 MB of English.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from bertprep.corpus import Block, Split, TextBlock, estimate_text_bytes, plan_splits, read_blocks
from bertprep.corpus.sentences import SentenceBlock
from bertprep.create.job import Job
from bertprep.create.partitions import join_documents
from bertprep.create.tokenizing import tokenize_block
from bertprep.create.worker import tools_of
from bertprep.data import HashedDocuments, TokenizedDocuments
from bertprep.tokenization import BasicTokenizer

PLACES = 128
PLACE_BYTES = 1 << 14
#: Larger documents are reported: few texts are longer than this, and novels are not.
LARGEST_BLOCK_BYTES = 4 << 20
#: Of large documents, only the start is tokenized, and only some of them are read.
_MOST_BYTES_OF_A_PLACE = 4 * PLACE_BYTES
_MOST_BYTES_READ = 64 << 20
#: Each small file is a block of its own.
_MOST_BLOCKS_OF_A_PLACE = 32
#: To find a line number, a file is read from its start; further in than this, the byte is named.
_MOST_BYTES_READ_BACK = 64 << 20

#: A line with one of these has a token, whatever the options are.
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


@dataclass(frozen=True, eq=False)
class SampledBlock:
    """Some documents of the sample.

    Attributes:
        block: the block of the corpus; a large one is truncated.
        sentences: its lines after sentence splitting; None if each line is a sentence.
        lines: the text as lines; invalid UTF-8 is decoded to surrogates.
        hashed: the documents as tokens.
        sentence_lines: int64[num_sentences]. The line of each sentence; empty if lines and
            sentences do not correspond one to one.
        num_bytes: size of the block before it was truncated.
        counts: counts of its text.
    """

    block: Block
    sentences: SentenceBlock | None = field(repr=False)
    lines: list[str]
    hashed: HashedDocuments
    sentence_lines: np.ndarray
    num_bytes: int
    counts: dict[str, int]

    @property
    def documents(self) -> TokenizedDocuments:
        return self.hashed.documents

    @property
    def large_document(self) -> tuple[int, int] | None:
        """First line and size in bytes of a document larger than LARGEST_BLOCK_BYTES."""
        if self.num_bytes <= LARGEST_BLOCK_BYTES:
            return None
        # It is the last document of the block: reading stops behind the first large one.
        blank = [number for number, line in enumerate(self.lines) if not line.strip()]
        start = blank[-1] + 1 if blank else 0
        return start, self.num_bytes - len(self._before(start))

    def _before(self, line: int) -> bytes:
        return "".join(f"{text}\n" for text in self.lines[:line]).encode("utf-8", "surrogateescape")

    def where(self, line: int) -> str:
        """Return the location of a line, counted from 0, as file and line for messages."""
        block = self.block
        if (
            isinstance(block, TextBlock)
            and block.first_line is None
            and block.offset > _MOST_BYTES_READ_BACK
        ):
            return f"{block.file.path}, byte {block.offset + len(self._before(line)):,}"
        return block.where(self.sentences.source_line(line) if self.sentences else line)

    def where_sentence(self, sentence: int) -> str:
        """Return the location of a sentence; empty if its line is not known."""
        lines = self.sentence_lines
        return self.where(int(lines[sentence])) if len(lines) else ""


@dataclass(frozen=True, eq=False)
class Sample:
    """Some documents of the corpus, from evenly spread places.

    Attributes:
        blocks: in corpus order.
        is_whole: the sample is the whole corpus.
        seconds_per_byte: processor time to tokenize a byte of text.
    """

    blocks: list[SampledBlock]
    is_whole: bool
    seconds_per_byte: float

    @cached_property
    def num_bytes(self) -> int:
        """Bytes of text that were tokenized."""
        return sum(len(sampled.block.data) for sampled in self.blocks)

    @cached_property
    def hashed(self) -> HashedDocuments:
        """All documents of the sample."""
        return join_documents([sampled.hashed for sampled in self.blocks] or [_NO_DOCUMENTS])

    @property
    def documents(self) -> TokenizedDocuments:
        return self.hashed.documents

    @property
    def counts(self) -> Counter[str]:
        """Counts of the text of all blocks."""
        total: Counter[str] = Counter()
        for sampled in self.blocks:
            total.update(sampled.counts)
        return total

    @property
    def longest_sentence(self) -> tuple[SampledBlock, int]:
        """The block of the longest sentence, and its number there."""
        sizes = [np.diff(sampled.documents.sentence_offsets) for sampled in self.blocks]
        longest = int(np.argmax([each.max(initial=0) for each in sizes]))
        return self.blocks[longest], int(np.argmax(sizes[longest]))

    def example(self, select: Callable[[TokenizedDocuments], np.ndarray]) -> str:
        """Return the location of the first sentence that `select` returns the number of."""
        for sampled in self.blocks:
            selected = select(sampled.documents)
            if len(selected):
                where = sampled.where_sentence(int(selected[0]))
                return f" (for example {where})" if where else ""
        return ""


_NO_DOCUMENTS = HashedDocuments(
    TokenizedDocuments(np.zeros(0, np.uint32), np.zeros(1, np.int64), np.zeros(1, np.int64)),
    np.zeros(0, np.uint64),
)


def take_sample(job: Job) -> Sample:
    """Read and tokenize a sample of the corpus.

    Raises:
        BertprepError: text of the sample is invalid.
    """
    options, splitter = job.options, tools_of(job).splitter
    basic = BasicTokenizer.of(options.tokenizer)
    skip = options.corpus.encoding_errors == "skip"
    blocks: list[SampledBlock] = []
    places = _Places(job)
    for block in places.read():
        num_bytes = len(block.data)
        block = _truncated(block, places.block_limit)
        hashed, counts = tokenize_block(job, block)
        sentences = splitter.split_block(block.data) if splitter else None
        data = sentences.data if sentences else block.data
        text = data.replace(b"\r", b"").decode("utf-8", "surrogateescape")
        lines = text.removesuffix("\n").split("\n")
        sentence_lines = _sentence_lines(lines, hashed.documents.num_sentences, basic, skip)
        sampled = SampledBlock(block, sentences, lines, hashed, sentence_lines, num_bytes, counts)
        blocks.append(sampled)
    return Sample(blocks, places.are_all, _time_tokenizing(job, blocks))


def _time_tokenizing(job: Job, blocks: Sequence[SampledBlock]) -> float:
    """Return the processor seconds per byte with warm caches, as in most of a long run."""
    timed = blocks[len(blocks) // 2 :]
    begin = time.thread_time()
    for sampled in timed:
        tokenize_block(job, sampled.block)
    seconds = time.thread_time() - begin
    return seconds / max(1, sum(len(sampled.block.data) for sampled in timed))


class _Places:
    """The places of the corpus that the sample is read from.

    Attributes:
        block_limit: bytes that are tokenized of one block.
        are_all: after reading, whether the whole corpus was read.
    """

    def __init__(self, job: Job) -> None:
        self._options = job.options.corpus
        self._total = max(1, job.text_bytes)
        self._splits = plan_splits(
            job.files, max(self._total // PLACES, PLACE_BYTES), self._options
        )
        is_small = self._total <= PLACES * PLACE_BYTES
        self.are_all = is_small and len(job.files) <= PLACES * _MOST_BLOCKS_OF_A_PLACE
        self.block_limit = LARGEST_BLOCK_BYTES if self.are_all else _MOST_BYTES_OF_A_PLACE

    def read(self) -> Iterator[Block]:
        small = self.are_all
        # The factor bounds the text of a small file with a very high compression ratio.
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
                continue  # It was read already, to find the end of its document.
            if wanted <= 0 or num_read > _MOST_BYTES_READ:
                self.are_all = False
                continue
            for block in read_blocks(split, self._options, PLACE_BYTES):
                num_read += len(block.data)
                # At most the bytes of two places, so that no large document fills the sample.
                wanted -= min(max(len(block.data), PLACE_BYTES // _MOST_BLOCKS_OF_A_PLACE), most)
                if len(block.data) > LARGEST_BLOCK_BYTES:
                    self.are_all = False
                    if isinstance(block, TextBlock):
                        large_document = (split.file.path, block.offset + len(block.data))
                yield block
                if wanted <= 0:
                    self.are_all = False
                    break

    def _size(self, split: Split) -> int:
        """Return the estimated bytes of text of a split."""
        return sum(
            round((part.end - part.start) / part.file.size * estimate_text_bytes([part.file]))
            for part in split.parts
        )

    def _places_before(self, position: int) -> int:
        return -(-position * PLACES // self._total)


def _truncated(block: Block, most_bytes: int) -> Block:
    if len(block.data) <= most_bytes:
        return block
    end = block.data.find(b"\n", most_bytes) + 1
    return replace(block, data=block.data[:end] if end else block.data)


def _sentence_lines(
    lines: list[str], num_sentences: int, basic: BasicTokenizer, skip: bool
) -> np.ndarray:
    """Return the line of each sentence, int64[num_sentences]; empty if they do not correspond."""
    found = [number for number, line in enumerate(lines) if line.strip()]
    if skip:
        found = [number for number in found if not _is_invalid(lines[number])]
    if len(found) != num_sentences:
        found = [
            number
            for number in found
            if _LETTER_OR_DIGIT.search(lines[number]) or basic.tokenize(lines[number])
        ]
    return np.array(found if len(found) == num_sentences else [], np.int64)


def _is_invalid(line: str) -> bool:
    return "\0" in line or any("\udc80" <= character <= "\udcff" for character in line)
