"""Sentence splitters beside each other: how well they find the borders, and megabytes a second.

Quality is measured on `sentence_cases.txt`, hard sentences of our own in many languages, and on
the English text, whose lines are joined to paragraphs and have to be found again. A border is the
number of characters before it, blanks not counted. Rates are of processor time, one thread, a call
a paragraph; then what `create --split-sentences` takes more than `create`.
"""

import re
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import processes
from corpora import Settings, first_bytes
from report import Report, Row
from splitters import SPLITTERS, Split, sentencex

_CASES = Path(__file__).with_name("sentence_cases.txt")
_UNSPACED = {"ja", "th", "zh"}
_BYTES = 2_000_000
#: A slow library gets fewer paragraphs: about so many seconds of them.
_SECONDS = 4.0
#: Text whose stops stand alone between blanks was tokenized before: no splitter is made for it.
_TOKENIZED = re.compile(r" [.,] ")
_PARAGRAPH_LINES = 6


@dataclass(frozen=True)
class Case:
    """A paragraph of the hard ones."""

    language: str
    what: str
    sentences: tuple[str, ...]

    @property
    def paragraph(self) -> str:
        """The text that a splitter gets."""
        return ("" if self.language in _UNSPACED else " ").join(self.sentences)


class Score:
    """Borders that were found, that are none, that were missed."""

    def __init__(self) -> None:
        self.found = self.wrong = self.missed = 0

    def add(self, expected: Sequence[str], pieces: Sequence[str]) -> None:
        """Counts one paragraph."""
        right, given = borders(expected), borders(pieces)
        self.found += len(right & given)
        self.wrong += len(given - right)
        self.missed += len(right - given)

    @property
    def shares(self) -> tuple[float, float, float]:
        """Precision, recall, and the harmonic mean of both, F1."""
        return (
            self.found / max(1, self.found + self.wrong),
            self.found / max(1, self.found + self.missed),
            2 * self.found / max(1, 2 * self.found + self.wrong + self.missed),
        )

    def __str__(self) -> str:
        precision, recall, f1 = self.shares
        return f"P {precision:.1%} R {recall:.1%} F1 {f1:.1%}"


def borders(pieces: Sequence[str]) -> set[int]:
    """Where the pieces meet, in characters that are no blanks; the end is no border."""
    found, count = set(), 0
    for piece in pieces:
        count += sum(map(len, piece.split()))
        found.add(count)
    return found - {0, count}


def read_cases(path: Path = _CASES) -> list[Case]:
    """The hard paragraphs, in the order of the file."""
    cases = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        head, *sentences = block.strip().splitlines()
        if head.startswith("== "):
            language, what = head.removeprefix("== ").split(" ", 1)
            cases.append(Case(language, what, tuple(sentences)))
    return cases


def score_cases(make: Callable[[str], Split], cases: Sequence[Case]) -> dict[str, Score]:
    """The score of each language that a splitter takes, and of "all" of them together."""
    scores = {"all": Score()}
    for case in cases:
        try:
            pieces = make(case.language)(case.paragraph)
        except ValueError:
            continue
        for name in ("all", case.language):
            scores.setdefault(name, Score()).add(case.sentences, pieces)
    return scores


def natural_paragraphs(text: str) -> list[list[str]]:
    """Paragraphs as lists of sentences; not of documents that somebody has tokenized before."""
    found = []
    for document in text.split("\n\n"):
        if 200 * len(_TOKENIZED.findall(document)) < len(document):
            found += paragraphs_of([line for line in document.split("\n") if line.strip()])
    return [paragraph for paragraph in found if len(paragraph) > 1]


def paragraphs_of(lines: list[str]) -> list[list[str]]:
    """The sentences of a document, some to a paragraph."""
    starts = range(0, len(lines), _PARAGRAPH_LINES)
    return [lines[start : start + _PARAGRAPH_LINES] for start in starts]


def measure(settings: Settings, report: Report, work: Path) -> None:
    """Runs the section."""
    with processes.one_core():
        _measure_splitters(settings, report)
        _measure_ours(settings, report, work)


