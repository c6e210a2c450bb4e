"""Sentence splitters under one roof: the one that `--split-sentences` uses, and those beside it.

Each is made for a language and gives a function: a paragraph -> its sentences. A language that it
does not take is a ValueError, a library that is not installed an ImportError. Neural splitters
(stanza, wtpsplit, spaCy's senter) are left out: their models are downloads of their own.
"""

from collections.abc import Callable, Sequence

Split = Callable[[str], Sequence[str]]


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
