"""The compiled tokenizer: small examples, and equality with the plain classes on nasty text."""

import pickle
import random
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hard_text import ALL_MODES, NASTY, SPECIALS, Tokens, nasty_vocabulary, nested
from hypothesis import given, settings
from hypothesis import strategies as st

from bertprep.data import CONTINUES_WORD
from bertprep.errors import TextError, UsageError
from bertprep.options import CorpusOptions, TokenizerOptions
from bertprep.tokenization import (
    BasicTokenizer,
    FastTokenizer,
    FullTokenizer,
    HashedDocuments,
    WordpieceTokenizer,
)
from bertprep.tokenization.characters import map_characters
from bertprep.vocab import Vocabulary


@cache
def fast(*mode: bool, memo_rows: int = 1 << 17) -> FastTokenizer:
    """One tokenizer for all examples: what it remembers of one text must not change the next."""
    options = TokenizerOptions(*mode)
    corpus = CorpusOptions(encoding_errors="replace")
    tokenizer = FastTokenizer(nasty_vocabulary(), options, corpus=corpus)
    tokenizer._memo = tokenizer._memo[:memo_rows].copy()
    return tokenizer


def plainly(text: str, vocabulary: Vocabulary, *mode: bool) -> Tokens:
    """The documents of a text by the plain classes: sentences of tokens, with their flags."""
    basic = BasicTokenizer.of(TokenizerOptions(*mode))
    wordpiece = WordpieceTokenizer(vocabulary.ids)
    documents: Tokens = [[]]
    for line in text.replace("\r", "").split("\n"):
        if not line.strip():
            documents.append([])
        tokens = [
            vocabulary.ids[piece] + (int(CONTINUES_WORD) if number else 0)
            for word in basic.tokenize(line)
            for number, piece in enumerate(wordpiece.tokenize(word))
        ]
        if tokens:
            documents[-1].append(tokens)
    return [document for document in documents if document]


def make(
    pieces: Iterable[str] = (),
    options: TokenizerOptions | None = None,
    corpus: CorpusOptions | None = None,
    seed: int = 0,
) -> FastTokenizer:
    vocabulary = Vocabulary.parse("\n".join([*SPECIALS, *pieces]).encode())
    corpus = corpus or CorpusOptions()
    return FastTokenizer(vocabulary, options or TokenizerOptions(), corpus=corpus, seed=seed)


@pytest.fixture(scope="module")
def letters() -> FastTokenizer:
    return make(["a", "##a", "b", "##b", ",", "中"])


def test_a_block_becomes_documents_of_sentences_of_tokens(letters: FastTokenizer) -> None:
    hashed = letters.tokenize_text(b"a, ab\nb\n\naab\n")
    more = int(CONTINUES_WORD)
    assert isinstance(hashed, HashedDocuments)
    assert nested(hashed.documents) == [[[5, 9, 5, 8 | more], [7]], [[5, 6 | more, 8 | more]]]
    assert hashed.documents.tokens.dtype == np.uint32
    assert hashed.documents.sentence_offsets.dtype == np.int64
    assert hashed.documents.document_offsets.tolist() == [0, 2, 3]
    assert hashed.documents.token_ids.tolist() == [5, 9, 5, 8, 7, 5, 6, 8]
    assert hashed.hashes.dtype == np.uint64
    assert len(set(hashed.hashes.tolist())) == 2


@pytest.mark.parametrize("text", [b"", b"\n", b"\r\n\r\n", b" \n\t\n", "\u200b\n\u0301".encode()])
def test_text_without_a_token_has_no_document(letters: FastTokenizer, text: bytes) -> None:
    hashed = letters.tokenize_text(text)
    assert (hashed.documents.num_documents, hashed.documents.num_sentences) == (0, 0)
    assert (hashed.documents.num_tokens, hashed.hashes.size) == (0, 0)


@pytest.mark.parametrize("blank", ["", " ", "\t\x0b\x0c\x1c\x1f\x85", "\u3000", "\u2028", "\r\r"])
def test_a_line_that_strips_to_nothing_ends_a_document(letters: FastTokenizer, blank: str) -> None:
    text = f"a\n{blank}\nb"
    assert nested(letters.tokenize_text(text.encode()).documents) == [[[5]], [[7]]]