def _measure_splitters(settings: Settings, report: Report) -> None:
    cases = read_cases()
    paragraphs = natural_paragraphs(first_bytes(settings.english.data, settings.bytes).decode())
    our_rate = 0.0
    for make in SPLITTERS:
        try:
            split = make("en")
        except ImportError as error:
            report.left_out(f"{make.__name__}: {error}")
            continue
        corpus, rates = _run_english(split, paragraphs, settings.repeat)
        scores = score_cases(make, cases)
        rate = statistics.median(rates)
        our_rate = our_rate or rate
        report.record(
            "splitter",
            splitter=make.__name__,
            rates=rates,
            corpus=corpus.shares,
            cases={name: score.shares for name, score in scores.items()},
        )
        report.add(
            Row(
                f"{make.__name__}: {len(scores) - 1} languages F1 {scores['all'].shares[2]:.1%}; "
                f"English {scores['en']}; text {corpus}",
                f"{our_rate / 1e6:.1f} MB/s",
                f"{rate / 1e6:.2f} MB/s",
                our_rate / rate,
            )
        )


def _run_english(
    split: Split, paragraphs: list[list[str]], repeat: int
) -> tuple[Score, list[float]]:
    """The borders that are found in the English text; bytes a second of each round."""
    step = max(1, sum(len(line) for lines in paragraphs for line in lines) // _BYTES)
    chosen = paragraphs[::step]
    score, rates = Score(), []
    for number in range(repeat):
        used, size = 0.0, 0
        for sentences in chosen:
            paragraph = " ".join(sentences)  # made anew: what is done once a string counts, too
            begin = time.process_time()
            pieces = split(paragraph)
            used += time.process_time() - begin
            size += len(paragraph.encode())
            if not number:
                score.add(sentences, pieces)
            if used > _SECONDS:
                break
        rates.append(size / used)
    return score, rates


def _measure_ours(settings: Settings, report: Report, work: Path) -> None:
    from bertprep.corpus.sentences import SentenceSplitter
    from bertprep.options import CorpusOptions

    text = first_bytes(settings.english.data, settings.bytes // 10).decode()
    documents = [document.split("\n") for document in text.split("\n\n")]
    paragraphs = _write_paragraphs(documents, work / "paragraphs.txt")
    try:
        splitter = SentenceSplitter(CorpusOptions(split_sentences="en"))
        split = sentencex("en")
    except ImportError as error:
        report.left_out(f"--split-sentences: {error}")
        return
    data = paragraphs.read_bytes()
    seconds: dict[str, list[float]] = {"ours": [], "library": [], "create": [], "with": []}
    sentences = work / "sentences.txt"
    sentences.write_bytes(splitter.split_block(data).data)
    for _ in range(settings.repeat):
        seconds["ours"].append(_processor_time(lambda: splitter.split_block(data)))
        seconds["library"].append(
            _processor_time(lambda: [None for line in data.decode().split("\n") if split(line)])
        )
        for name, path, flags in (
            ("create", sentences, ()),
            ("with", paragraphs, ("--split-sentences", "en")),
        ):
            output = work / "records"
            command = processes.create(path, settings.english.vocab, output, workers=1)
            seconds[name].append(processes.run([*command, *flags]).cpu)
            shutil.rmtree(output)
    report.record("run", bytes=len(data), seconds=seconds)
    taken = {name: statistics.median(runs) for name, runs in seconds.items()}
    rates = {name: len(data) / 1e6 / value for name, value in taken.items()}
    report.add(
        Row(
            "blocks of paragraphs to blocks of sentences, beside the library alone",
            f"{rates['ours']:.1f} MB/s",
            f"{rates['library']:.1f} MB/s",
            rates["ours"] / rates["library"],
        )
    )
    report.add(
        Row(
            "create --split-sentences en, beside create on the same sentences; processor time",
            f"{rates['with']:.1f} MB/s",
            f"{rates['create']:.1f} MB/s",
            rates["with"] / rates["create"],
        )
    )


def _write_paragraphs(documents: list[list[str]], path: Path) -> Path:
    with open(path, "w", encoding="utf-8") as file:
        for lines in documents:
            for paragraph in paragraphs_of(lines):
                file.write(" ".join(paragraph) + "\n")
            file.write("\n")
    return path


def _processor_time(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin
