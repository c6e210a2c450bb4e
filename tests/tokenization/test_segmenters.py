"""Words of several ideographs, and tokens that are never split: plainly, and by the kernel."""

import random
from collections.abc import Callable, Collection
from itertools import pairwise
from pathlib import Path

import pytest
from hard_text import MODES, NASTY, SPECIALS, Tokens, nasty_vocabulary, nested
from hypothesis import given, settings
from hypothesis import strategies as st

from bertprep.data import CONTINUES_WORD
from bertprep.errors import UsageError
from bertprep.options import CorpusOptions, TokenizerOptions
from bertprep.tokenization import BasicTokenizer, FastTokenizer, FullTokenizer
from bertprep.tokenization.segmenters import WordMarker
from bertprep.vocab import Vocabulary

Starts = Callable[[str], Collection[int] | None]


def plainly(text: str, tokenizer: FullTokenizer, starts_of: Starts) -> Tokens:
    """The documents of a text by the plain classes; `starts_of` a line as in `mark_pieces`."""
    documents: Tokens = [[]]
    for line in text.replace("\r", "").split("\n"):
        if not line.strip():
            documents.append([])
        tokens = [
            tokenizer.vocab.ids[piece] + (int(CONTINUES_WORD) if continues else 0)
            for piece, continues in tokenizer.mark_pieces(line, starts_of(line))
        ]
        if tokens:
            documents[-1].append(tokens)
    return [document for document in documents if document]


def joined(text: str, starts: Collection[int] = (), **options: object) -> str:
    """The words of a text by BasicTokenizer, with + before those that continue one."""
    words = BasicTokenizer(**options).mark_words(text, starts)  # type: ignore[arg-type]
    return " ".join("+" * word.continues + word.text for word in words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("北京 的 大学", "北 +京 的 大 +学"),
        ("2022年 T恤 食べる", "2022 +年 t +恤 食 +へる"),
        ("abc def かが", "abc def かか"),
        ("北京，大学。", "北 +京 ， 大 +学 。"),
        ("北\u200b京 北\u3000京 北\u2028京", "北 +京 北 京 北 京"),
        ("北\u0301京", "北 +京"),
        ("a,北b.", "a , 北 +b ."),
        ("ΑΣ北Σ", "ας +北 +σ"),
    ],
)
def test_what_stands_between_blanks_is_a_word(text: str, expected: str) -> None:
    assert joined(text) == expected


def test_a_segmenters_words_are_joined_in_text_without_blanks() -> None:
    text = "北京的大学A座, 好"
    assert joined(text, {0, 2, 3, 5, 7, 9}) == "北 +京 的 大 +学 a +座 , 好"
    assert joined(text, set(range(len(text)))).count("+") == 0
    # A word of the segmenter may begin inside a run of letters, whose pieces are one word anyway.
    assert joined("かな字", {0, 1}) == "かな +字"


MARKERS = [
    ("rjieba", "我们在北京大学学习中文。", [0, 2, 3, 7, 9, 11]),
    ("sudachipy", "東京都の水はおいしい。", [0, 3, 4, 5, 6, 10]),
]


@pytest.mark.parametrize(("name", "line", "starts"), MARKERS)
def test_where_a_segmenters_words_begin(name: str, line: str, starts: list[int]) -> None:
    marker = WordMarker(name)
    assert marker.word_starts(line) == starts
    assert marker.word_starts("no ideographs") == [0]
    assert (marker.lines, marker.unaligned_lines) == (1, 0)


