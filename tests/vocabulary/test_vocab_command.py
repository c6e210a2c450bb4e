"""`bertprep vocab`: the file, its order and its bytes, the report, and what bad input gets."""

import io
import os
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bertprep.cli import main
from bertprep.corpus import Block, Split
from bertprep.options import TokenizerOptions, VocabOptions
from bertprep.tokenization import FullTokenizer
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary
from bertprep.vocabulary import counting, job
from bertprep.vocabulary import lines as vocabulary_lines

TEXT = "the ferry leaves\nthe ferryman waits, the ferries leave\n\nleave the ferry\n" * 3


def vocab(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["vocab", *map(str, arguments)], input=stdin)


def lines_of(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "vocab.txt"


def make(corpus: Path, output: Path, *flags: str | int) -> list[str]:
    result = vocab(corpus, "--output", output, "--overwrite", "--quiet", *map(str, flags))
    assert (result.exit_code, result.output) == (0, "")
    return lines_of(output)


def test_specials_come_first_then_unused_characters_and_pieces(corpus: Path, output: Path) -> None:
    letters = sorted(set(TEXT) - set(" \n,"))
    lines = make(corpus, output, "--size", 43, "--unused", 3, "--pad-to-multiple", 5)
    unused = ["[unused0]", "[unused1]", "[unused2]"]
    alphabet = [",", *letters, *("##" + letter for letter in letters)]
    assert lines[: 8 + len(alphabet)] == [*SPECIAL_TOKENS, *unused, *alphabet]
    pieces = lines[8 + len(alphabet) : 43]
    assert len(pieces) == 6
    assert {"the", "ferry", "leave"} < set(pieces)
    assert lines[43:] == ["[unused3]", "[unused4]"]
    assert len(set(lines)) == len(lines) == 45


def test_every_piece_behind_the_alphabet_is_used(sample_corpus: Path, output: Path) -> None:
    lines = make(sample_corpus, output, "--size", 3000)
    tokenizer = FullTokenizer(output)
    used = {
        piece
        for path in sorted(sample_corpus.glob("[ces]*.txt"))
        for line in path.read_text().split("\n")
        for piece in tokenizer.tokenize(line)
    }
    longer = [line for line in lines[5:] if len(line.removeprefix("##")) > 1]
    assert len(longer) > 900
    assert set(longer) <= used
    assert len(lines) == 3000


def test_no_word_over_the_alphabet_is_unknown(sample_corpus: Path, output: Path) -> None:
    lines = make(sample_corpus, output, "--size", 2500, "--limit-alphabet", 900)
    characters = [line for line in lines[5:] if len(line) == 1]
    assert len(characters) == 900
    rng = random.Random(1)
    tokenizer = FullTokenizer(output)
    for _ in range(300):
        word = "".join(rng.choices(characters, k=rng.randint(1, 9)))
        mapped = "".join(tokenizer.basic_tokenizer.tokenize(word))
        if set(mapped) <= set(characters):  # NFD may have put its characters together anew
            assert "[UNK]" not in tokenizer.tokenize(word)


@pytest.mark.parametrize("flags", [[], ["--no-lowercase"], ["--strip-accents", "--no-lowercase"]])
def test_the_bytes_do_not_depend_on_workers_splits_or_buckets(
    flags: Sequence[str], sample_corpus: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(sample_corpus, output, "--size", 2600, "--workers", 1, *flags)
    expected = output.read_bytes()
    assert b"[PAD]\n[UNK]\n" in expected
    monkeypatch.setattr(job, "SPLIT_BYTES", 9_000)
    monkeypatch.setattr(counting, "BLOCK_BYTES", 2_000)
    monkeypatch.setattr(counting, "_MOST_WAITING", 500)
    monkeypatch.setattr(job, "_BUCKET_BYTES", 30_000)
    make(sample_corpus, output, "--size", 2600, "--workers", 3, *flags)
    assert output.read_bytes() == expected


def test_the_order_of_the_documents_changes_nothing(corpus: Path, output: Path) -> None:
    expected = make(corpus, output, "--size", 70)
    corpus.write_text("\n\n".join(reversed(TEXT.split("\n\n"))) + "\n")
    assert make(corpus, output, "--size", 70) == expected


def test_create_takes_it_and_no_word_is_unknown(
    sample_corpus: Path, output: Path, tmp_path: Path
) -> None:
    make(sample_corpus, output, "--size", 4000, "--min-frequency", 1, "--unused", 9)
    records = tmp_path / "records"
    arguments = ["create", sample_corpus, "--vocab", output, "--output", records]
    result = CliRunner().invoke(main, [*map(str, arguments), "--dupe-factor", "1"])
    assert result.exit_code == 0
    assert "[UNK]              0.00%" in result.stdout


def test_the_text_is_normalised_as_told(corpus: Path, output: Path) -> None:
    corpus.write_text("Éa Éa Éa\n")
    assert make(corpus, output, "--size", 10)[5:] == ["a", "e", "##a", "##e", "ea"]
    assert make(corpus, output, "--size", 10, "--no-strip-accents")[5:] == [
        *("a", "é", "##a", "##é", "éa")
    ]
    assert make(corpus, output, "--size", 10, "--no-lowercase")[5:] == [
        *("a", "É", "##a", "##É", "Éa")
    ]


@pytest.mark.parametrize(
    ("text", "is_warned"),
    [
        *(("घर में किताब पढ़ती हूँ\n", True), ("мой дом зимний\n", True), ("한국어 서울\n", True)),
        *(("l'été à Zürich, el niño\n", False), ("dobar дан, како сте\n", False)),
    ],
)
def test_marks_that_a_script_needs_are_missed(
    corpus: Path, output: Path, text: str, is_warned: bool
) -> None:
    corpus.write_text(text * 3)
    warning = "Pass --no-strip-accents, to bertprep create too"
    assert (warning in vocab(corpus, "--output", output).stderr) == is_warned
    kept = vocab(corpus, "--output", output, "--overwrite", "--no-strip-accents")
    assert warning not in kept.stderr


def test_words_of_ideographs_are_pieces_where_text_is_not_split_at_them(
    corpus: Path, output: Path
) -> None:
    corpus.write_text("江水 日落\n江水\n")
    flag = "--no-tokenize-chinese-chars"
    lines = make(corpus, output, "--size", 15, "--min-frequency", 1, flag)
    assert {"江水", "日落", "##水", "##落"} <= {*lines}
    tokenizer = FullTokenizer(output, TokenizerOptions(tokenize_chinese_chars=False))
    assert tokenizer.tokenize("江水日落") == ["江水", "##日", "##落"]


def test_ideographs_are_kept_as_words_of_one_character(corpus: Path, output: Path) -> None:
    corpus.write_text("江水, 江水\n日落江水\n日落\n")
    lines = make(corpus, output, "--size", 12)
    assert lines[5:] == [",", "日", "水", "江", "落"][-len(lines) + 5 :]


def test_min_frequency_holds_for_characters_and_pieces(corpus: Path, output: Path) -> None:
    corpus.write_text("ab ab ab cd cd x\n")
    assert make(corpus, output, "--size", 20)[5:] == [
        *("a", "b", "c", "d", "##a", "##b", "##c", "##d", "ab", "cd")
    ]
    assert make(corpus, output, "--size", 20, "--min-frequency", 3)[5:] == [
        *("a", "b", "##a", "##b", "ab")
    ]


def test_too_small_a_corpus_is_a_warning_that_says_what_was_reached(
    corpus: Path, output: Path
) -> None:
    result = vocab(corpus, "--output", output)
    reached = len(lines_of(output))
    assert result.exit_code == 0
    assert 40 < reached < 200
    assert f"Warning: the vocabulary has {reached} lines, not 30,522" in result.stderr


def test_too_small_a_size_says_what_the_alphabet_needs(corpus: Path, output: Path) -> None:
    result = vocab(corpus, "--output", output, "--size", 20)
    letters = len(set(TEXT) - set(" \n,"))
    needed = 5 + 1 + 2 * letters
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: --size 20 is too small: {letters + 1} characters with their ## forms, 5 special "
        f"and 0 unused tokens take {needed} lines. Pass --size {needed} or more, or keep fewer "
        "characters with --limit-alphabet\n"
    )
    assert not output.exists()
    assert len(make(corpus, output, "--size", needed)) == needed
    assert len(make(corpus, output, "--size", 20, "--limit-alphabet", 7)) == 20


def test_where_memory_is_short_the_rarest_words_teach_nothing(
    corpus: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary_lines, "_MOST_POSITIONS", 20)
    result = vocab(corpus, "--output", output, "--min-frequency", 1)
    assert "training on words that occur 4 times or more" in result.stderr
    lines = lines_of(output)
    assert {"the", "ferry", "leave"} <= set(lines)
    assert "ferryman" not in lines


def test_the_report(corpus: Path, output: Path) -> None:
    result = vocab(corpus, "--output", output, "--size", "37")
    shown = dict(line.split("  ", 1) for line in result.stdout.splitlines() if line[0] != " ")
    shown = {name: text.strip() for name, text in shown.items()}
    assert shown["lines"] == "37 (5 special or unused)"
    assert shown["alphabet"] == "15 characters"
    assert shown["words"] == "39 (8 distinct)"
    assert shown["[UNK]"] == "0.00% of words"
    # Words that are one piece, by the tokenizer itself.
    tokenizer = FullTokenizer(output)
    words = tokenizer.basic_tokenizer.tokenize(TEXT)
    pieces = [tokenizer.wordpiece_tokenizer.tokenize(word) for word in words]
    whole = sum(len(split) == 1 for split in pieces) / len(words)
    longer = [split for split, word in zip(pieces, words, strict=True) if len(word) > 1]
    singles = sum(len(piece.removeprefix("##")) == 1 for split in longer for piece in split)
    assert shown["coverage"] == f"{whole:.2%} of words are a single piece"
    assert shown["pieces per word"] == f"{sum(map(len, pieces)) / len(words):.3f}"
    share = singles / sum(map(len, longer))
    assert shown["single characters"] == f"{share:.2%} of the pieces of longer words"
    assert " ##" in shown["common split words"]
    assert " ##" in shown["rare split words"]


def test_words_that_are_too_long_count_as_unknown(corpus: Path, output: Path) -> None:
    corpus.write_text("aa aa aa bbbbb\n")
    flags = ["--max-input-chars-per-word", "4", "--min-frequency", "1"]
    result = vocab(corpus, "--output", output, *flags)
    assert "[UNK]               25.00% of words" in result.stdout
    assert "b" not in lines_of(output)


def test_a_vocabulary_among_the_texts_is_left_out(
    corpus: Path, output: Path, tmp_path: Path
) -> None:
    expected = make(corpus, output, "--size", 70)
    (tmp_path / "older.txt").write_text("[PAD]\n[UNK]\nzebra\nzebra\n")
    result = vocab(tmp_path, "--output", output, "--size", 70, "--overwrite")
    assert f"Warning: {tmp_path}/older.txt: skipped, is a vocabulary" in result.stderr
    assert lines_of(output) == expected


def test_stdin_and_stdout(corpus: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(corpus, output, "--size", 70)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    result = vocab("-", "--output", "-", "--size", "70", stdin=TEXT)
    assert result.exit_code == 0
    assert result.stdout_bytes == output.read_bytes()
    assert "\nlines  " in result.stderr


def test_a_file_that_is_there_stays_unless_told(corpus: Path, output: Path) -> None:
    output.write_text("mine\n")
    result = vocab(corpus, "--output", output)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {output}: already exists. Name another --output, or pass --overwrite\n"
    )
    assert output.read_text() == "mine\n"


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--output", "."], 2, ".: is a folder. Name a file in it: --output vocab.txt"),
        (["--output", "no/v.txt"], 2, "no: no such folder. Create it, or name another --output"),
        (["--output", "v.txt", "--size", "5"], 2, "size must be between 6 (the special and"),
        (["--output", "v.txt", "--min-frequency", "0"], 2, "min_frequency must be at least 1, got"),
        (["--output", "v.txt", "--limit-alphabet", "0"], 2, "limit_alphabet must be at least 1"),
        (["--output", "v.txt", "--pad-to-multiple", "0"], 2, "pad_to_multiple must be at least 1"),
        (["--output", "v.txt", "--workers", "0"], 2, "workers must be at least 1, got 0"),
        (["--output", "v.txt", "--unused", "-1"], 2, "unused must be 0 or more, got -1"),
        (["--output", "v.txt", "--extend", "no.txt"], 2, "no.txt: no such file."),
        (["--output", "v.txt", "--max-line-chars", "9"], 1, "corpus.txt:1: line is 16 characters"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(
    flags: Sequence[str],
    status: int,
    message: str,
    corpus: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(corpus.parent)
    result = vocab("corpus.txt", *flags)
    assert result.exit_code == status
    assert result.stderr.startswith(f"Error: {message}")
    assert result.stderr.count("\n") == 1
    assert [path.name for path in corpus.parent.iterdir()] == ["corpus.txt"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"fine\n\nbad \xff\n", "corpus.txt:3: not UTF-8 (byte 0xff). Fix the line"),
        (b"", "corpus.txt: all files are empty"),
        (b" \n\n", "corpus.txt: no words, all lines are blank"),
    ],
)
def test_text_that_gives_no_vocabulary(
    data: bytes, message: str, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus.parent)
    corpus.write_bytes(data)
    result = vocab("corpus.txt", "--output", "v.txt", "--quiet")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {message}")
    assert [path.name for path in corpus.parent.iterdir()] == ["corpus.txt"]


def test_mended_lines_are_told(corpus: Path, output: Path) -> None:
    corpus.write_bytes(TEXT.encode() + b"bad \xff\n")
    result = vocab(corpus, "--output", output, "--encoding-errors", "skip")
    assert "Warning: 1 line with invalid UTF-8 or NUL bytes skipped" in result.stderr
    assert "##b" not in lines_of(output)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "published.txt"
    letters = sorted(set(TEXT) - set(" \n,"))
    pieces = [*letters, *("##" + letter for letter in letters), "the", ","]
    slots = ["[PAD]", "[unused1]", "[unused7]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused99]"]
    path.write_text("\n".join([*slots, *pieces]) + "\n")
    return path


def test_slots_get_the_words_that_save_most(corpus: Path, output: Path, published: Path) -> None:
    corpus.write_text(TEXT + "µ µ µ\n")
    result = vocab(corpus, "--output", output, "--extend", published)
    before, after = lines_of(published), lines_of(output)
    # By count x (pieces - 1): leave 6 x 4, ferry 6 x 4, ferryman 3 x 7.
    assert [after[1], after[2], after[7]] == ["ferry", "leave", "ferryman"]
    assert [line for number, line in enumerate(after) if number not in (1, 2, 7)] == [
        line for number, line in enumerate(before) if number not in (1, 2, 7)
    ]
    shown = result.stdout
    assert "filled              3 of 3 [unusedN] lines" in shown
    tokenizers = FullTokenizer(published), FullTokenizer(output)
    ratios = []
    for tokenizer in tokenizers:
        words = tokenizer.basic_tokenizer.tokenize(TEXT)
        pieces = sum(len(tokenizer.wordpiece_tokenizer.tokenize(word)) for word in words)
        ratios.append(pieces / len(words))
    assert f"pieces per word     {ratios[0]:.3f}, now {ratios[1]:.3f}" in shown
    assert "[UNK]               7.14% of words, now 7.14%" in shown
    assert "new words           ferry  leave  ferryman" in shown


def test_unknown_words_are_worth_their_characters(
    corpus: Path, output: Path, published: Path
) -> None:
    corpus.write_text("µ µ µ ab\n")
    result = vocab(corpus, "--output", output, "--extend", published, "--min-frequency", 1)
    assert "Warning: only 2 words for 3 lines" in result.stderr
    assert lines_of(output)[1:3] == ["µ", "ab"]
    assert lines_of(output)[7] == "[unused99]"


def test_a_report_without_new_words(corpus: Path, output: Path, published: Path) -> None:
    corpus.write_text("the the\n")
    result = vocab(corpus, "--output", output, "--extend", published)
    assert result.exit_code == 0
    assert "Warning: only 0 words for 3 lines" in result.stderr
    assert "new words" not in result.stdout
    assert output.read_bytes() == published.read_bytes()


def test_size_is_the_most_slots_to_fill(corpus: Path, output: Path, published: Path) -> None:
    make(corpus, output, "--extend", published, "--size", 1)
    assert lines_of(output)[1:3] == ["ferry", "[unused7]"]


def test_what_is_extended_keeps_its_bytes(corpus: Path, output: Path, published: Path) -> None:
    published.write_bytes(published.read_bytes().replace(b"\n", b"\r\n").removesuffix(b"\r\n"))
    make(corpus, output, "--extend", published, "--size", 1)
    expected = published.read_bytes().replace(b"[unused1]\r", b"ferry\r")
    assert output.read_bytes() == expected


def test_a_vocabulary_without_slots_cannot_be_extended(
    corpus: Path, output: Path, published: Path
) -> None:
    published.write_text("\n".join([*SPECIAL_TOKENS, "a"]))
    result = vocab(corpus, "--output", output, "--extend", published)
    assert result.exit_code == 2
    assert f"{published}: has no [unusedN] lines to fill" in result.stderr


def test_a_cased_vocabulary_is_noticed(corpus: Path, output: Path, published: Path) -> None:
    published.write_text(published.read_text() + "The\nFerry\nLeaves\nMen\nGo\nHome\n")
    result = vocab(corpus, "--output", output, "--extend", published)
    assert "Warning: the vocabulary has 6 pieces with capitals" in result.stderr


@pytest.mark.parametrize("flag", ["--unused", "--limit-alphabet", "--pad-to-multiple"])
def test_flags_of_a_new_vocabulary_do_not_go_with_extend(
    flag: str, corpus: Path, output: Path, published: Path
) -> None:
    result = vocab(corpus, "--output", output, "--extend", published, flag, "8")
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {flag} is for a new vocabulary: one that is extended keeps its lines\n"
    )