@pytest.mark.parametrize("line", ["\ufeff", "\u200b", "\u0301", "\x7f", "\ufffd"])
def test_a_line_of_dropped_characters_ends_nothing(letters: FastTokenizer, line: str) -> None:
    text = f"a\n{line}\nb"
    assert nested(letters.tokenize_text(text.encode()).documents) == [[[5], [7]]]


def test_carriage_returns_are_taken_out_wherever_they_stand(letters: FastTokenizer) -> None:
    expected = letters.tokenize_text(b"ab\na b\n\nb\n")
    given = letters.tokenize_text(b"\ra\rb\r\na b\r\n\r\nb\r\r\n")
    assert nested(given.documents) == nested(expected.documents)
    assert given.hashes.tolist() == expected.hashes.tolist()


def test_every_kind_of_buffer_is_taken(letters: FastTokenizer) -> None:
    text = b"ab a\n\nb"
    expected = nested(letters.tokenize_text(text).documents)
    for same in (bytearray(text), memoryview(text), np.frombuffer(text, np.uint8)):
        assert nested(letters.tokenize_text(same).documents) == expected
    assert nested(letters.tokenize_text(memoryview(b"xx" + text)[2:]).documents) == expected


def test_results_are_not_overwritten_by_the_next_block(letters: FastTokenizer) -> None:
    first = letters.tokenize_text(b"ab\n\na")
    before = nested(first.documents), first.hashes.tolist()
    letters.tokenize_text(b"b b b b\n\n,\n\na")
    assert (nested(first.documents), first.hashes.tolist()) == before


def test_buffers_do_not_grow_from_call_to_call() -> None:
    tokenizer = make(["a", "σ", "ς"])
    text = "a Σ aΣ\n\n".encode() * 1000
    tokenizer.tokenize_text(text)
    buffers = tokenizer._buffer.text, tokenizer._tokens, tokenizer._sentences, tokenizer._documents
    for size in (len(text), 8, 0, len(text)):
        tokenizer.tokenize_text(text[:size])
    after = tokenizer._buffer.text, tokenizer._tokens, tokenizer._sentences, tokenizer._documents
    assert all(one is other for one, other in zip(buffers, after, strict=True))


def test_as_many_tokens_as_bytes_fit() -> None:
    tokenizer = make([",", "a", "##a"])
    for text in (
        b"," * 4096,
        b"a" * 150 + b"," * 3000,
        b"a\n\n" * 1365 + b"a",
        b"a\n" * 2047 + b"a",
    ):
        documents = tokenizer.tokenize_text(text).documents
        assert documents.num_tokens == len(text) - text.count(b"\n")


def test_hashes_are_of_the_stripped_lines_and_of_the_seed(letters: FastTokenizer) -> None:
    def hashes(text: str, tokenizer: FastTokenizer = letters) -> list[int]:
        return tokenizer.tokenize_text(text.encode()).hashes.tolist()

    assert hashes("a b\nb") == hashes("\u3000a b \t\n b\n\n")
    assert hashes("a\n\nb\n\na\n") == [*hashes("a"), *hashes("b"), *hashes("a")]
    different = ["a b", "a\nb", "a  b", "b\na", "ab", "a b\n,", "a" * 8, "a" * 9, "a" * 16]
    assert len({tuple(hashes(text)) for text in different}) == len(different)
    assert hashes("a b", make(["a", "b"])) == hashes("a b")
    assert hashes("a b", make(["a", "b"], seed=1)) != hashes("a b")
    assert hashes("a b", make(["a", "b"], seed=2**70 + 5)) != hashes("a b")


def test_a_block_in_parts_gives_the_same(letters: FastTokenizer) -> None:
    blocks = ["a b\nb", "中a\n\u200b\n, a", "\u200b", "b"]
    whole = letters.tokenize_text("\n\n".join(blocks).encode())
    parts = [letters.tokenize_text(block.encode()) for block in blocks]
    assert nested(whole.documents) == [doc for part in parts for doc in nested(part.documents)]
    assert whole.hashes.tolist() == [value for part in parts for value in part.hashes.tolist()]


