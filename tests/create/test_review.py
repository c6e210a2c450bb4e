"""The review: warnings for mistakes in the corpus and for nothing else, each reported once;
estimates against real runs; `--dry-run` writes nothing.
"""

import bz2
import gzip
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from foreseen import LINE, without_line

from bertprep.cli import main
from bertprep.corpus import find_inputs, measure_text_bytes
from bertprep.create import pipeline as create_module
from bertprep.create.job import Job, make_job
from bertprep.create.review import Review, count_tokens, find
from bertprep.create.review import sample as sampling
from bertprep.create.review.estimate import Estimate, build_sample, estimate
from bertprep.create.review.findings import CHECKS
from bertprep.create.review.report import about, in_time
from bertprep.create.review.sample import Sample, take_sample
from bertprep.create.review.text_problems import Evidence
from bertprep.create.worker import warm_up
from bertprep.options import (
    CorpusOptions,
    CreateOptions,
    InstanceOptions,
    RecordOptions,
    TokenizerOptions,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, sample_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a text and a vocabulary."""
    monkeypatch.chdir(tmp_path)
    Path("good.txt").write_bytes((sample_corpus / "english-a.txt").read_bytes())
    Path("vocab.txt").write_bytes((sample_corpus / "vocab.txt").read_bytes())
    return tmp_path


@pytest.fixture
def english() -> str:
    return Path("good.txt").read_text()


def options(*inputs: str, **more: object) -> CreateOptions:
    values: dict[str, object] = {"vocab": Path("vocab.txt"), "workers": 1} | more
    return CreateOptions(inputs=inputs or ("a.txt",), output=Path("out"), **values)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Reviewed:
    """A sample, with what its review leads to."""

    sample: Sample
    estimate: Estimate
    findings: dict[str, str]


def prepare(given: CreateOptions) -> Job:
    return make_job(given, Path("out"), Path("work"))


def review(given: CreateOptions) -> Reviewed:
    job = prepare(given)
    warm_up(job)
    sample = take_sample(job)
    records = build_sample(job, sample)
    findings = find(CHECKS, Evidence(job, count_tokens(job, sample, records), sample))
    return Reviewed(sample, estimate(job, sample, records), findings)


def names_of(text: str, **more: object) -> dict[str, str]:
    """Return the findings in a text, by name."""
    Path("a.txt").write_text(text)
    return review(options(**more)).findings


def dry_run(*arguments: str, stdin: bytes = b"") -> Result:
    files = ["--vocab", "vocab.txt", "--output", "out", "--workers", "1", "--dry-run"]
    return CliRunner().invoke(main, ["create", *files, *arguments], input=stdin)


def create(*arguments: str, stdin: bytes = b"") -> Result:
    files = ["--vocab", "vocab.txt", "--output", "out", "--workers", "1"]
    return CliRunner().invoke(main, ["create", *files, *arguments], input=stdin)


def tree() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*"))


def pieces(*more: str) -> None:
    """Writes a vocabulary of letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    ordinary = [f"{mark}{letter}" for mark in ("", "##") for letter in letters]
    Path("vocab.txt").write_text("\n".join([*SPECIAL, *".,?'", *ordinary, *more]))


# Findings.


def test_good_text_has_nothing_to_warn_of(sample_corpus: Path) -> None:
    vocab = sample_corpus / "vocab.txt"
    assert review(options(str(sample_corpus), vocab=vocab)).findings == {}
    for path in sorted(sample_corpus.glob("*.txt")):
        if path.name not in ("vocab.txt", "scripts.txt"):
            assert review(options(str(path))).findings == {}, path


def test_empty_lines_between_sentences(english: str) -> None:
    apart = names_of(re.sub(r"\n+", "\n\n", english))
    assert set(apart) == {"one_sentence"}
    assert apart["one_sentence"].startswith("every document has one sentence (for example a.txt:1)")
    most = re.sub(r"\n+", "\n\n", english) + "One more.\nWith two.\n"
    assert re.match(r"\d\d% of the documents have one sent", names_of(most)["one_sentence"])
    assert names_of("Two.\nSentences.\n\nAlone.\n\nAgain.\nTwo.\n") == {}


def test_no_empty_lines(english: str) -> None:
    joined = re.sub(r"\n+", "\n", english)
    assert names_of(joined)["documents"].startswith("the corpus is a single document")
    Path("b.txt").write_text(joined * 4)
    Path("c.txt").write_text(joined * 4)
    assert review(options("b.txt", "c.txt")).findings == {
        "documents": "the text has no empty lines, so each of its 2 files is one document "
        "(for example b.txt, 240.2 KB). Put an empty line between documents"
    }
    Path("large.txt").write_text(joined * 50)
    reviewed = review(options("large.txt"))
    assert set(reviewed.findings) == {"documents"}
    assert not reviewed.sample.is_whole
    # Files of one short document each are a usual way to keep a corpus.
    for number, document in enumerate(english.split("\n\n")):
        Path(f"short-{number}.txt").write_text(document)
    assert review(options("short-*.txt")).findings == {}


def test_large_documents_leave_room_for_others(english: str) -> None:
    long = re.sub(r"\n+", "\n", english) * 10  # 600 KB, more than a place wants
    Path("a.txt").write_text(f"{long}\n\n" * 4 + f"{english}\n\n" * 40)
    reviewed = review(options())
    assert reviewed.findings == {}
    assert reviewed.estimate.documents == pytest.approx(4 + 40 * 34, rel=0.1)
    assert reviewed.sample.num_bytes < 3_000_000


def test_a_giant_document(english: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "LARGEST_BLOCK_BYTES", 100_000)
    giant = re.sub(r"\n+", "\n", english) * 4
    Path("a.txt").write_text(f"{english}\n{giant}\n\n{english}")
    reviewed = review(options())
    (finding,) = reviewed.findings.values()
    start = len(english.split("\n")) + 1
    assert finding.startswith(f"a.txt:{start}: the document that starts here is 240.2 KB long, so")
    # Only its start is tokenized.
    assert not reviewed.sample.is_whole
    assert 150_000 < reviewed.sample.num_bytes < 250_000


def test_a_giant_document_is_read_once(english: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PLACE_BYTES", 100), ("LARGEST_BLOCK_BYTES", 1000)):
        monkeypatch.setattr(sampling, name, value)
    Path("a.txt").write_text(re.sub(r"\n+", "\n", english) + "\n\n" + english)
    opened: list[int] = []

    def read_blocks(*arguments: object) -> object:
        opened.append(1)
        return real(*arguments)  # type: ignore[arg-type]

    real = sampling.read_blocks
    monkeypatch.setattr(sampling, "read_blocks", read_blocks)
    assert "document that starts here" in review(options()).findings["documents"]
    assert 20 < len(opened) < 70  # of 128 places, half of which are in the giant


def test_a_word_a_line(english: str) -> None:
    found = names_of(english.replace(" ", "\n"))
    assert set(found) == {"one_token"}
    assert re.match(
        r"\d\d% of the lines are a single token \(for example a.txt:1\)", found["one_token"]
    )
    assert names_of(english.replace("\n\n", "\n\nHeading\n")) == {}


def test_sentences_longer_than_an_instance(english: str) -> None:
    paragraphs = re.sub(r"(?<!\n)\n(?!\n)", " ", english).replace("\n\n", "\nSo.\n\n")
    paragraphs += "\n".join(["The end."] * 50)
    found = names_of(paragraphs)
    assert set(found) == {"truncated"}
    assert re.match(
        r"\d\d% of the lines are longer than the 125 tokens that fit in an instance "
        r"\(longest: 6\d\d tokens, a.txt:\d+\), and \d\d% of the tokens are truncated",
        found["truncated"],
    )
    line = int(found["truncated"].split("a.txt:")[1].split(")")[0]) - 1
    assert max(paragraphs.split("\n"), key=len) == paragraphs.split("\n")[line]
    assert names_of(paragraphs, instances=InstanceOptions(max_seq_length=1024)) == {}


def test_unknown_words_are_named() -> None:
    pieces()
    text = "one two three.\nfour , five.\n\nsix 77 seven.\neight 77 . 8 z\u00df\n"
    found = names_of(text)
    assert set(found) == {"unknown"}
    assert "such as 77 2x, 8 1x, zß 1x (a.txt:4)" in found["unknown"]
    assert "the vocabulary lacks 7 2x, 8 1x, ß 1x" in found["unknown"]
    assert names_of("one two three.\nfour , five.\n\nsix seven.\neight.\n") == {}


@pytest.mark.parametrize("mode", ["skip", "replace"])
def test_lines_without_a_sentence_do_not_move_the_others(mode: str) -> None:
    pieces()
    text = b"\xef\xbb\xbf\nfirst one\n\xe2\x80\x8b\nbad \xff line 9\n\nlast 77 one\nend\n"
    Path("a.txt").write_bytes(text)
    reviewed = review(options(corpus=CorpusOptions(encoding_errors=mode)))
    (sampled,) = reviewed.sample.blocks
    assert sampled.sentence_lines.tolist() == [1, *([3] if mode == "replace" else []), 5, 6]
    (finding,) = reviewed.findings.values()
    shown = "9 1x, 77 1x (a.txt:4)" if mode == "replace" else "77 1x (a.txt:6)"
    assert f"such as {shown}" in finding


def test_a_casing_that_does_not_fit_shows_in_the_text(english: str) -> None:
    pieces()
    found = names_of(english, tokenizer=TokenizerOptions(lowercase=False))
    assert "If the model is uncased, pass --lowercase." in found["casing"]
    assert "(1.9% of the letters of the text are uppercase.)" in found["casing"]
    pieces(*"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    cased = TokenizerOptions(lowercase=False)
    assert "casing" not in names_of(english, tokenizer=cased)
    lowered = names_of(english.lower(), tokenizer=cased)
    assert lowered["casing"].startswith("the vocabulary is cased, but none of the 4")
    assert "If the text was lowercased" in lowered["casing"]
    assert "pass --no-lowercase" in names_of(english)["casing"]


def test_a_vocabulary_whose_pieces_no_text_becomes(english: str) -> None:
    pieces("niño", "año")
    found = names_of(english)
    assert "2 pieces of the vocabulary" in found["unreachable"]
    assert "pass --no-strip-accents" in found["unreachable"]
    assert "unreachable" not in names_of(english, tokenizer=TokenizerOptions(strip_accents=False))
    # Ġ is a capital letter, but the reason is another.
    pieces(*(f"Ġ{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"))
    found = names_of(english)
    assert "byte-level BPE" in found["unreachable"]
    assert "casing" not in found


@pytest.mark.parametrize(
    ("text", "example"),
    [
        (
            "がくせい\nでんわ\n\nみず\n",
            'that Hiragana needs: "がくせい" becomes "かくせい" (a.txt:1)',
        ),
        ("ガラス\nデンワ\n\nミズ\n", 'that Katakana needs: "ガラス" becomes "カラス" (a.txt:1)'),
        ("한국어\n서울\n\n한국\n", 'that Hangul needs: "한국어" becomes "ᄒ ᅡ ᆫ ᄀ ᅮ ᆨ ᄋ ᅥ" (a.txt:1)'),
        ("दिल्ली में\nभारत\n\nहिन्दी\n", 'that Devanagari needs: "दिल्ली" becomes "दिलली" (a.txt:1)'),
        ("ещё мой\nдом\n\nзимний\n", 'that Cyrillic needs: "мой" becomes "мои" (a.txt:1)'),
    ],
)
def test_accents_stripped_from_a_script_that_needs_them(text: str, example: str) -> None:
    characters = sorted(set(text) - set(" \n"))
    pieces(*(f"{mark}{character}" for mark in ("", "##") for character in characters))
    found = names_of(text)
    assert example in found["accents"]
    assert re.search(r"Pass --no-strip-accents: \d+ pieces of the vocabulary", found["accents"])
    assert "unreachable" not in found  # the same, without an example of the text
    assert "accents" not in names_of(text, tokenizer=TokenizerOptions(strip_accents=False))
    pieces()
    assert "a vocabulary that was trained with it" in names_of(text)["accents"]


def test_accents_that_may_go_are_no_warning(english: str) -> None:
    for text in ("L'été à Zürich.\nÇa va.\n\nEl niño.\nŘeka.\n", "γειά σου\nέλα\n\nγιατί\nόχι\n"):
        assert "accents" not in names_of(text)
    # A little of a script in a text of another one.
    assert "accents" not in names_of(f"{english}\n한국어가 좋다.\n")
    # A vocabulary of the letters that Hangul falls apart into loses nothing.
    pieces(*(f"{mark}{chr(c)}" for mark in ("", "##") for c in range(0x1100, 0x1200)))
    assert names_of("한국어\n서울\n\n한국\n서울\n") == {}


FRENCH = (
    "L'été à la mer, c'est très agréable. Où êtes-vous né ?\nIl a mangé une crêpe.\n\n"
    "Le garçon va jusqu'à\u00a0»\u00a0là.\nÇa va «\u00a0à\u00a0» Noël.\n\n"
)


def misread(text: str, encoding: str = "cp1252") -> str:
    """UTF-8 read as another encoding; bytes that this does not have become control characters."""
    data = text.encode()
    return "".join(
        bytes([byte]).decode(encoding, "ignore") or bytes([byte]).decode("latin-1") for byte in data
    )


def test_text_that_was_read_in_the_wrong_encoding(english: str) -> None:
    found = names_of(FRENCH.encode().decode("latin-1") * 5)
    assert found["misread"].startswith('a.txt:1 contains "Ã©", as do 100.0% of the lines: ')
    curly = misread(english.replace("'", "\u2019"))
    assert names_of(curly)["misread"].startswith(
        'a.txt:20 contains "â€™", as do 11.3% of the lines'
    )
    for encoding in ("latin-1", "cp1252"):
        russian = misread("привет мир\nкак дела\n\n", encoding)
        assert "misread" in names_of(russian * 5)
    for good in (FRENCH * 5, "ÃO NÃO É MÃE.\nÂngela às três.\n\n" * 5, english + "Ã© once.\n"):
        assert "misread" not in names_of(good)


def test_letters_that_were_lost(english: str) -> None:
    found = names_of(english.replace("wh", "\ufffd"))
    assert found["replaced"].startswith("a.txt:2 contains U+FFFD, as do 23.5% of the lines")
    assert names_of(english + "One \ufffd.\n") == {}
    # What is replaced on request is not reported.
    Path("a.txt").write_bytes(english.encode().replace(b"wh", b"\xff"))
    mended = options(corpus=CorpusOptions(encoding_errors="replace"))
    assert review(mended).findings == {}


def test_markup_left_in_the_text(english: str) -> None:
    for part in ("<br/>", '<a href="x">', "</DIV>", "&amp;", "&#8217;", '<doc id="1" url="u">'):
        found = names_of(english.replace(".\n", f"{part}.\n"))
        assert f'contains "{part}", as ' in found["markup"]
    for good in (
        english + "The tag <b> makes letters bold.\n",
        "a < b & c > d\nR&D; AT&T;\n\n" * 9,
    ):
        assert "markup" not in names_of(good)


def test_a_text_of_which_nothing_is_known_is_no_mistake() -> None:
    # The first two megabytes are blank: the rest is for the run to find.
    Path("a.txt").write_text("\n" * 20_000_000 + "One here.\nTwo.\n\nThree.\nFour.\n")
    result = create("a.txt")
    assert result.exit_code == 0, result.output
    assert json.loads(Path("out/manifest.json").read_text())["counts"]["documents"] == 2
    assert without_line(result.stderr) == ""


def test_findings_of_different_kinds_come_together() -> None:
    text = "<p>がくせい Ã© Ã© Ã©</p>\n\n" * 9
    names = list(names_of(text))
    assert names == ["misread", "markup", "one_sentence", "accents", "unknown"]


# Each check reports once.


def test_results_do_not_repeat_the_findings_of_the_sample() -> None:
    Path("a.txt").write_text("One.\n\nTwo ᚠᛇᚻ.\n\nThree.\n")
    result = create("a.txt", "--max-seq-length", "5")
    assert result.exit_code == 0
    texts = without_line(result.stderr).splitlines()
    assert [text.split(",")[0].split("(")[0] for text in texts] == [
        "Warning: every document has one sentence ",
        "Warning: 33% of the lines are longer than the 2 tokens that fit in an instance ",
        "Warning: 14.3% of the tokens are [UNK]",
    ]


def test_a_resumed_run_reports_everything_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    Path("a.txt").write_text("One.\n\nTwo ᚠᛇᚻ.\n\nThree.\n")
    build = create_module._build
    monkeypatch.setattr(create_module, "_build", fail)
    create("a.txt")
    monkeypatch.setattr(create_module, "_build", build)
    lines = create("a.txt").stderr.splitlines()
    assert len(lines) == 3
    assert lines[0] == "out: resuming an earlier run"
    assert lines[1].startswith("Warning: every document has one sentence, so no instance has a ")
    assert re.match(r"Warning: 1\d\.\d% of the tokens are \[UNK\]: does the vocabulary", lines[2])


COUNTS = [
    {"documents": 1, "one_sentence": 1},
    {"documents": 3, "one_sentence": 3},
    {"unknown_tokens": 50, "tokens": 100},
    {"truncated_tokens": 50, "instance_tokens": 50},
    {"invalid_lines": 2},
    {"skipped_documents": 2},
    {"unsplit_lines": 2},
    {"empty_partitions": 1},
    {"words": 10, "tokens": 40, "joined_tokens": 3},
    {"words": 10, "tokens": 10, "joined_tokens": 0},
    {"unaligned_lines": 2},
]


@pytest.mark.parametrize("counts", COUNTS, ids=lambda counts: next(iter(counts)))
def test_a_count_is_reported_once(counts: dict[str, int]) -> None:
    reviewed = Review(prepare(options("good.txt")))
    assert len(reviewed.counts(counts)) == 1
    assert reviewed.counts(counts) == []


def test_every_check_of_counts_is_tested_here() -> None:
    job = prepare(options("good.txt"))
    reported = set()
    for counts in COUNTS:
        reviewed = Review(job)
        reviewed.counts(counts)
        reported |= {check.name for check in CHECKS} - set(reviewed._pending)
    assert reported == {check.name for check in CHECKS if not check.needs_sample}


# The estimate.


@pytest.fixture
def large(english: str) -> str:
    """A corpus of 3.6 MB, of two kinds of documents: more than a sample."""
    other = english.replace(" ", "\n", 2000).lower()
    Path("large.txt").write_text((f"{english}\n\n" * 30) + f"{other}\n\n" * 30)
    return "large.txt"


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--dupe-factor", "1", "--max-seq-length", "64"],
        ["--dupe-factor", "12", "--eval-fraction", "0.2", "--num-partitions", "3"],
        ["--compression", "gzip", "--dupe-factor", "2", "--quirks", "fix"],
    ],
    ids=["default", "short", "held out", "gzip"],
)
def test_estimates_are_within_five_percent(large: str, flags: list[str]) -> None:
    page = dry_run(large, *flags)
    assert page.exit_code == 0, page.output
    assert create(large, *flags).exit_code == 0
    manifest = json.loads(Path("out/manifest.json").read_text())
    said = re.search(r"^records +about ([\d,]+)$", page.stdout, re.MULTILINE)
    assert said
    assert int(said[1].replace(",", "")) == pytest.approx(manifest["counts"]["instances"], rel=0.05)
    size = re.search(r"^size +([\d.]+) MB", page.stdout, re.MULTILINE)
    assert size
    files = [path.stat().st_size for path in Path("out").rglob("tf_examples*")]
    assert float(size[1]) * 1e6 == pytest.approx(sum(files), rel=0.05)


def test_the_estimate_of_a_small_corpus_is_exact(sample_corpus: Path) -> None:
    result = create(str(sample_corpus), "--vocab", str(sample_corpus / "vocab.txt"))
    (line,) = result.stderr.splitlines()
    counts = json.loads(Path("out/manifest.json").read_text())["counts"]
    assert counts["instances"] == 5253
    assert line == (
        "4 files of text, 146.7 KB: 89 documents -> 5,253 records, 4.2 MB, in a few seconds"
    )


def test_the_sample_is_small_even_and_the_same_again(large: str) -> None:
    job = prepare(options(large))
    first, second = take_sample(job), take_sample(job)
    assert not first.is_whole
    assert 1_900_000 < first.num_bytes < 2_300_000
    offsets = [sampled.block.offset for sampled in first.blocks]
    assert offsets == sorted(set(offsets)) == [sampled.block.offset for sampled in second.blocks]
    size = Path(large).stat().st_size
    for quarter in range(4):
        inside = [o for o in offsets if quarter <= o * 4 // size < quarter + 1]
        assert len(inside) == pytest.approx(len(offsets) / 4, rel=0.2)
    assert take_sample(replace(job, files=(), text_bytes=0)).num_bytes == 0


def test_places_are_spread_over_many_small_files(english: str) -> None:
    documents = english.split("\n\n")
    for number in range(3000):
        Path(f"many-{number:04d}.txt").write_text(documents[number % len(documents)])
    given = options("many-*.txt")
    job = prepare(given)
    sample = take_sample(job)
    assert 1_900_000 < sample.num_bytes < 2_300_000
    numbers = [int(sampled.block.file.path[5:9]) for sampled in sample.blocks]
    assert numbers[0] < 30
    assert numbers[-1] > 2900


def test_of_very_many_small_files_some_from_every_place_are_read() -> None:
    for number in range(6000):
        Path(f"many-{number:04d}.txt").write_text("A line.\nAnother one.\n")
    sample = take_sample(prepare(options("many-*.txt")))
    assert not sample.is_whole
    numbers = [int(sampled.block.file.path[5:9]) for sampled in sample.blocks]
    assert 3000 < len(numbers) < 4200
    assert numbers == sorted(numbers)
    assert (numbers[0], numbers[-1] > 5600) == (0, True)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_compressed_files_are_measured(pack: Callable[[bytes], bytes], english: str) -> None:
    text = english.encode() * 50  # 3 MB, which packs better than the usual guess
    Path("a.txt.packed").write_bytes(pack(text))
    files = find_inputs(
        ["a.txt.packed"], vocab=Path("vocab.txt"), output=Path("out"), spool=Path("spool")
    ).files
    assert measure_text_bytes(files, CorpusOptions()) == pytest.approx(len(text), rel=0.1)
    reviewed = review(options("a.txt.packed"))
    assert reviewed.findings == {}
    assert reviewed.estimate.text_bytes == pytest.approx(len(text), rel=0.1)


def test_memory_follows_workers_and_the_largest_document(large: str) -> None:
    one, four = (review(options(large, workers=n, num_partitions=8)) for n in (1, 4))
    assert 100e6 < one.estimate.memory_bytes < 300e6
    per_worker = (four.estimate.memory_bytes - one.estimate.memory_bytes) / 3
    assert 50e6 < per_worker < 150e6
    many = options(large, instances=InstanceOptions(dupe_factor=100))
    assert review(many).estimate.memory_bytes > 1.5 * one.estimate.memory_bytes


def test_time_follows_work_and_workers(large: str) -> None:
    def seconds(**more: object) -> float:
        return review(options(large, **more)).estimate.seconds

    once = seconds(instances=InstanceOptions(dupe_factor=1))
    assert seconds(instances=InstanceOptions(dupe_factor=100)) > 10 * once
    assert seconds(records=RecordOptions(compression="gzip")) > 1.5 * seconds()


@pytest.mark.parametrize(
    ("number", "exact", "said"),
    [
        (0, True, "0"),
        (1471, True, "1,471"),
        (1471, False, "about 1,470"),
        (474_794, False, "about 475,000"),
        (99.7, False, "about 100"),
        (7.2, False, "about 7"),
        (1_234_567_890, False, "about 1,230,000,000"),
    ],
)
def test_counts_are_as_precise_as_they_are_known(number: float, exact: bool, said: str) -> None:
    assert about(number, exact) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "a few seconds"),
        (9.9, "a few seconds"),
        (43, "about 40 s"),
        (94, "about 90 s"),
        (95, "about 2 min"),
        (3600, "about 60 min"),
        (9000, "about 2.5 hours"),
        (400_000, "about 4.6 days"),
    ],
)
def test_times_are_as_rough_as_they_are_known(seconds: float, said: str) -> None:
    assert in_time(seconds) == said


# `--dry-run`.


def test_a_dry_run_shows_the_page_and_writes_nothing() -> None:
    before = tree()
    result = dry_run("good.txt")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert tree() == before
    names = [re.split(r"  +", line)[0] for line in result.stdout.splitlines() if line[:1] > " "]
    assert names == [
        *("input", "documents", "sentences", "tokens", "largest document", "longest sentence"),
        *("longest line", "[UNK]", "partitions", "shards", "records", "size", "memory", "time"),
        *("output", "no problems found", "tokenization of sample sentences"),
    ]
    assert "good.txt:1\n    A loaf begins with patience" in result.stdout
    assert "\n    a lo ##a" in result.stdout
    assert create("good.txt").exit_code == 0


@pytest.mark.parametrize("columns", ["80", "60", "200"])
def test_the_page_fits_a_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    Path("a.txt").write_text("東京" * 200 + "\n\n" + "word " * 300 + "\n\n" + "한국어 \u0378 " * 50)
    lines = dry_run("a.txt", "--max-seq-length", "10").stdout.splitlines()
    for line in lines:
        wide = sum(unicodedata.east_asian_width(character) in "WF" for character in line)
        assert len(line) + wide <= min(int(columns), 100), line
    assert any("\\u0378" in line for line in lines)
    assert sum(line.startswith("Warning: ") for line in lines) >= 3


