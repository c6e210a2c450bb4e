"""Lines are split into sentences, nothing is lost, and errors still name the line of the file."""

import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencex
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bertprep.cli import main
from bertprep.corpus import sentences
from bertprep.corpus.sentences import LANGUAGES, SentenceBlock, SentenceSplitter, splitter_identity
from bertprep.create import tokenizing
from bertprep.errors import UsageError
from bertprep.options import CorpusOptions

#: What is hard: marks, quotes, initials, blanks of all kinds, bytes that are no text.
PARTS = (
    *(
        "He left. ",
        "Dr. Ames came",
        ". ",
        "? ",
        "! ",
        "… ",
        "A.",
        "J. R.",
        "3.14",
        "e.g. ",
        "“Go.” ",
    ),
    *("'", '"', "(see p. 2) ", "word ", "1. ", "No. 7", "我们走了。", "「行く。」", "यह है। ", "؟ "),
    *(
        "\n",
        "\n\n",
        " ",
        "\t",
        "\r",
        "\r\n",
        "\u00a0",
        "\u3000",
        "\u2028",
        "\x85",
        "\x1c",
        "\ufeff",
    ),
    *("\u200b", "[1]", "www.a.org", "x" * 50, "\U00020000", "é", "- ", "• "),
)
BAD = (b"\xff", b"\0", b"\xed\xa0\x80", b"\xe4\xb8")


def split(
    text: str | bytes,
    language: str = "en",
    splitter: SentenceSplitter | None = None,
    **options: Any,
) -> SentenceBlock:
    data = text.encode() if isinstance(text, str) else text
    splitter = splitter or SentenceSplitter(CorpusOptions(split_sentences=language, **options))
    return splitter.split_block(data)


def stripped(block: SentenceBlock) -> list[str]:
    return [line.strip() for line in block.data.decode().split("\n")]


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", ["Dr. Ames left at 5 p.m. sharp.", "Was J. R. Hale there?", "Nobody knows."]),
        ("en", ["It costs $2.50 now.", "See Fig. 4 for the valve!", "“Why?” she asked."]),
        ("de", ["Am 3. Oktober gilt das z. B. für Boote.", "Wo ist Dr. Behrens?"]),
        ("es", ["¿Dónde está el Sr. Prado?", "¡Aquí!", "Nadie lo vio."]),
        ("ru", ["В 1905 г. мост был закрыт.", "А. П. Соколов уехал."]),
        ("ar", ["أين المفتاح؟", "المفتاح على الطاولة."]),
        ("ur", ["چابی کہاں ہے؟", "گاڑی دیر سے آئی۔", "کوئی نہیں جانتا۔"]),
        ("hi", ["चाबी कहाँ है?", "गाड़ी देर से आई।", "क्या बात है!"]),
    ],
)
def test_sentences_of_a_language(language: str, sentences: list[str]) -> None:
    assert stripped(split(" ".join(sentences), language)) == sentences


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("zh", ["钥匙在哪里？", "他说：“在桌子上。”", "圆周率约等于3.14。", "火车晚点了！"]),
        ("ja", ["鍵はどこですか？", "「机の上です。」", "値段は1,250円でした。"]),
    ],
)
def test_sentences_without_blanks_between_them(language: str, sentences: list[str]) -> None:
    assert stripped(split("".join(sentences), language)) == sentences


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_knows_the_marks_of_its_script(language: str) -> None:
    marks = {"hi": "।", "bn": "।", "zh": "。", "ja": "。", "ur": "۔", "am": "።", "my": "။"}
    mark = marks.get(language, "?")
    assert split(f"Abc def{mark} Abc def{mark}", language).counts.tolist() == [2]


def test_lines_stay_apart_and_blank_lines_stay() -> None:
    block = split("One. Two.\r\nThree\n\n \u3000\nFour! Five?\n")
    assert block.data == "One. \nTwo.\nThree\n\n \u3000\nFour! \nFive?\n".encode()
    assert block.counts.tolist() == [2, 1, 1, 1, 2, 1]
    assert block.split_lines == 2
    assert [block.source_line(line) for line in range(8)] == [0, 0, 1, 2, 3, 4, 4, 5]


@given(st.lists(st.sampled_from(PARTS), max_size=60).map("".join), st.sampled_from(LANGUAGES))
def test_nothing_is_lost_and_no_line_becomes_blank(text: str, language: str) -> None:
    block = split(text, language)
    lines = text.replace("\r", "").split("\n")
    assert len(block.counts) == len(lines)
    assert block.unsplit_lines == 0
    found = iter(block.data.decode().split("\n"))
    for line, count in zip(lines, block.counts, strict=True):
        pieces = [next(found) for _ in range(count)]
        assert "".join(pieces) == line
        assert count == 1 or all(map(str.strip, pieces))
    assert list(found) == []