def test_documents_of_python_strings(letters: FastTokenizer) -> None:
    documents = [["a\nb", " ", "b"], [], ["\u200b"], ["", "\u2028", "中\r\n,"], ("a" for _ in "xy")]
    text = "a b\nb\n\n\u200b\n\n中 ,\n\na\na"
    expected = letters.tokenize_text(text.encode()).documents
    assert nested(letters.tokenize_documents(documents)) == nested(expected)
    assert letters.tokenize_documents([]).num_documents == 0


def test_a_string_is_no_document(letters: FastTokenizer) -> None:
    with pytest.raises(UsageError, match="got 'one sentence'"):
        letters.tokenize_documents(["one sentence"])
    with pytest.raises(TextError, match="not UTF-8"):
        letters.tokenize_documents([["half a pair: \ud800"]])


def error_of(text: bytes, **corpus: object) -> tuple[str, int, int]:
    tokenizer = make(["a"], corpus=CorpusOptions(**corpus))  # type: ignore[arg-type]
    with pytest.raises(TextError) as caught:
        tokenizer.tokenize_text(text)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.line) == (str(caught.value), caught.value.line)
    assert nested(tokenizer.tokenize_text(b"a").documents) == [[[5]]]
    return caught.value.problem, caught.value.position, caught.value.line


@pytest.mark.parametrize(
    "wrong",
    [
        b"\xff",
        b"\x80",
        b"\xc3",
        b"\xc0\x80",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98",
        b"\xf4\x90\x80\x80",
    ],
)
def test_bytes_that_are_not_utf8_are_an_error(wrong: bytes) -> None:
    problem = f"not UTF-8 (byte 0x{wrong[0]:02x})"
    assert error_of(b"a\r\n\xc3\xa9a\n a" + wrong + b"a\na") == (problem, 8, 2)
    assert error_of(wrong) == (problem, 0, 0)
    assert error_of("aΣ".encode() + wrong) == (problem, 3, 0)


def test_nul_is_an_error() -> None:
    assert error_of(b"a\n\na\0b") == ("NUL byte", 4, 2)


def test_a_long_line_is_an_error() -> None:
    at_limit = "é" * 1200 + "\n"
    problem = "line is 1,201 characters, the limit is 1,200"
    text = ("a\n" + at_limit + "é" + at_limit).encode()
    assert error_of(text, max_line_chars=1200) == (problem, 2403, 2)


def test_wrong_text_is_replaced_and_counted() -> None:
    tokenizer = make(["a", "##a", "b"], corpus=CorpusOptions(encoding_errors="replace"))
    documents = tokenizer.tokenize_text(b"a\xff\xc3a\n\xe2\x82\nb\n\0a\0a\0\n\nb").documents
    more = int(CONTINUES_WORD)
    assert nested(documents) == [[[5, 6 | more], [7], [5, 6 | more]], [[7]]]
    assert tokenizer.invalid_lines == 3
    tokenizer.tokenize_text(b"a\n\xff")
    assert tokenizer.invalid_lines == 4


def test_wrong_lines_are_left_out_and_counted() -> None:
    options = CorpusOptions(encoding_errors="skip", max_line_chars=5)
    tokenizer = make(["a", "b"], corpus=options)
    hashed = tokenizer.tokenize_text(b"a\n\xffa\nb\na\0\n\nb\n\n\xff")
    assert nested(hashed.documents) == [[[5], [7 - 1]], [[6]]]
    assert hashed.hashes.tolist() == tokenizer.tokenize_text(b"a\nb\n\nb").hashes.tolist()
    assert tokenizer.invalid_lines == 3
    with pytest.raises(TextError) as caught:
        tokenizer.tokenize_text(b"\xff\na\n\xff\n\0\nabcdef\n\xff")
    assert caught.value.line == 4


