"""Megabytes a second of tokenizing alone, on one core, beside the share of lines with equal ids.

Ours must give what the plain classes give, or nothing is timed. A peer whose ids differ by design
is shown with the share that agrees.
"""

import random
import statistics
import time
from dataclasses import replace
from pathlib import Path

import processes
from corpora import Settings, Text, first_bytes
from peers import PEERS, NotComparableError, Peer, lines_of, ours
from report import Report, Row, megabytes, yes_or_no

_BYTES = 20_000_000
_SAMPLE_LINES = 2_000
_GOALS = {
    ("English", "tensorflow-text FastBertTokenizer"): 3.0,
    ("English", "Hugging Face tokenizers"): 30.0,
    ("Chinese", "tensorflow-text FastBertTokenizer"): 1.0,
    ("Chinese", "Hugging Face tokenizers"): 1.0,
}


def measure(settings: Settings, report: Report, work: Path) -> None:
    """Runs the section."""
    with processes.one_core() as pinned:
        if not pinned:
            report.say("not kept on one core: this system cannot do that")
        for whole in (settings.english, settings.chinese):
            data = first_bytes(whole.data, min(_BYTES, settings.bytes))
            _measure_text(replace(whole, data=data), settings.repeat, report)


def _measure_text(text: Text, repeat: int, report: Report) -> None:
    sample = lines_of(text)
    sample = random.Random(12345).sample(sample, min(_SAMPLE_LINES, len(sample)))
    expected = _plain_ids(text, sample)
    everyone = [ours(text)]
    if everyone[0].ids_of(sample) != expected:
        raise SystemExit(f"{text.name}: FastTokenizer and FullTokenizer differ")
    everyone += _peers(text, report)
    agreeing = {peer.name: _share_equal(peer.ids_of(sample), expected) for peer in everyone}

    seconds: dict[str, list[float]] = {peer.name: [] for peer in everyone}
    for peer in everyone:
        peer.tokenize()  # untimed: caches, graphs and memory
    for _ in range(repeat):
        for peer in everyone:
            begin = time.perf_counter()
            peer.tokenize()
            seconds[peer.name].append(time.perf_counter() - begin)
    rates = {name: len(text.data) / statistics.median(runs) for name, runs in seconds.items()}
    for name, runs in seconds.items():
        report.record(
            "run",
            text=text.name,
            peer=name,
            bytes=len(text.data),
            seconds=runs,
            equal=agreeing[name],
        )
    _add_rows(text, report, rates, agreeing)


def _plain_ids(text: Text, lines: list[str]) -> list[list[int]]:
    from bertprep.tokenization import FullTokenizer

    tokenizer = FullTokenizer(text.vocab)
    return [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(line)) for line in lines]


def _peers(text: Text, report: Report) -> list[Peer]:
    found = []
    for make in PEERS:
        try:
            found.append(make(text))
        except ImportError as error:
            report.left_out(f"{text.name}, {make.__name__}: {error}")
        except NotComparableError as error:
            report.left_out(f"{text.name}, {make.__name__}: {error}")
    return found


def _share_equal(found: list[list[int]], expected: list[list[int]]) -> float:
    equal = sum(ids == right for ids, right in zip(found, expected, strict=True))
    return equal / len(expected)


def _add_rows(
    text: Text, report: Report, rates: dict[str, float], agreeing: dict[str, float]
) -> None:
    our_rate = rates.pop("bertprep")
    for name, rate in rates.items():
        ratio, goal = our_rate / rate, _GOALS.get((text.name, name))
        report.add(
            Row(
                f"{text.name}, {megabytes(len(text.data))}",
                f"{our_rate / 1e6:.1f} MB/s",
                f"{name}: {rate / 1e6:.1f} MB/s, {agreeing[name]:.2%} of lines equal",
                ratio,
                "" if goal is None else f"{goal:g}x",
                "" if goal is None else yes_or_no(ratio >= goal),
            )
        )