@given(st.lists(st.sampled_from(PARTS), max_size=40).map("".join))
def test_a_line_is_split_alike_whatever_stands_around_it(text: str) -> None:
    splitter = SentenceSplitter(CorpusOptions(split_sentences="en"))
    lines = text.split("\n")
    alone = [split(line, splitter=splitter).data for line in lines]
    assert split(text, splitter=splitter).data == b"\n".join(alone)
    # Beside blanks and bytes that need a look line by line:
    beside = split(text.encode() + b"\n\xff\n\xc2\xa0x", splitter=splitter).data
    assert beside == b"\n".join([*alone, b"\xff", b"\xc2\xa0x"])


@given(
    st.lists(st.sampled_from([part.encode() for part in PARTS] + list(BAD)), max_size=30),
    st.sampled_from(["strict", "replace", "skip"]),
)
def test_lines_that_are_no_text_go_to_the_tokenizer_whole_or_are_mended(
    parts: list[bytes], errors: str
) -> None:
    data = b"".join(parts)
    block = split(data, encoding_errors=errors)
    lines = data.replace(b"\r", b"").split(b"\n")
    found = iter(block.data.split(b"\n"))
    num_mended = 0
    for line, count in zip(lines, block.counts, strict=True):
        pieces = [next(found) for _ in range(count)]
        mended = line.replace(b"\0", b"\xff").decode("utf-8", "replace").encode()
        if mended == line:
            assert b"".join(pieces) == line
        elif errors == "replace":
            assert b"".join(pieces) == mended
            num_mended += 1
        else:
            assert pieces == [line]
    assert block.invalid_lines == num_mended


def test_portions_of_a_block_change_nothing(
    sample_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (sample_corpus / "english-a.txt").read_text()
    text = "\n\n".join(document.replace("\n", " ") for document in text.split("\n\n"))
    whole = split(text)
    assert whole.split_lines > 20
    monkeypatch.setattr(sentences, "_PORTION_BYTES", 50)
    assert split(text).data == whole.data
    assert split(text).counts == whole.counts


@pytest.mark.parametrize("sentence", ["We left at 5 p.m. on Monday. ", "他说今天下雨，所以没去。"])
def test_a_long_line_is_split_as_short_ones_are(sentence: str) -> None:
    language = "en" if sentence.isascii() else "zh"
    assert stripped(split(sentence * 9_000, language)) == [sentence.strip()] * 9_000


def test_a_long_sentence_in_a_long_line_stays_whole() -> None:
    long = "word " * 30_000 + "end."
    assert stripped(split(f"He left. {long} She left.")) == ["He left.", long, "She left."]
    assert split("x" * 1_000_000).counts.tolist() == [1]


def test_other_blanks_are_blanks_to_the_library_and_stay() -> None:
    # "A" before U+00A0 before a stop is what sentencex 1.0.32 panics at.
    lines = ["By A\u00a0. Ames.\u2028He left.\u3000Nobody saw it."]
    assert split(lines[0]).data.decode().replace("\n", "") == lines[0]
    assert stripped(split(lines[0]))[-2:] == ["He left.", "Nobody saw it."]


def test_what_the_library_would_lose_stays_whole_and_is_counted() -> None:
    splitter = SentenceSplitter(CorpusOptions(split_sentences="en"))

    def careless(language: str, text: str) -> list[str]:
        return [piece.replace("!", "") for piece in sentencex.segment(language, text)]

    splitter._segment = careless
    block = splitter.split_block(b"One. Two.\nThree! Four.\n\n" + b"Five! " * 1_000)
    assert block.data == b"One. \nTwo.\nThree! Four.\n\n" + b"Five! " * 1_000
    assert block.unsplit_lines == 2


def test_other_errors_of_the_library_are_not_hidden() -> None:
    splitter = SentenceSplitter(CorpusOptions(split_sentences="en"))

    def stopped(language: str, text: str) -> list[str]:
        raise KeyboardInterrupt

    splitter._segment = stopped
    with pytest.raises(KeyboardInterrupt):
        splitter.split_block(b"One. Two.")


@pytest.mark.parametrize("given", ["en", "EN", "en-US", "en_gb", " en "])
def test_the_code_of_a_language_may_have_a_region(given: str) -> None:
    assert CorpusOptions(split_sentences=given).split_sentences == "en"


@pytest.mark.parametrize("given", ["", "english", "日本", "e", "12"])
def test_what_is_no_code_of_a_language_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="split_sentences must be the code of a language"):
        CorpusOptions(split_sentences=given)


def test_a_language_without_rules_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"--split-sentences th: there are rules for am, ar, .* zh"
    ):
        splitter_identity(CorpusOptions(split_sentences="th"))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert splitter_identity(CorpusOptions()) == {}
    with pytest.raises(UsageError, match=r"pip install 'bertprep\[sentences\]'"):
        splitter_identity(CorpusOptions(split_sentences="en"))


# Below: the command.

Create = Callable[..., Result]


