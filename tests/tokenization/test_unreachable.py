"""Pieces that no text becomes: found as the plain tokenizer finds them, and warned of by cause."""

from unicodedata import combining

import pytest
from hard_text import ALL_MODES, SPECIALS, nasty_vocabulary

from bertprep.options import TokenizerOptions
from bertprep.tokenization import BasicTokenizer
from bertprep.tokenization.unreachable import CAUSES, find_unreachable, unreachable_warning
from bertprep.vocab import Vocabulary, is_reserved

WORDS = [f"{a}{b}" for a in "abcdefgh" for b in "abcdefgh"]


def vocabulary(*pieces: str) -> Vocabulary:
    lines = [*SPECIALS, *WORDS, *pieces]
    return Vocabulary.parse("".join(f"{line}\n" for line in lines).encode())


def warning(*pieces: str, **options: object) -> str:
    return unreachable_warning(vocabulary(*pieces), TokenizerOptions(**options)) or ""  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_piece_is_reachable_where_its_own_text_becomes_it(mode: tuple[bool, bool, bool]) -> None:
    options = TokenizerOptions(*mode)
    basic = BasicTokenizer.of(options)

    def is_reachable(piece: str) -> bool:
        # Any text leads to a `##` piece after a letter, but for marks that change places.
        text = "a" + piece[2:] if piece.startswith("##") and piece != "##" else piece
        return basic.tokenize(text) == [text]

    ordinary = [piece for piece in nasty_vocabulary().ids if piece and not is_reserved(piece)]
    stable = [piece for piece in ordinary if not any(map(combining, piece))]
    found = find_unreachable(nasty_vocabulary(), options)
    assert {p for p in stable if p in found} == {p for p in stable if not is_reachable(p)}
    assert set(found.values()) <= {*CAUSES}


@pytest.mark.parametrize(
    ("pieces", "options", "expected"),
    [
        (("hacía", "##ía"), {}, "2 pieces of the vocabulary (3.0%) have accents"),
        (("hacía",), {}, "such as hacía. If the model has accents, pass --no-strip-accents"),
        (("The", "##É", "Cat", "Dog"), {}, "pass --no-lowercase"),
        (("北京",), {}, "pass --no-tokenize-chinese-chars"),
        (("##学校", "t恤"), {}, "2 pieces of the vocabulary (3.0%) are words with ideographs"),
        (("▁the", "▁boat", "▁of", "▁a"), {}, "begin with ▁, the mark of SentencePiece"),
        (("the\t12",), {}, "have a tab in them, and a count or a score"),
        (("▁the\t-3.5",), {}, "SentencePiece"),
        (tuple(f"Ġ{word}" for word in WORDS), {}, "byte-level BPE"),
        (tuple(f"Ġ{word}" for word in WORDS), {"lowercase": False}, "byte-level BPE"),
        (("the@@", "bo@@", "la@@", "ri@@"), {}, "the marks of BPE"),
        (("the</w>", "boat</w>", "of</w>", "a</w>"), {}, "the marks of BPE"),
        (("new york",), {}, "have a blank in them"),
        (("می\u200cشود",), {}, "have a character that is dropped from text"),
        (("u.s.", "e-mail", "c++", "o'er"), {}, "pass --never-split"),
        (("abcde",), {"max_input_chars_per_word": 4}, "longer than --max-input-chars-per-word"),
    ],
)
def test_the_cause_is_named_with_what_to_do(
    pieces: tuple[str, ...], options: dict[str, object], expected: str
) -> None:
    assert expected.lower() in warning(*pieces, **options).lower()


@pytest.mark.parametrize(
    ("pieces", "options"),
    [
        (("hacía", "##ía"), {"strip_accents": False}),
        (("The", "##É"), {"lowercase": False}),
        (("北京", "##学校", "##京"), {"tokenize_chinese_chars": False}),
        (tuple(f"##{c}" for c in "北京的学校中文一二三"), {}),  # as the published vocabulary has
        ((".", "-", "京", "[unused1]"), {}),
        (("C++", "é", "IL-2", "中文"), {"never_split": ("C++", "é", "IL-2", "中文")}),
        (("Ġgant", "Ġenna"), {"lowercase": False}),  # Maltese
    ],
)
def test_pieces_of_the_options_are_no_warning(
    pieces: tuple[str, ...], options: dict[str, object]
) -> None:
    assert warning(*pieces, **options) == ""


def test_the_sample_vocabulary_has_no_warning(sample_vocabulary: Vocabulary) -> None:
    assert unreachable_warning(sample_vocabulary, TokenizerOptions()) is None
