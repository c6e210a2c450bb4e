"""The plain tokenizer classes, by small examples with their tokens written out."""

import unicodedata
from pathlib import Path

import pytest

from bertprep.errors import UsageError
from bertprep.options import TokenizerOptions
from bertprep.tokenization import BasicTokenizer, FullTokenizer, WordpieceTokenizer
from bertprep.tokenization.characters import is_punctuation
from bertprep.vocab import Vocabulary

UNCASED = [
    ("UNwanted\trunning", ["unwanted", "running"]),
    ("a\u3000b\u00a0c\u2028d\u2029e", ["a", "b", "c", "d", "e"]),
    ("a\rb", ["a", "b"]),  # As the class of the release; in a file 0x0D is taken out before.
    ("soft\u00adly zero\u200bwidth a\ufeffb a\x0cb a\x85b a\0b a\ufffdb", None),
    ("東京tower", ["東", "京", "tower"]),
    ("カタカナとひらがな한국어", ["カタカナとひらかな한국어"]),
    ("ÇA Été", ["ca", "ete"]),
    ("İstanbul Iı", ["istanbul", "iı"]),
    ("ＷＩＤＥ，１", ["ｗｉｄｅ", "，", "１"]),
    ("x≠y", ["x", "=", "y"]),
    ("a\u037eb", ["a", ";", "b"]),
    ("$1+1=2~ “q”…", ["$", "1", "+", "1", "=", "2", "~", "“", "q", "”", "…"]),
    ("1€ ©", ["1€", "©"]),
    ("[MASK]", ["[", "mask", "]"]),
    ("ΟΔΟΣ ΟΔΟΣ.α Σ (ΑΣ)", ["οδος", "οδοσ", ".", "α", "σ", "(", "ας", ")"]),
    ("ΟΔΟΣ\u00adΑ ΟΔΟΣ中Α", ["οδοσα", "οδος", "中", "α"]),
    ("\u0301 \u200b", []),
    ("\ue000\u0378", ["\ue000\u0378"]),
    ("豈", ["豈"]),
]


@pytest.mark.parametrize(("text", "words"), UNCASED)
def test_uncased_words(text: str, words: list[str] | None) -> None:
    if words is None:
        words = ["softly", "zerowidth", "ab", "ab", "ab", "ab", "ab"]
    expected = [unicodedata.normalize("NFD", word) for word in words]
    assert BasicTokenizer().tokenize(text) == expected


def test_ideographs_are_letters_where_they_are_not_words() -> None:
    options = TokenizerOptions(tokenize_chinese_chars=False)
    assert BasicTokenizer.of(options).tokenize("北京，T恤 豈É") == ["北京", "，", "t恤", "豈e"]
    assert BasicTokenizer().tokenize("北京T恤") == ["北", "京", "t", "恤"]


def test_hangul_is_taken_apart_where_accents_are() -> None:
    assert BasicTokenizer().tokenize("\ud55c") == ["\u1112\u1161\u11ab"]
    assert BasicTokenizer(lowercase=False).tokenize("\ud55c") == ["\ud55c"]


def test_marks_of_nfd_are_brought_into_order() -> None:
    # U+1B35 spaces and stays, U+1B44 is a killer of class 9 and stays, U+0325 goes.
    assert BasicTokenizer().tokenize("a\u302e\u1b44b") == ["a\u1b44\u302eb"]


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "words"),
    [
        (True, True, ["ca", "va", "=", "i", "ς"]),
        (True, False, ["ça", "va", "≠", "i\u0307", "ς"]),
        (False, True, ["Ca", "VA", "=", "I", "ς"]),
        (False, False, ["Ça", "VA", "≠", "İ", "ς"]),
    ],
)
def test_lower_casing_and_accents_are_apart(
    lowercase: bool, strip_accents: bool, words: list[str]
) -> None:
    assert BasicTokenizer(lowercase, strip_accents).tokenize("Ça VA ≠ İ ς") == words


def test_accents_follow_the_case_where_they_are_not_said() -> None:
    assert BasicTokenizer(lowercase=True).strip_accents
    assert not BasicTokenizer(lowercase=False).strip_accents
    assert BasicTokenizer(lowercase=False).tokenize("Ça") == ["Ça"]


def test_ascii_punctuation_is_all_that_is_no_letter_or_digit() -> None:
    expected = {*range(33, 48), *range(58, 65), *range(91, 97), *range(123, 127)}
    assert {number for number in range(128) if is_punctuation(chr(number))} == expected


def test_the_longest_piece_comes_first() -> None:
    vocab = dict.fromkeys(["[UNK]", "un", "##aff", "##able", "##a", "unaff", "##ab"], 0)
    tokenizer = WordpieceTokenizer(vocab)
    assert tokenizer.tokenize("unaffable") == ["unaff", "##able"]
    assert tokenizer.tokenize("unaffable unx  una") == ["unaff", "##able", "[UNK]", "un", "##a"]
    assert tokenizer.tokenize("") == []


def test_words_of_200_code_points_pass_and_201_do_not() -> None:
    tokenizer = WordpieceTokenizer({"[UNK]": 0, "é": 1, "##é": 2})
    assert tokenizer.tokenize("é" * 200) == ["é"] + ["##é"] * 199
    assert tokenizer.tokenize("é" * 201) == ["[UNK]"]
    assert WordpieceTokenizer({"a": 0}, "?", 1).tokenize("aa a") == ["?", "a"]


@pytest.fixture
def vocabulary() -> Vocabulary:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", ",", "[", "ma", "##sk", "]"]
    return Vocabulary.parse("\n".join(pieces).encode())


def test_text_becomes_ids_and_back(vocabulary: Vocabulary) -> None:
    tokenizer = FullTokenizer(vocabulary)
    tokens = tokenizer.tokenize("The, [MASK]")
    assert tokens == ["the", ",", "[", "ma", "##sk", "]"]
    assert tokenizer.convert_tokens_to_ids(tokens) == [5, 6, 7, 8, 9, 10]
    assert tokenizer.convert_ids_to_tokens(range(5, 11)) == tokens


def test_full_tokenizer_takes_a_path_and_options(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "vocab.txt").write_bytes(vocabulary.data)
    options = TokenizerOptions(lowercase=False, max_input_chars_per_word=3)
    tokenizer = FullTokenizer(tmp_path / "vocab.txt", options)
    assert tokenizer.tokenize("the The mask") == ["the", "[UNK]", "[UNK]"]


def test_pieces_and_ids_outside_the_vocabulary_are_refused(vocabulary: Vocabulary) -> None:
    tokenizer = FullTokenizer(vocabulary)
    with pytest.raises(UsageError, match="'no such piece' is not a piece"):
        tokenizer.convert_tokens_to_ids(["the", "no such piece"])
    for number in (-1, 11):
        with pytest.raises(UsageError, match=f"id {number} is outside"):
            tokenizer.convert_ids_to_tokens([0, number])
