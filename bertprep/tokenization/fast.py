r"""Blocks of UTF-8 -> WordPiece ids, the borders of sentences and documents, document hashes.

What the plain classes do, by the compiled kernel: 100 MB/s and more of English on one core. The
kernel stops where it needs Python: for a page of characters that is not made yet, for a chunk
of text that only the plain classes can lower-case, for text that cannot be meant.
Memory: 8 MB, and 16 bytes a byte of the largest block reserved; English writes to three of them.

Example:
    tokenizer = FastTokenizer(vocabulary, TokenizerOptions(), corpus=CorpusOptions())
    tokenizer.tokenize_text(b"One sentence a line.\nAnother one.\n\nThe next document.\n")
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from bertprep.data import HashedDocuments, TokenizedDocuments
from bertprep.errors import TextError, UsageError
from bertprep.kernels import wordpiece
from bertprep.kernels.characters import CHUNK, DONE, INVALID, NEED_PAGE
from bertprep.kernels.machine import PADDING
from bertprep.kernels.never_split import NOTHING
from bertprep.kernels.trie import CONTINUES
from bertprep.kernels.wordpiece import (
    CHUNK_START,
    CHUNK_TOKENS,
    DETAIL,
    DOCUMENT_HASH,
    LINE_START,
    NUM_DOCUMENTS,
    NUM_SENTENCES,
    NUM_TOKENS,
    POSITION,
    PREVIOUS,
    REASON,
)
from bertprep.options import CorpusOptions, TokenizerOptions
from bertprep.tokenization.characters import CharacterTable
from bertprep.tokenization.lookups import make_kept, make_memo, make_trie, to_offsets
from bertprep.tokenization.plain import FullTokenizer
from bertprep.tokenization.segmenters import WordMarker
from bertprep.tokenization.text_buffer import Text, TextBuffer
from bertprep.vocab import Vocabulary

_CACHED_CHUNK_BYTES = 64


class FastTokenizer(TextBuffer):
    """The ids of `FullTokenizer`, for whole blocks of documents.

    A line is a sentence; a line that `str.strip()` leaves empty ends a document. Not for two
    threads at once: the buffers are the object's own.

    Args:
        vocabulary: the pieces.
        options: how text becomes pieces.
        corpus: what is done about text that is not as it should be.
        seed: key of the documents' hashes.

    Attributes:
        mended_lines: lines so far with text that was replaced or that were left out
            (`CorpusOptions.encoding_errors`).

    Raises:
        UsageError: the vocabulary has no [UNK], or lacks a token that is never to be split; the
            word segmenter is not installed.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        options: TokenizerOptions,
        *,
        corpus: CorpusOptions = CorpusOptions(),  # noqa: B008 (frozen)
        seed: int = 0,
    ) -> None:
        longest = options.max_input_chars_per_word
        self._options = options
        super().__init__(corpus)
        self._limits = np.array([corpus.max_line_chars, seed & (2**63 - 1)], np.int64)
        self._characters = CharacterTable(options)
        self._trie = make_trie(vocabulary, longest)
        self._memo = make_memo()
        self._word = np.empty(4 * longest + 32, np.uint8)
        self._plain = FullTokenizer(vocabulary, options)
        self._kept = make_kept(options.never_split, vocabulary) if options.never_split else None
        name = options.word_segmenter
        self._marker = WordMarker(name) if name else None
        self._remembered_chunk = lru_cache(1 << 14)(self._tokenize_chunk)

    @property
    def segmented_lines(self) -> int:
        """Lines so far that a word segmenter was asked about."""
        return self._marker.lines if self._marker else 0

    @property
    def unaligned_lines(self) -> int:
        """Of these, the lines that its words do not join to: their words are single characters."""
        return self._marker.unaligned_lines if self._marker else 0

    def tokenize_text(self, text: Text) -> HashedDocuments:
        """Tokenizes a block of whole documents.

        Args:
            text: UTF-8; uint8 where it is an array. 0x0D bytes are taken out. The end of the
                block ends a document.

        Returns:
            The documents that have a token, in new arrays.

        Raises:
            TextError: bytes that are not UTF-8 or NUL ("strict"), or a line that is too long.
        """
        left_out = self._take(text)
        if self._marker and self._marks is not None:
            self._marker.mark(bytes(self._text_bytes[: self._end]), self._marks)
        progress = np.zeros(12, np.int64)
        progress[DOCUMENT_HASH] = self._limits[1]
        while True:
            wordpiece.tokenize(
                self._text,
                self._end,
                self._limits,
                self._trie,
                self._characters.arrays,
                self._memo,
                self._word,
                self._tokens,
                self._sentences,
                self._documents,
                progress,
                self._marks,
                self._kept,
            )
            reason = progress[REASON]
            if reason == DONE:
                return self._copy_results(progress)
            if reason == NEED_PAGE:
                self._characters.load(int(progress[DETAIL]) >> 8)
            elif reason == CHUNK:
                self._insert_chunk(progress)
            else:
                raise self._error(progress, left_out)

    def tokenize_documents(self, documents: Iterable[Iterable[str]]) -> TokenizedDocuments:
        """Tokenizes documents that are sentences already.

        What a file with these sentences as its lines would give: carriage returns are taken out,
        newlines inside a sentence are blanks, sentences without a token are left out, and documents
        without a sentence too.

        Args:
            documents: their sentences.

        Raises:
            TextError: as `tokenize_text`, of the text that they make as the lines of a file.
            UsageError: a document is a string.
        """
        lines: list[str] = []
        for document in documents:
            if isinstance(document, str):
                raise UsageError(f"a document is its sentences, in a list; got {document[:40]!r}")
            lines.extend(line.replace("\n", " ") for line in document if line.strip())
            lines.append("")
        # Half a surrogate pair has no UTF-8: let through here, it is found with the other errors.
        return self.tokenize_text("\n".join(lines).encode("utf-8", "surrogatepass")).documents

    def _allocate(self, size: int) -> None:
        super()._allocate(size)
        self._tokens = np.empty(size + PADDING, np.uint32)
        # A sentence takes two bytes at least, a document three.
        self._sentences = np.empty(size // 2 + 2, np.int64)
        self._documents = np.empty((2, size // 3 + 2), np.int64)
        # Where words stand between blanks, every border beside an ideograph is inside of one.
        marks_words = self._options.marks_words
        self._marks = np.ones(size + PADDING, np.uint8) if marks_words else None

    def _insert_chunk(self, progress: np.ndarray) -> None:
        """Tokenizes the chunk that the kernel stopped at, and lets it go on behind."""
        start, stop = int(progress[CHUNK_START]), int(progress[DETAIL])
        chunk = bytes(self._text_bytes[start:stop])
        marks = None if self._marks is None else self._marks[start:stop].tobytes()
        short = len(chunk) <= _CACHED_CHUNK_BYTES
        find = self._remembered_chunk if short else self._tokenize_chunk
        tokens = find(chunk, marks)
        count = int(progress[CHUNK_TOKENS])
        after = count + tokens.size
        room = after + self._end - stop + PADDING
        if room > self._tokens.size:
            grown = np.empty(2 * room, np.uint32)
            grown[:count] = self._tokens[:count]
            self._tokens = grown
        self._tokens[count:after] = tokens
        progress[NUM_TOKENS] = progress[CHUNK_TOKENS] = after
        progress[POSITION] = progress[CHUNK_START] = stop
        progress[PREVIOUS] = NOTHING

    def _tokenize_chunk(self, chunk: bytes, marks: bytes | None) -> np.ndarray:
        """uint32[...]. The tokens of a chunk by the plain classes; `marks` as the kernel's."""
        text, starts = chunk.decode(), None
        if marks is not None:
            at = np.flatnonzero(np.frombuffer(chunk, np.uint8) & 0xC0 != 0x80).tolist()
            starts = {number for number, place in enumerate(at) if not marks[place]}
        return np.array(
            [
                self._plain.vocab.ids[piece] | (int(CONTINUES) if continues else 0)
                for piece, continues in self._plain.mark_pieces(text, starts)
            ],
            np.uint32,
        )

    def _copy_results(self, progress: np.ndarray) -> HashedDocuments:
        num_documents = progress[NUM_DOCUMENTS]
        documents = TokenizedDocuments(
            self._tokens[: progress[NUM_TOKENS]].copy(),
            to_offsets(self._sentences[: progress[NUM_SENTENCES]]),
            to_offsets(self._documents[0, :num_documents]),
        )
        return HashedDocuments(documents, self._documents[1, :num_documents].view(np.uint64).copy())

    def _error(self, progress: np.ndarray, left_out: list[int]) -> TextError:
        """What the kernel would not go on with."""
        if progress[REASON] == INVALID:
            return self._not_utf8(int(progress[DETAIL]), left_out)
        return self._long_line(int(progress[LINE_START]), int(progress[POSITION]), left_out)