def test_words_of_200_code_points_pass_and_201_do_not() -> None:
    tokenizer = make(["a", "##a", "e", "##e", "σ", "##σ", "##ς"])
    for letter in "aéΣ":
        text = f"{letter * 200} {letter * 201} {letter * 900}"
        ids = tokenizer.tokenize_text(text.encode()).documents.token_ids.tolist()
        assert len(ids) == 202
        assert ids[-2:] == [1, 1]
    short = make(["a", "##a"], TokenizerOptions(max_input_chars_per_word=3))
    assert short.tokenize_text(b"aaa aaaa").documents.token_ids.tolist() == [5, 6, 6, 1]


def test_a_vocabulary_without_continuing_pieces() -> None:
    assert make(["a"]).tokenize_text(b"a aa").documents.token_ids.tolist() == [5, 1]


def test_a_piece_that_stands_twice_or_is_empty() -> None:
    data = "\n".join([*SPECIALS, "\u2028", "a", "##\u2028", "##b", "a"]).encode()
    vocabulary = Vocabulary.parse(data, lenient=True)
    tokenizer = FastTokenizer(vocabulary, TokenizerOptions(), corpus=CorpusOptions())
    ids = tokenizer.tokenize_text("a ab \u2028 b ##".encode()).documents.token_ids
    assert ids.tolist() == [9, 9, 8, 1, 1, 1]


def test_the_final_sigma_looks_across_punctuation() -> None:
    words = ["οδος", "οδοσ", "α", ".", "ς", "σ", "(", ")", "中"]
    tokenizer = make(words)
    text = "ΟΔΟΣ (ΟΔΟΣ.α) Σ 中ΟΔΟΣ中 ΟΔΟΣ\u00ad.Α ΟΔΟΣ\u2028Α"
    ids = tokenizer.tokenize_text(text.encode()).documents.token_ids.tolist()
    expected = "οδος ( οδοσ . α ) σ 中 οδος 中 οδοσ . α οδος α"
    assert " ".join([*SPECIALS, *words][number] for number in ids) == expected


def test_marks_that_change_places_under_nfd() -> None:
    text = "a\u302e\u1b44 a\u1b44\u302e".encode()
    pieces = ["a\u1b44\u302e", "a\u302e\u1b44"]
    assert make(pieces).tokenize_text(text).documents.token_ids.tolist() == [5, 5]
    cased = make(pieces, TokenizerOptions(lowercase=False))
    assert cased.tokenize_text(text).documents.token_ids.tolist() == [6, 5]


words = st.one_of(
    st.text(NASTY, max_size=6),
    st.text("aé中,\xad", max_size=12),
    # Words whose sizes lie around those that the memo treats apart: 8, 16, 24 and 32 bytes.
    st.builds(
        lambda letter, size, end: letter * size + end,
        st.sampled_from("aéΣが"),
        st.integers(5, 36),
        st.text("ab\0é.Σ", max_size=3),
    ),
    st.text("a\0b", min_size=1, max_size=40),
    st.integers(198, 202).map(lambda size: "é" * size),
)
texts = st.lists(
    st.one_of(words, words, st.sampled_from([" ", " ", "\n", "\n\n", "\r\n"])), max_size=30
)


@pytest.mark.parametrize("mode", ALL_MODES)
@settings(max_examples=250, deadline=None)
@given(parts=texts)
def test_fast_equals_plain(mode: tuple[bool, bool, bool], parts: list[str]) -> None:
    text = "".join(parts)
    expected = plainly(text, nasty_vocabulary(), *mode)
    assert nested(fast(*mode).tokenize_text(text.encode()).documents) == expected
    # In a memo of two rows every word meets the keys of others.
    assert nested(fast(*mode, memo_rows=2).tokenize_text(text.encode()).documents) == expected


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60), parts=texts)
def test_fast_equals_plain_on_text_that_was_not_utf8(data: bytes, parts: list[str]) -> None:
    text = data + "".join(parts).encode() + data
    replaced = text.replace(b"\r", b"").decode("utf-8", "replace")
    given = nested(fast(True, True).tokenize_text(text).documents)
    assert given == plainly(replaced, nasty_vocabulary(), True, True)


