"""Counting words: the compiled kernel beside `collections.Counter` over the plain tokenizer."""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hard_text import ALL_MODES
from hypothesis import given, settings
from hypothesis import strategies as st

from bertprep.errors import TextError
from bertprep.options import CorpusOptions, TokenizerOptions
from bertprep.tokenization import BasicTokenizer
from bertprep.vocabulary.words import WordCounter, Words, merge_words, pack_buckets, unpack_words

# Every kind of character, as in the tests of the tokenizer: cased, accented, dropped, blank,
# punctuation, ideographs, sigmas, marks that change places, hangul, mappings that grow, plane 1.
NASTY = (
    "abzAZ059 .,-_$[]#~\t\v\f\x1c\x1f\x7f\x85\xa0\xad\xaa\xb5éÉßẞǆĲïİı≠;\u1fef\u212b\u2126\u0340"
    "ΣσςΟΑάᾲ\u0300\u0301\u0308\u0323\u0345\u05b0\u20dd\u302e\u1b35\u0f39Ж،؟\u06dd\u0640"
    "\u200b\u200d\u2028\u2029\u3000\ufeff\ufffd\ufffe\ue000\u0378\uffff、。〇々中文豈\ufa0e\u3400"
    "かがｶﾞ한\u1112\u1161\u11abＡ０！𝐀𐐀𝅘𝅥𝅗𠀀丽𪜀𫠠\U000e0020\U0010ffff👩🏽"
)


def plainly(text: str, *mode: bool, longest: int = 200) -> Counter[str]:
    basic = BasicTokenizer.of(TokenizerOptions(*mode))
    lines = text.replace("\r", "").split("\n")
    words = (word for line in lines for word in basic.tokenize(line))
    return Counter(word for word in words if len(word) <= longest)


@cache
def counter(*mode: bool) -> WordCounter:
    """One for all examples, with so little room that it is full again and again."""
    options = TokenizerOptions(*mode)
    made = WordCounter(options, CorpusOptions(encoding_errors="replace"), room=(3, 200))
    made._memo = made._memo[:4].copy()
    return made


def counted(counter: WordCounter, *texts: str) -> dict[str, int]:
    for text in texts:
        counter.count_text(text.encode())
    return dict(counter.take_words().items())


@pytest.mark.parametrize("mode", ALL_MODES)
@given(text=st.text(st.sampled_from(NASTY + "ab \n\r") | st.characters(codec="utf-8")))
@settings(max_examples=150, deadline=None)
def test_counts_are_those_of_the_plain_tokenizer(text: str, mode: tuple[bool, bool, bool]) -> None:
    found = counted(counter(*mode), text)
    assert found == plainly(text, *mode)


@pytest.mark.parametrize("mode", ALL_MODES)
def test_counts_of_many_languages(sample_corpus: Path, mode: tuple[bool, bool, bool]) -> None:
    text = "".join(path.read_text() for path in sorted(sample_corpus.glob("*.txt")))
    options = TokenizerOptions(*mode)
    found = counted(WordCounter(options, CorpusOptions()), text)
    expected = plainly(text, *mode)
    assert found == expected
    assert len(found) > 5000


def test_a_chunk_that_depends_on_context_counts_once() -> None:
    text = "a,ΟΔΟΣ.b a,ΟΔΟΣ.b 中a.ΟΔΟΣ\na , b"
    found = counted(counter(True, True), text)
    assert found == plainly(text, True, True)
    assert (found["a"], found["οδος"], found["οδοσ"]) == (4, 1, 2)


def test_counts_go_on_over_blocks_and_begin_anew_when_taken() -> None:
    here = counter(True, True)
    assert counted(here, "One two", "two three") == {"one": 1, "two": 2, "three": 1}
    assert counted(here, "two") == {"two": 1}
    assert counted(here, "") == {}


def test_words_over_the_limit_are_left_out_and_counted() -> None:
    options = TokenizerOptions(max_input_chars_per_word=4)
    here = WordCounter(options, CorpusOptions())
    # Accents go before characters are counted; the sigma sends its chunk through the plain class.
    assert counted(here, "four fives e\u0301tés ΑΒΓΔΣ ΑΒΣ fives") == {
        "four": 1,
        "etes": 1,
        "αβς": 1,
    }
    assert here.left_out == 3


def test_a_word_larger_than_the_table() -> None:
    here = WordCounter(TokenizerOptions(), CorpusOptions(), room=(3, 200))
    long = "a" + "\u200d" * 1000  # one letter, when what is dropped is gone
    assert counted(here, f"b {long} c {long}") == {"a": 2, "b": 1, "c": 1}


@pytest.mark.parametrize(
    ("data", "problem", "line"),
    [
        (b"fine\nbad \xff here\n", "not UTF-8 (byte 0xff)", 1),
        (b"fine\nfine\n\0\n", "NUL byte", 2),
        (b"short\n" + b"x " * 60 + b"\n", "line is 120 characters, the limit is 100", 1),
    ],
)
def test_text_that_cannot_be_meant_is_an_error(data: bytes, problem: str, line: int) -> None:
    here = WordCounter(TokenizerOptions(), CorpusOptions(max_line_chars=100))
    with pytest.raises(TextError) as error:
        here.count_text(data)
    assert (error.value.problem, error.value.line) == (problem, line)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [("replace", {"one": 2, "two": 1, "six": 1}), ("skip", {"one": 1, "six": 1})],
)
def test_text_is_mended_where_told_to(errors: str, expected: dict[str, int]) -> None:
    here = WordCounter(TokenizerOptions(), CorpusOptions(encoding_errors=errors))
    here.count_text(b"one\ntwo \xffone\nsix\n")
    assert dict(here.take_words().items()) == expected
    assert here.invalid_lines == 1


WORDS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), st.integers(1, 2**40)
)


@given(counts=WORDS, num_buckets=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_buckets_hold_all_words(counts: dict[str, int], num_buckets: int) -> None:
    parts = [unpack_words(packed) for packed in pack_buckets(Words.of(counts), num_buckets)]
    assert len(parts) == num_buckets
    assert sum(map(len, parts)) == len(counts)
    assert dict(merge_words(parts).items()) == counts


@given(counts=WORDS)
@settings(max_examples=30, deadline=None)
def test_a_bucket_follows_from_the_word_alone(counts: dict[str, int]) -> None:
    backwards = dict(reversed(counts.items()))
    first, second = (
        [set(dict(unpack_words(packed).items())) for packed in pack_buckets(Words.of(words), 5)]
        for words in (counts, backwards)
    )
    assert first == second


def test_merging_adds_and_leaves_out_what_comes_to_nothing() -> None:
    merged = merge_words([Words.of({"a": 2, "b": 1}), Words.of({"b": -1, "c": 5, "a": 1})])
    assert dict(merged.items()) == {"a": 3, "c": 5}
    assert merged.counts.dtype == np.int64
