"""Sentence splitters beside each other: how well they find the borders, and megabytes a second.

Quality is measured on `sentence_cases.txt`, hard sentences of our own in many languages, and on the
English text, whose lines are joined to paragraphs and have to be found again. A border is
the number of characters before it, blanks not counted. Rates are of processor time, one thread,
a call a paragraph.
"""

import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpora import Settings, first_bytes
from report import Report, Row, megabytes

_CASES = Path(__file__).with_name("sentence_cases.txt")
_UNSPACED = {"ja", "th", "zh"}
_BYTES = 2_000_000
#: A slow library gets fewer paragraphs: about this long, in seconds, is enough.
_SECONDS = 5.0
#: Text whose stops stand alone between blanks has been tokenized: no splitter is made for it.
_TOKENIZED = re.compile(r" [.,] ")

Split = Callable[[str], Sequence[str]]


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
    """Borders that were found, were not there, were missed."""

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
        """Precision, recall, and F1 of both."""
        precision = self.found / max(1, self.found + self.wrong)
        recall = self.found / max(1, self.found + self.missed)
        return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)

    def __str__(self) -> str:
        precision, recall, f1 = self.shares
        return f"P {precision:.1%}, R {recall:.1%}, F1 {f1:.1%}"


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
        head, *sentences = [line for line in block.splitlines() if line.strip()]
        if head.startswith("== "):
            language, what = head.removeprefix("== ").split(" ", 1)
            cases.append(Case(language, what, tuple(sentences)))
    return cases


def sentencex(language: str) -> Split:
    """The one that `--split-sentences` uses."""
    import sentencex as library

    return lambda text: library.segment(language, text)


def icu(language: str) -> Split:
    """UAX #29 by ICU, with its lists of abbreviations where the language has one."""
    from icu4py.breakers import SentenceBreaker

    return lambda text: list(SentenceBreaker(text, f"{language}@ss=standard"))


def icu_plain(language: str) -> Split:
    """UAX #29 by ICU, without abbreviations."""
    from icu4py.breakers import SentenceBreaker

    return lambda text: list(SentenceBreaker(text, language))


def blingfire(language: str) -> Split:
    """One model for all languages."""
    import blingfire as library

    return lambda text: library.text_to_sentences(text).split("\n")


def pysbd(language: str) -> Split:
    """Golden rules, ported from Ruby."""
    import pysbd as library

    return library.Segmenter(language, clean=False).segment


def syntok(language: str) -> Split:
    """Rules for three languages."""
    import syntok.segmenter as library

    if language not in ("de", "en", "es"):
        raise ValueError(language)

    def split(text: str) -> list[str]:
        return [
            "".join(token.spacing + token.value for token in sentence)
            for paragraph in library.analyze(text)
            for sentence in paragraph
        ]

    return split


def punkt(language: str) -> Split:
    """NLTK's, with models that are a download of their own."""
    from nltk.tokenize import PunktTokenizer

    names = {"de": "german", "en": "english", "es": "spanish", "fr": "french", "it": "italian"}
    names |= {"nl": "dutch", "pl": "polish", "pt": "portuguese", "ru": "russian", "fi": "finnish"}
    try:
        return PunktTokenizer(names[language]).tokenize
    except LookupError:
        if language in names:
            raise ImportError("no punkt models (nltk.download)") from None
        raise ValueError(language) from None


def sentence_splitter(language: str) -> Split:
    """Koehn's rules for Europarl, as Python."""
    from sentence_splitter import SentenceSplitter, SentenceSplitterException

    try:
        return SentenceSplitter(language).split
    except SentenceSplitterException:
        raise ValueError(language) from None


def spacy_sentencizer(language: str) -> Split:
    """SpaCy's marks alone, without a model."""
    import spacy

    try:
        pipeline = spacy.blank(language)
    except ImportError as error:  # of the language, or of what it needs
        raise ValueError(language) from error
    pipeline.add_pipe("sentencizer")
    return lambda text: [sentence.text_with_ws for sentence in pipeline(text).sents]


SPLITTERS: tuple[Callable[[str], Split], ...] = (
    sentencex,
    icu,
    icu_plain,
    blingfire,
    punkt,
    sentence_splitter,
    syntok,
    pysbd,
    spacy_sentencizer,
)


def measure(settings: Settings, report: Report, work: Path) -> None:
    """Runs the section."""
    cases = read_cases()
    documents = natural_documents(first_bytes(settings.english.data, 6 * _BYTES).decode())
    for make in SPLITTERS:
        try:
            english = make("en")
        except ImportError as error:
            report.left_out(f"{make.__name__}: {error}")
            continue
        score, rate = _rate_english(english, documents, settings.repeat)
        scores = score_cases(make, cases)
        first = Score()
        for language, part in scores.items():
            if language in ("en", "all"):
                report.record("cases", splitter=make.__name__, language=language, score=str(part))
        first = scores["all"]
        known = sum(1 for name in scores if name != "all")
        report.record(
            "languages",
            splitter=make.__name__,
            f1={name: round(part.shares[2], 3) for name, part in scores.items()},
        )
        report.add(
            Row(
                f"{make.__name__}, {known} languages of the cases",
                f"{rate / 1e6:.2f} MB/s",
                f"cases of its languages: {first}; en: {scores['en']}; corpus: {score}",
            )
        )


def score_cases(make: Callable[[str], Split], cases: Sequence[Case]) -> dict[str, Score]:
    """The score of each language that a splitter takes, and of "all" of them together."""
    scores: dict[str, Score] = {"all": Score()}
    for case in cases:
        try:
            pieces = make(case.language)(case.paragraph)
        except (ValueError, ImportError):
            continue
        for name in ("all", case.language):
            scores.setdefault(name, Score()).add(case.sentences, pieces)
    return scores


def natural_documents(text: str) -> list[list[str]]:
    """Documents as lists of sentences, without those that somebody has tokenized before."""
    found = []
    for document in text.split("\n\n"):
        if 200 * len(_TOKENIZED.findall(document)) < len(document):
            found.append([line for line in document.split("\n") if line.strip()])
    return [document for document in found if len(document) > 1]


def _rate_english(split: Split, documents: list[list[str]], repeat: int) -> tuple[Score, float]:
    """The borders of the English text, and bytes a second of processor time."""
    step = max(1, sum(len(line) for d in documents for line in d) // _BYTES)
    chosen = documents[::step]
    paragraphs = [" ".join(document) for document in chosen]
    split(paragraphs[0])
    score, used, size = Score(), 0.0, 0
    rates = []
    for _ in range(repeat):
        used, size = 0.0, 0
        for number, paragraph in enumerate(paragraphs):
            begin = time.process_time()
            pieces = split(paragraph)
            used += time.process_time() - begin
            size += len(paragraph.encode())
            if not rates:
                score.add(chosen[number], pieces)
            if used > _SECONDS:
                break
        rates.append(size / used)
    return score, statistics.median(rates)


__all__ = ["SPLITTERS", "Case", "Score", "measure", "megabytes", "read_cases", "score_cases"]