@pytest.mark.parametrize("mode", ALL_MODES)
def test_every_character_equals_the_plain_classes(mode: tuple[bool, bool, bool]) -> None:
    edges = [0x20000, 0x2A6DF, 0x2A6E0, 0x2A700, 0x2B73F, 0x2B740, 0x2B81F, 0x2B820, 0x2CEAF]
    edges += (
        0x2CEB0,
        0x2F800,
        0x2FA1D,
        0x2FA1F,
        0x2FA20,
        0x30000,
        0xE0001,
        0xF0000,
        sys.maxunicode,
    )
    points = [p for p in range(0x20000) if unicodedata.category(chr(p)) not in ("Cn", "Cs")]
    characters = [chr(point) for point in [*points, *edges] if chr(point) not in "\0\n\r"]
    mapped = {m for c in characters for m in map_characters(c, *mode[:2]) if m.strip()}
    pieces = sorted(mapped | {"##" + m for m in mapped})
    data = "\n".join(dict.fromkeys([*SPECIALS, "a", "##a", "b", "##b", *pieces])).encode()
    vocabulary = Vocabulary.parse(data, lenient=True)
    options = TokenizerOptions(*mode)
    tokenizer = FastTokenizer(vocabulary, options, corpus=CorpusOptions())
    text = "\n".join(f"a{c}b" for c in characters)
    given = nested(tokenizer.tokenize_text(text.encode()).documents)
    assert given == plainly(text, vocabulary, *mode)


def test_words_that_differ_in_one_byte_or_in_length_in_a_memo_of_one_row() -> None:
    rng = random.Random(5)
    data = "\n".join(
        [*SPECIALS, *(p + "a" * k + c for p in ("", "##") for k in (0, 7) for c in "ab")]
    )
    vocabulary = Vocabulary.parse(data.encode())
    corpus = CorpusOptions(encoding_errors="replace")
    tokenizer = FastTokenizer(vocabulary, TokenizerOptions(), corpus=corpus)
    tokenizer._memo = tokenizer._memo[:1].copy()
    sizes = (1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33)
    distinct = ["a" * size for size in sizes]
    distinct += [
        "a" * at + c + "a" * (size - at - 1) for size in sizes for at in range(size) for c in "b\0"
    ]
    distinct += ["a" * 8 + "\0" * size + end for size in (1, 7, 8, 9, 16, 24) for end in ("", "b")]
    text = "\n".join(" ".join(rng.choices(distinct, k=20)) for _ in range(3000))
    # Heads in common, so that whole machine words agree.
    text += "".join(f"\n{a} {b} {a}" for a in distinct[:13] for b in distinct[-12:])
    text += "".join(f"\n{'a' * i}b {'a' * j}" for i in range(34) for j in range(1, 34))
    text += "".join(f"\n{'a' * i}b {'a' * j}b" for i in range(34) for j in range(1, 34))
    given = nested(tokenizer.tokenize_text(text.encode()).documents)
    assert given == plainly(text, vocabulary, True, True)


def test_colliding_words_of_a_full_memo() -> None:
    rng = random.Random(3)
    tokenizer = fast(True, True)
    distinct = ["".join(rng.choices("abé.中", k=rng.randrange(1, 15))) for _ in range(150_000)]
    lines = "\n".join(" ".join(distinct[i : i + 20]) for i in range(0, len(distinct), 20))
    expected = plainly(lines, nasty_vocabulary(), True, True)
    for _ in range(2):
        assert nested(tokenizer.tokenize_text(lines.encode()).documents) == expected


@pytest.mark.parametrize("mode", ALL_MODES)
def test_fast_equals_plain_on_the_sample_corpus(
    mode: tuple[bool, bool, bool], sample_corpus: Path, sample_vocabulary: Vocabulary
) -> None:
    options = TokenizerOptions(*mode)
    tokenizer = FastTokenizer(sample_vocabulary, options, corpus=CorpusOptions())
    full = FullTokenizer(sample_vocabulary, options)
    for name in ("chinese.txt", "scripts.txt"):
        text = (sample_corpus / name).read_bytes()
        given = tokenizer.tokenize_text(text).documents
        assert nested(given) == plainly(text.decode(), sample_vocabulary, *mode)
        tokens = [token for line in text.decode().split("\n") for token in full.tokenize(line)]
        assert given.token_ids.tolist() == full.convert_tokens_to_ids(tokens)
