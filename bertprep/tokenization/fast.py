r"""Blocks of UTF-8 -> WordPiece ids, sentence and document boundaries, document hashes.

The same ids as the plain classes, by the compiled kernel: 100 MB/s and more of English on one core.
The kernel returns where it needs Python: for a page of characters that does not exist yet, for a
chunk of text that only the plain classes can lower-case, for invalid text.
Memory: 8 MB, and 16 bytes reserved per byte of the largest block; English writes to three of them.

Example:
    tokenizer = FastTokenizer(vocabulary, TokenizerOptions(), corpus=CorpusOptions())
    tokenizer.tokenize_text(b"One sentence per line.\nAnother one.\n\nThe next document.\n")
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from unicodedata import category

import numpy as np

from bertprep.data import HashedDocuments, TokenizedDocuments, offsets_of
from bertprep.errors import UsageError
from bertprep.kernels import wordpiece
from bertprep.kernels.characters import CHUNK, DONE, NEED_PAGE
from bertprep.kernels.machine import PADDING
from bertprep.kernels.never_split import NOTHING
from bertprep.kernels.trie import CONTINUES, build_trie
from bertprep.options import CorpusOptions, TokenizerOptions
from bertprep.tokenization.characters import CharacterTable, is_dropped
from bertprep.tokenization.plain import FullTokenizer
from bertprep.tokenization.segmenters import WordMarker
from bertprep.tokenization.text_buffer import Text, TextBuffer
from bertprep.vocab import Vocabulary

Lookup = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_CACHED_CHUNK_BYTES = 64
_MEMO_ROWS = 1 << 17


class FastTokenizer:
    """Tokenizer with the ids of `FullTokenizer`, for whole blocks of documents.

    A line is a sentence; a line that `str.strip()` leaves empty ends a document. Not for two
    threads at once: the buffers belong to the object.

    Args:
        vocabulary: the pieces.
        options: how text becomes pieces.
        corpus: how invalid text is handled.
        seed: key of the documents' hashes.

    Raises:
        UsageError: the vocabulary lacks [UNK] or a token that is never split; the word segmenter is
            not installed.
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
        self._initial_state = np.zeros(1, wordpiece.STATE)
        self._initial_state["max_line_chars"] = corpus.max_line_chars
        self._initial_state["hash_key"] = seed & (2**63 - 1)
        self._initial_state["document_hash"] = self._initial_state["hash_key"]
        self._buffer = TextBuffer(corpus)
        self._characters = CharacterTable(options)
        self._trie = make_trie(vocabulary, longest)
        self._memo = _make_memo()
        self._word = np.empty(4 * longest + 32, np.uint8)
        self._plain = FullTokenizer(vocabulary, options)
        self._kept = _make_kept(options.never_split, vocabulary) if options.never_split else None
        name = options.word_segmenter
        self._marker = WordMarker(name) if name else None
        self._remembered_chunk = lru_cache(1 << 14)(self._tokenize_chunk)
        self._marks_words = options.marks_words
        self._allocate(0)

    @property
    def invalid_lines(self) -> int:
        """Number of lines so far with invalid text, which was replaced or left out."""
        return self._buffer.invalid_lines

    @property
    def segmented_lines(self) -> int:
        """Number of lines so far that were given to the word segmenter."""
        return self._marker.lines if self._marker else 0

    @property
    def unaligned_lines(self) -> int:
        """Number of those whose words do not join to the line: each character is a word there."""
        return self._marker.unaligned_lines if self._marker else 0

    def tokenize_text(self, text: Text) -> HashedDocuments:
        """Tokenize a block of whole documents.

        Args:
            text: UTF-8; uint8 where it is an array. 0x0D bytes are removed. The end of the block
                ends a document.

        Returns:
            The documents that have a token, in new arrays.

        Raises:
            TextError: bytes that are not UTF-8 or NUL ("strict"), or a line that is too long.
        """
        buffer = self._buffer
        buffer.take(text)
        if buffer.text.size > self._capacity:
            self._allocate(buffer.text.size)
        if self._marker and self._marks is not None:
            self._marker.mark(buffer.slice(0, buffer.end), self._marks)
        states = self._initial_state.copy()
        state = states[0]
        while True:
            wordpiece.tokenize(
                buffer.text,
                buffer.end,
                (self._trie, self._characters.arrays, self._memo, self._word),
                (self._tokens, self._sentences, self._documents),
                states,
                self._marks,
                self._kept,
            )
            if state["reason"] == DONE:
                return self._copy_results(state)
            if state["reason"] == NEED_PAGE:
                self._characters.load(int(state["detail"]) >> 8)
            elif state["reason"] == CHUNK:
                self._insert_chunk(state)
            else:
                raise buffer.error(state)

    def tokenize_documents(self, documents: Iterable[Iterable[str]]) -> TokenizedDocuments:
        """Tokenize documents that are lists of sentences.

        The result is that of a file with these sentences as its lines: carriage returns are
        removed, newlines inside a sentence are blanks, sentences without a token and documents
        without a sentence are left out.

        Args:
            documents: the sentences of each document.

        Raises:
            TextError: as `tokenize_text`, for the text that the sentences make up.
            UsageError: a document is a string.
        """
        lines: list[str] = []
        for document in documents:
            if isinstance(document, str):
                raise UsageError(f"a document is a list of sentences; got {document[:40]!r}")
            lines.extend(line.replace("\n", " ") for line in document if line.strip())
            lines.append("")
        # Half a surrogate pair has no UTF-8: passed on, it is reported like other invalid text.
        return self.tokenize_text("\n".join(lines).encode("utf-8", "surrogatepass")).documents

    def _allocate(self, size: int) -> None:
        """Make room for the results of a text of `size` bytes, its padding included."""
        self._capacity = size
        self._tokens = np.empty(size, np.uint32)
        # A sentence takes at least two bytes, a document three.
        self._sentences = np.empty(size // 2 + 2, np.int64)
        self._documents = np.empty((2, size // 3 + 2), np.int64)
        # Where blanks separate words, no word begins beside an ideograph without a blank.
        self._marks = np.ones(size, np.uint8) if self._marks_words else None

    def _insert_chunk(self, state: np.void) -> None:
        """Tokenize the chunk that the kernel stopped at, and move the state past it."""
        buffer = self._buffer
        start, stop = int(state["chunk_start"]), int(state["detail"])
        chunk = buffer.slice(start, stop)
        marks = None if self._marks is None else self._marks[start:stop].tobytes()
        is_short = len(chunk) <= _CACHED_CHUNK_BYTES
        tokenize = self._remembered_chunk if is_short else self._tokenize_chunk
        tokens = tokenize(chunk, marks)
        count = int(state["chunk_tokens"])
        after = count + tokens.size
        room = after + buffer.end - stop + PADDING
        if room > self._tokens.size:
            grown = np.empty(2 * room, np.uint32)
            grown[:count] = self._tokens[:count]
            self._tokens = grown
        self._tokens[count:after] = tokens
        state["num_tokens"] = state["chunk_tokens"] = after
        state["position"] = state["chunk_start"] = stop
        state["previous"] = NOTHING

    def _tokenize_chunk(self, chunk: bytes, marks: bytes | None) -> np.ndarray:
        """uint32[...]. Return the tokens of a chunk; `marks` is a slice of those of the kernel."""
        text, starts = chunk.decode(), None
        if marks is not None:
            at = np.flatnonzero(np.frombuffer(chunk, np.uint8) & 0xC0 != 0x80).tolist()
            starts = {number for number, byte in enumerate(at) if not marks[byte]}
        return np.array(
            [
                self._plain.vocab.ids[piece] | (int(CONTINUES) if continues else 0)
                for piece, continues in self._plain.mark_pieces(text, starts)
            ],
            np.uint32,
        )

    def _copy_results(self, state: np.void) -> HashedDocuments:
        num_documents = state["num_documents"]
        documents = TokenizedDocuments(
            self._tokens[: state["num_tokens"]].copy(),
            np.append(0, self._sentences[: state["num_sentences"]]),
            np.append(0, self._documents[0, :num_documents]),
        )
        return HashedDocuments(documents, self._documents[1, :num_documents].view(np.uint64).copy())


def make_trie(vocabulary: Vocabulary, longest_word: int) -> Lookup:
    """Return the trie of the pieces; see `wordpiece.tokenize`."""
    # "##" comes first, so that its node is 2 even if it is no piece: nodes count from the root.
    keys, values, accepts = _fill_trie([b"##", *(token.encode() for token in vocabulary.tokens)])
    accepts[accepts >= 0] -= 1
    return keys, values, accepts, np.array([vocabulary.unk_id, 2, longest_word], np.int64)


def _make_kept(tokens: Sequence[str], vocabulary: Vocabulary) -> Lookup:
    """Return the trie of the tokens that are never split; see `never_split.match_kept`."""
    keys, values, ids = _fill_trie([token.encode() for token in tokens])
    ids[ids >= 0] = [vocabulary.ids[tokens[number]] for number in ids[ids >= 0]]
    begins = np.zeros(256, np.bool_)
    begins[[token.encode()[0] for token in tokens]] = True
    # A character that is dropped may precede one; beyond 16 bits every character counts as such.
    for character in map(chr, chain(range(0xD800), range(0xE000, 0x10000))):
        if is_dropped(character) or category(character) == "Mn":
            begins[character.encode()[0]] = True
    begins[0xF0:] = True
    return begins, keys, values, ids


def _make_memo() -> np.ndarray:
    """uint64[2**n, 8]. Return an empty memo: keys of zero bytes, which have no tokens."""
    memo = np.empty((_MEMO_ROWS, 8), np.uint64)
    memo[:, :4] = 0
    memo[:, 4:] = ~np.uint64(0)
    return memo


def _fill_trie(pieces: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return keys and values of the edges, and the number of the piece that ends at each node."""
    offsets = offsets_of(np.array([len(piece) for piece in pieces], np.int64))
    num_bytes = int(offsets[-1])
    # At most half full, or the search for a free slot takes long.
    slots = 1 << (2 * num_bytes).bit_length()
    keys, values = np.zeros(slots, np.int64), np.zeros(slots, np.int32)
    accepts = np.full(num_bytes + 1, -1, np.int32)
    build_trie(np.frombuffer(b"".join(pieces), np.uint8), offsets, keys, values, accepts)
    return keys, values, accepts