def test_a_dry_run_shows_the_state_of_the_output() -> None:
    assert "out: will be created" in dry_run("good.txt").stdout
    assert create("good.txt").exit_code == 0
    before = tree()
    assert "out: is already complete, nothing to do" in dry_run("good.txt").stdout
    other = ["good.txt", "--max-seq-length", "64"]
    assert dry_run(*other).stderr.startswith("Error: out: made by another command (max_seq_length")
    assert "output of another command will be removed" in " ".join(
        dry_run(*other, "--overwrite").stdout.split()
    )
    Path("out", "manifest.json").rename("manifest.json")
    assert "an earlier run will be resumed" in dry_run("good.txt").stdout
    Path("manifest.json").rename("out/manifest.json")
    assert tree() == before


@pytest.mark.parametrize(
    "flags",
    [
        ["nope.txt"],
        ["good.txt", "--dupe-factor", "0"],
        ["good.txt", "--num-shards", "7", "--num-partitions", "2"],
        ["good.txt", "--output", "good.txt"],
        ["good.txt", "--output", "good.txt/out"],
        ["good.txt", "--output", "there"],
        ["good.txt", "--vocab", "good.txt"],
        ["good.txt", "--max-document-bytes", "10"],
        ["bad.txt"],
        ["empty.txt"],
        ["blank.txt"],
        ["single.txt", "--quirks", "fix"],
        ["wide.txt"],
    ],
    ids=" ".join,
)
def test_mistakes_are_the_same_in_a_dry_run(flags: list[str]) -> None:
    Path("bad.txt").write_bytes(b"a\n\nb\nc\xff\n")
    Path("empty.txt").write_bytes(b"")
    Path("blank.txt").write_bytes(b"\n \n")
    Path("single.txt").write_bytes(b"One.\nTwo.\n")
    Path("wide.txt").write_bytes("a\n".encode("utf-16"))
    Path("there").mkdir()
    Path("there", "tf_examples.tfrecord-00000-of-00001").write_bytes(b"")
    before = tree()
    real, dry = create(*flags), dry_run(*flags)
    assert dry.exit_code == real.exit_code > 0
    assert dry.stdout == ""
    last = real.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert dry.stderr.splitlines()[-1] == last
    assert tree() == before