@pytest.mark.parametrize(
    ("line", "words", "starts"),
    [
        ("北京 大学", ["北京", "大学"], [0, 3]),
        ("  北京大学 ", [" 北京 ", "", "大学"], [0, 2, 4]),
        ("北京大学", ["北", "京大学"], [0, 1]),
        ("北京大学", ["北京", "大"], [0, 1, 2, 3]),
        ("北京大学", ["北京", "大学", "的"], [0, 1, 2, 3]),
        ("北京大学", ["北京", "大xue"], [0, 1, 2, 3]),
        ("北京", [], [0, 1]),
    ],
)
def test_words_are_aligned_blanks_aside(line: str, words: list[str], starts: list[int]) -> None:
    marker = WordMarker("rjieba")
    marker._cut = lambda line: words
    found = set(marker.word_starts(line))
    characters = {at for at, character in enumerate(line) if character != " "}
    assert found & characters == set(starts) & characters
    assert marker.unaligned_lines == (starts == [*range(len(line))])


def test_a_line_that_is_too_long_for_a_segmenter_is_cut_by_characters() -> None:
    marker = WordMarker("sudachipy")
    assert len(marker.word_starts("東京" * 10_000)) == 20_000
    assert marker.unaligned_lines == 1


def test_an_unknown_or_missing_segmenter_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="must be rjieba or sudachipy, got jieba"):
        TokenizerOptions(word_segmenter="jieba")
    with pytest.raises(UsageError, match="leave out --segmented or --word-segmenter"):
        TokenizerOptions(segmented=True, word_segmenter="rjieba")
    with pytest.raises(UsageError, match="whole with --no-tokenize-chinese-chars"):
        TokenizerOptions(segmented=True, tokenize_chinese_chars=False)
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(UsageError, match=r"rjieba is not installed: pip install 'bertprep\[words"):
        WordMarker("rjieba")


KEPT = ("<u>", "IL-2", "IL-2R", "中文", "[unused1]", "C++", "é", "<u>中", "-,-")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<u> <U>", "<u> < u >"),
        ("(<u>,<u><u>)", "( <u> , <u> <u> )"),
        ("a<u> <u>a", "a < u > < u > a"),
        ("IL-2/IL-2R IL-21 il-2 xIL-2", "IL-2 / IL-2R il - 21 il - 2 xil - 2"),
        ("学中文课 学<u>课 <u>中", "学 中文 课 学 <u> 课 <u>中"),
        ("C++ C+++ C++, C++11", "C++ C++ + C++ , c + + 11"),
        ("É é e\u0301 éa é.", "e é e ea é ."),
        ("\ufeff<u>\u200b <\u00adu> ,\u0301<u>\u0301.", "<u> <u> , <u> ."),
        ("ΑΣ.<u>Σ <u>.ΑΣ ΑΣ.<u>", "ας . < u > σ <u> . ας ας . <u>"),
        ("[unused1] [MASK]", "[unused1] [ mask ]"),
    ],
)
def test_what_is_never_split_stands_between_borders(text: str, expected: str) -> None:
    assert joined(text, never_split=KEPT) == expected
    assert BasicTokenizer(never_split=KEPT).tokenize(text) == expected.split()


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("nowhere", "not in the vocabulary: write it there in place of an"),
        ("[MASK]", "this is a special token"),
        ("##s", "must not begin with ##"),
        ("\u0301a", "or a combining mark"),
        ("a\u200bb", "a character that is dropped"),
    ],
)
def test_tokens_that_cannot_stand_for_themselves(
    token: str, message: str, sample_vocabulary: Vocabulary
) -> None:
    for kind in (FullTokenizer, FastTokenizer):
        with pytest.raises(UsageError, match=message):
            kind(sample_vocabulary, TokenizerOptions(never_split=(token,)))


@pytest.mark.parametrize("token", ["", "a b", "a\u3000"])
def test_never_split_tokens_have_no_blanks(token: str) -> None:
    with pytest.raises(UsageError, match="must have no blanks"):
        TokenizerOptions(never_split=(token,))


def test_the_order_of_never_split_says_nothing() -> None:
    options = TokenizerOptions(never_split=["b", "a", "b"])  # type: ignore[arg-type]
    assert options == TokenizerOptions(never_split=("a", "b"))
    assert options.never_split == ("a", "b")


