"""Libraries that cut unspaced text into words: their rates, and how far they agree.

Ours is `--word-segmenter`, tokenizing included. Each library gets strings, line by line, and only
has to return the words. What is not installed is left out.
"""

import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import processes
from corpora import SAMPLE, Settings, Text, first_bytes
from peers import lines_of
from report import Report, Row

from bertprep.options import TokenizerOptions
from bertprep.tokenization import FastTokenizer
from bertprep.vocab import Vocabulary

Cut = Callable[[str], Sequence[str]]

_BYTES = 2_000_000
_KANA = re.compile("[\u3041-\u30ff]")


def _rjieba() -> Cut:
    import rjieba

    return rjieba.cut


def _jieba_next() -> Cut:
    import jieba_next

    return jieba_next.lcut


def _jieba() -> Cut:
    import jieba

    return jieba.lcut


def _budoux() -> Cut:
    import budoux

    return budoux.load_default_simplified_chinese_parser().parse


def _sudachipy() -> Cut:
    import sudachipy

    tokenizer = sudachipy.Dictionary().tokenizer()
    return lambda line: [word.surface() for word in tokenizer.tokenize(line)]


def _fugashi() -> Cut:
    import fugashi

    tagger = fugashi.Tagger()
    return lambda line: [word.surface for word in tagger(line)]


@dataclass(frozen=True)
class _Language:
    """What is compared: the first of `loaders` is ours."""

    name: str
    lines: list[str]
    vocab: Path
    loaders: dict[str, Callable[[], Cut]]


def measure(settings: Settings, report: Report, work: Path) -> None:
    """Runs the section."""
    chinese = settings.chinese
    data = first_bytes(chinese.data, min(_BYTES, settings.bytes))
    lines = lines_of(Text(chinese.name, data, chinese.vocab, chinese.is_sample))
    scripts = (SAMPLE / "scripts.txt").read_text("utf-8").split("\n")
    japanese = [line for line in scripts if _KANA.search(line)] * 200
    chinese_loaders = {
        "rjieba": _rjieba,
        "jieba_next": _jieba_next,
        "jieba": _jieba,
        "budoux": _budoux,
    }
    japanese_loaders = {"sudachipy": _sudachipy, "fugashi": _fugashi}
    with processes.one_core():
        for language in (
            _Language("Chinese", lines, chinese.vocab, chinese_loaders),
            _Language("Japanese", japanese, SAMPLE / "vocab.txt", japanese_loaders),
        ):
            _measure_language(language, settings.repeat, report)


def _measure_language(language: _Language, repeat: int, report: Report) -> None:
    size = sum(len(line.encode()) for line in language.lines)
    cuts: dict[str, Cut] = {}
    for name, load in language.loaders.items():
        try:
            cuts[name] = load()
            cuts[name](language.lines[0])  # untimed: dictionaries
        except ImportError as error:
            report.left_out(f"{language.name}, {name}: {error}")
    ours = next(iter(language.loaders))
    if ours not in cuts:
        return
    options = TokenizerOptions(word_segmenter=ours)
    tokenizer = FastTokenizer(Vocabulary.load(language.vocab), options)
    text = "\n".join(language.lines).encode()
    tasks: dict[str, Callable[[], object]] = {"create": lambda: tokenizer.tokenize_text(text)}
    for name, cut in cuts.items():
        tasks[name] = lambda cut=cut: _cut_all(cut, language.lines)
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    tasks["create"]()
    for _ in range(repeat):
        for name, task in tasks.items():
            begin = time.process_time()
            task()
            seconds[name].append(time.process_time() - begin)
    rates = {name: size / 1e6 / statistics.median(runs) for name, runs in seconds.items()}
    report.record("run", language=language.name, bytes=size, seconds=seconds)
    with_it = f"{rates['create']:.1f} MB/s"
    expected = _borders(cuts[ours], language.lines)
    for name, cut in cuts.items():
        agreeing = _agreement(_borders(cut, language.lines), expected)
        peer = f"{rates[name]:.2f} MB/s, {agreeing:.1%} of the borders"
        what = f"{language.name}, {ours} and ids; {name} alone"
        report.add(Row(what, with_it, peer, rates["create"] / rates[name]))


def _cut_all(cut: Cut, lines: Sequence[str]) -> None:
    for line in lines:
        cut(line)


def _borders(cut: Cut, lines: Sequence[str]) -> set[tuple[int, int]]:
    return {
        (number, end)
        for number, line in enumerate(lines)
        for end in accumulate(map(len, cut(line)))
    }


def _agreement(found: set[tuple[int, int]], expected: set[tuple[int, int]]) -> float:
    """Twice the borders in common by the borders of both."""
    return 2 * len(found & expected) / (len(found) + len(expected))