def test_defaults_of_the_options() -> None:
    options = VocabOptions(("a",), Path("b"))
    assert (options.lines, options.min_frequency, options.limit_alphabet) == (30522, 2, None)
    assert options.tokenizer == TokenizerOptions()
    assert VocabOptions(("a",), Path("b"), extend=Path("c")).size is None


def test_only_the_slots_of_the_sample_vocabulary_change(sample_corpus: Path, output: Path) -> None:
    old = Vocabulary.load(sample_corpus / "vocab.txt").tokens
    make(sample_corpus, output, "--extend", sample_corpus / "vocab.txt")
    changed = Vocabulary.load(output).tokens
    slots = [number for number, token in enumerate(old) if token.startswith("[unused")]
    assert [number for number, token in enumerate(old) if token != changed[number]] == slots
    assert len(slots) == 20
    assert len(old) == len(changed)
    assert not {changed[number] for number in slots} & set(old)


def test_a_corpus_that_is_overwritten_during_the_run_is_named(
    corpus: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_blocks = counting.read_blocks

    def read_then_overwrite(split: Split, *arguments: Any) -> Iterator[Block]:
        yield from read_blocks(split, *arguments)
        corpus.write_text(TEXT[::-1])
        os.utime(corpus, ns=(1, 1))

    monkeypatch.setattr(counting, "read_blocks", read_then_overwrite)
    result = vocab(corpus, "--output", output, "--workers", 1)
    assert result.exit_code == 1
    assert (
        f"Error: {corpus}: the file was written to during the run: it has changed" in result.stderr
    )
    assert not output.exists()