def test_the_kernel_keeps_tokens_longer_than_a_word_may_be() -> None:
    token = "<" + "a" * 300 + ">"
    vocabulary = Vocabulary.parse("\n".join([*SPECIALS, "a", token]).encode())
    options = TokenizerOptions(never_split=(token,), max_input_chars_per_word=3)
    tokenizer = FastTokenizer(vocabulary, options)
    assert tokenizer.tokenize_text(token.encode()).documents.token_ids.tolist() == [6]
    assert FullTokenizer(vocabulary, options).tokenize(token) == [token]


# Characters that the fuzzed texts are rich in: borders, what is dropped, what depends on context.
RICH = "中文字北京豈aIL2é,.<u>-\xad\u200b\u0301Σ \u3000がな2"
texts = st.lists(
    st.one_of(
        st.text(RICH, max_size=8),
        st.text(NASTY, max_size=4),
        st.sampled_from([*KEPT, *KEPT, "\n", "\n\n", " ", "\u3000", "\x0c", "中文"]),
    ),
    max_size=20,
)


def word_vocabulary() -> Vocabulary:
    data = nasty_vocabulary().data.rstrip(b"\n") + "\n".join(["", *KEPT]).encode()
    return Vocabulary.parse(data, lenient=True)


VOCABULARY = word_vocabulary()
CORPUS = CorpusOptions(encoding_errors="replace")


def random_words(line: str) -> list[str]:
    """A segmenter that knows nothing; sometimes its words do not join to the line."""
    rng = random.Random(line)
    if rng.random() < 0.1:
        return ["x", line]
    cuts = sorted(rng.choices(range(len(line) + 1), k=rng.randrange(len(line) + 1)))
    return [line[a:b] for a, b in pairwise([0, *cuts, len(line)])]


@pytest.mark.parametrize("kept", [(), KEPT])
@pytest.mark.parametrize("words", ["none", "segmented", "rjieba", "random"])
@pytest.mark.parametrize("mode", [MODES[0], MODES[-1]])
def test_the_kernel_equals_the_plain_classes(
    mode: tuple[bool, bool], words: str, kept: tuple[str, ...]
) -> None:
    segmenter = None if words in ("none", "segmented") else "rjieba"
    options = TokenizerOptions(
        *mode, segmented=words == "segmented", word_segmenter=segmenter, never_split=kept
    )
    fast = FastTokenizer(VOCABULARY, options, corpus=CORPUS)
    full = FullTokenizer(VOCABULARY, options)
    marker = WordMarker("rjieba")
    if words == "random":
        assert fast._marker
        fast._marker._cut = marker._cut = random_words
    starts_of: Starts = {"none": lambda _: None, "segmented": lambda _: ()}.get(
        words, marker.word_starts
    )

    @settings(max_examples=40, deadline=None)
    @given(parts=texts)
    def check(parts: list[str]) -> None:
        text = "".join(parts)
        given = nested(fast.tokenize_text(text.encode()).documents)
        assert given == plainly(text, full, starts_of)

    check()


@pytest.mark.parametrize(
    "options",
    [
        TokenizerOptions(segmented=True),
        TokenizerOptions(word_segmenter="rjieba"),
        TokenizerOptions(never_split=("the", "。", "and")),
    ],
)
def test_ids_and_hashes_do_not_depend_on_marks(
    options: TokenizerOptions, sample_corpus: Path, sample_vocabulary: Vocabulary
) -> None:
    tokenizers = [FastTokenizer(sample_vocabulary, o) for o in (TokenizerOptions(), options)]
    for name in ("chinese.txt", "scripts.txt"):
        text = (sample_corpus / name).read_bytes()
        without, found = (tokenizer.tokenize_text(text) for tokenizer in tokenizers)
        assert found.hashes.tolist() == without.hashes.tolist()
        assert found.documents.token_ids.tolist() == without.documents.token_ids.tolist()
        assert (found.documents.continues_word >= without.documents.continues_word).all()
        is_chinese = name == "chinese.txt" and options.marks_words
        more = found.documents.continues_word.sum() > without.documents.continues_word.sum()
        assert not is_chinese or more