@pytest.fixture
def create(
    sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs the command in an empty folder, on blocks of 4 KB."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tokenizing, "BLOCK_BYTES", 4_000)

    def run(*arguments: object) -> Result:
        flags = ["--vocab", sample_corpus / "vocab.txt", "--dupe-factor", 2]
        return CliRunner().invoke(main, ["create", *map(str, [*arguments, *flags])])

    return run


def paragraphs(corpus: Path) -> str:
    """Some documents of the sample corpus, three of its lines to a line."""
    documents = []
    for document in (corpus / "english-a.txt").read_text().strip().split("\n\n"):
        lines = document.split("\n")
        documents.append("\n".join(" ".join(lines[i : i + 3]) for i in range(0, len(lines), 3)))
    return "\n\n".join(documents) + "\n"


def records(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("tf_examples*")}


@pytest.mark.parametrize("workers", [1, 2])
def test_records_are_those_of_text_that_was_split_before(
    create: Create, sample_corpus: Path, workers: int
) -> None:
    text = paragraphs(sample_corpus)
    lines = [sentencex.segment("en", line) or [""] for line in text.split("\n")]
    Path("paragraphs.txt").write_text(text)
    Path("sentences.txt").write_text("\n".join("\n".join(pieces) for pieces in lines))
    partitions = ("--num-partitions", 3)
    result = create(
        *("paragraphs.txt", "--output", "split", "--split-sentences", "en-US", "-j", workers),
        *partitions,
    )
    assert result.exit_code == 0, result.output
    assert create("sentences.txt", "--output", "plain", *partitions).exit_code == 0
    assert records("split") == records("plain")
    assert len(records("split")) == 3
    counts = json.loads(Path("split/manifest.json").read_bytes())["counts"]
    plain = json.loads(Path("plain/manifest.json").read_bytes())["counts"]
    assert counts["split_lines"] == sum(len(pieces) > 1 for pieces in lines)
    assert counts == plain | {"split_lines": counts["split_lines"], "unsplit_lines": 0}
    assert f"lines split        {counts['split_lines']:,}\n" in result.stdout


@pytest.mark.parametrize(
    ("line", "flags", "problem"),
    [
        (b"Three. Fo\xffur. Five.", [], "not UTF-8 (byte 0xff)"),
        (b"Three. Fo\0ur. Five.", [], "NUL byte"),
        (b"Three. Four. Five. Six.", ["--max-line-chars", "20"], "line is 23 characters"),
    ],
    ids=["bytes", "NUL", "long"],
)
def test_errors_name_the_line_of_the_file(
    create: Create, line: bytes, flags: list[str], problem: str
) -> None:
    # Far enough into the file for a block that is not the first.
    before = b"One. Two. One. Two.\n\n" * 500
    Path("a.txt").write_bytes(before + b"One. Two.\nOne. Two. Three.\n" + line + b"\nSix.\n")
    result = create("a.txt", "--output", "o", "--split-sentences", "en", *flags)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: a.txt:1003: {problem}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("errors", "done"), [("replace", "replaced"), ("skip", "skipped")])
def test_lines_that_are_no_text_are_counted_once(create: Create, errors: str, done: str) -> None:
    text = (
        b"One here. Two there.\nTh\xffree. Fo\0ur. F\xffive.\n\nSix.\0 Seven.\nEight. Nine.\n" * 2
    )
    Path("a.txt").write_bytes(text)
    flags = ("--split-sentences", "en", "--encoding-errors", errors)
    result = create("a.txt", "--output", "o", *flags)
    assert result.exit_code == 0, result.output
    assert f"Warning: 4 lines had invalid UTF-8 or NUL bytes: {done} " in result.stderr
    counts = json.loads(Path("o/manifest.json").read_bytes())["counts"]
    assert counts["sentences"] == 2 * (4 + (5 if errors == "replace" else 0))


def test_a_language_without_rules_leaves_nothing_behind(create: Create) -> None:
    Path("a.txt").write_text("One. Two.\n")
    result = create("a.txt", "--output", "o", "--split-sentences", "tlh")
    assert result.exit_code == 2
    assert "--split-sentences tlh: there are rules for am, ar, bg" in result.stderr
    assert not Path("o").exists()


def test_another_version_of_the_library_is_another_plan(
    create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.txt").write_text("One here. Two there.\n\nThree is. Four was.\n")
    command = ("a.txt", "--output", "o", "--split-sentences", "en")
    assert create(*command).exit_code == 0
    plan = json.loads(Path("o/plan.json").read_bytes())
    assert plan["libraries"]["sentencex"] == importlib.metadata.version("sentencex")
    assert "is already complete" in create(*command).stdout
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9")
    result = create(*command)
    assert result.exit_code == 2
    assert f"sentencex was {plan['libraries']['sentencex']}, is 9.9" in result.stderr


def test_without_the_option_the_plan_names_no_library(create: Create) -> None:
    Path("a.txt").write_text("One here.\nTwo there.\n\nThree is.\nFour was.\n")
    assert create("a.txt", "--output", "o").exit_code == 0
    assert "sentencex" not in json.loads(Path("o/plan.json").read_bytes())
    counts = json.loads(Path("o/manifest.json").read_bytes())["counts"]
    assert counts.keys().isdisjoint({"split_lines", "unsplit_lines", "cut_sentences"})