def test_quiet_prints_nothing() -> None:
    Path("a.txt").write_text("One.\n\nTwo.\n")
    for result in (dry_run("a.txt", "--quiet"), create("a.txt", "--quiet")):
        assert (result.exit_code, result.output) == (0, "")


def test_stdin_can_be_sampled(english: str) -> None:
    before = tree()
    for text in (english.encode(), gzip.compress(english.encode())):
        result = dry_run("-", stdin=text)
        assert result.exit_code == 0, result.output
        assert re.search(r"^records +[12],\d{3}$", result.stdout, re.MULTILINE)
        assert "\n  -:1\n    A loaf" in result.stdout
    assert tree() == before
    result = dry_run("-", stdin=b"")
    assert result.stderr.endswith("Error: -: all input files are empty. Name other files\n")


def test_a_resumed_run_takes_no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    build = create_module._build
    monkeypatch.setattr(create_module, "_build", fail)
    assert LINE.search(create("good.txt").stderr)
    monkeypatch.setattr(create_module, "_build", build)
    assert create("good.txt").stderr == "out: resuming an earlier run\n"
    assert create("good.txt").stderr == ""


def test_far_into_a_file_a_location_is_a_byte_offset(
    english: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_MOST_BYTES_READ_BACK", 20_000)
    Path("a.txt").write_text(english * 50)
    given = options()
    job = prepare(given)
    text = Path("a.txt").read_bytes()
    seen = set()
    for sampled in take_sample(job).blocks:
        where = sampled.where(3)
        kind, place = (":" if ":" in where else ", byte "), re.split(r":|, byte ", where)[1]
        seen.add(kind)
        if kind == ":":
            line = text.split(b"\n")[int(place) - 1]
        else:
            line = text[int(place.replace(",", "")) :].lstrip(b"\n").split(b"\n")[0]
        assert line.decode() == sampled.lines[3] or not sampled.lines[3]
    assert seen == {":", ", byte "}


def test_evidence_counts_what_is_there() -> None:
    Path("a.txt").write_text("Ab c\nÉ 東\n\n한\n", "utf-8")
    given = options()
    job = prepare(given)
    sample = take_sample(job)
    evidence = Evidence(job, Counter(), sample)
    assert evidence.capitals == (2, 4)
    assert evidence.num_lines == 3
    assert evidence.count_between(ord("A"), ord("Z")) == 1
    assert evidence.characters["東"] == 1


def test_one_sentence_a_document_has_the_advice_of_its_format() -> None:
    rows = ["The kettle sang.", "Nobody heard it.", "A red boat came in."] * 5
    Path("lines.txt").write_text("\n\n".join(rows) + "\n")
    assert "Put empty lines between documents" in " ".join(dry_run("lines.txt").output.split())
    Path("paragraphs.txt").write_text("\n\n".join([" ".join(rows[:3])] * 9) + "\n")
    found = " ".join(dry_run("paragraphs.txt").output.split())
    assert "paragraphs of several sentences: pass --split-sentences" in found
    Path("rows.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    found = " ".join(dry_run("rows.jsonl").output.split())
    assert "pass --rows lines; if a row is a document" in found
    assert "empty lines between" not in found


def test_a_single_document_has_the_advice_of_its_format() -> None:
    sentences = ["The kettle sang.", "Nobody heard it.", "A red boat came in."]
    Path("a.jsonl").write_text(json.dumps({"text": "\n".join(sentences)}) + "\n")
    found = " ".join(dry_run("a.jsonl").output.split())
    assert "single document" in found
    assert "put each document in a row of its own" in found
    assert "empty line" not in found
    Path("rows.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in sentences))
    found = " ".join(dry_run("rows.jsonl", "--rows", "lines").output.split())
    assert "Put an empty row between documents" in found
    Path("a.txt").write_text("\n\n".join(sentences) + "\n")
    flags = ("--format", "paragraphs", "--document-break", "file", "--split-sentences", "en")
    found = " ".join(dry_run("a.txt", *flags).output.split())
    assert "With --document-break file each file is one: name more files" in found
