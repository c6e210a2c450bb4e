"""A record -> lines for a terminal: runs of characters, each with a name for its look.

    rec/tf_examples.tfrecord-00000-of-00003: record 0 at byte 0
    23 of 128 tokens, 3 masks, label 0: B follows A
      A  the {ferry} crossed the sound twice a day
      B  in winter {it} was laid up , and the {island} had no mail

         position  now     was     kind
                2  [MASK]  ferry   mask
               12  it      it      kept
               20  king    island  replaced

What is masked stands in {braces} as it was before, what was looked for in *stars*, so that the text
needs no colours. Widths are columns of a terminal: two for a wide character.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, count, groupby
from typing import NamedTuple

import numpy as np

from bertprep.inspection.look.records import Mask, Record, blank_between
from bertprep.inspection.look.selection import Chosen
from bertprep.terminal import columns, printable

#: Columns before the text, and between masks side by side.
_INDENT, _GAP = 5, 4


class Run(NamedTuple):
    """Characters, and the name of their look; an empty one is plain."""

    text: str
    look: str = ""


Line = list[Run]


class Word(NamedTuple):
    """What stands between a word and the one before it on the same line, and its characters."""

    gap: str
    runs: Sequence[Run]


def record_lines(chosen: Chosen, record: Record, width: int) -> Iterator[Line]:
    """A record as a person reads it."""
    yield from _head(chosen, record.facts, record.problems, width)
    for name, segment in (("A", record.a), ("B", record.b)):
        words = _words(record, segment, chosen.matches)
        for line in wrapped(words, width - _INDENT):
            yield [Run(f"  {name}  ", "name"), *(line or [Run("(nothing)", "heading")])]
            name = " "
    if record.masks:
        yield []
        yield from _table(record.masks, width)


def raw_lines(chosen: Chosen, width: int) -> Iterator[Line]:
    """The features as they are stored, under their names."""
    features = chosen.features()
    yield from _head(chosen, [], [], width)
    for name, feature in features.items():
        size = f"  {feature.kind}[{len(feature.values)}]"
        yield [Run(f"  {printable(name)}", "name"), Run(size, "heading")]
        values = map(np.float32, feature.values) if feature.kind == "float" else feature.values
        words = (Word(" ", [Run(str(value))]) for value in values)
        yield from ([Run(" " * _INDENT), *line] for line in wrapped(words, width - _INDENT) if line)


def _head(
    chosen: Chosen, facts: Sequence[str], problems: Sequence[str], width: int
) -> Iterator[Line]:
    """Where the record stands, and what there is to say of it."""
    yield [Run(printable(chosen.place), "name")]
    phrases = [Run(fact) for fact in facts]
    phrases += [Run(printable(problem), "problem") for problem in (*chosen.damage, *problems)]
    if phrases:
        commas = [","] * (len(phrases) - 1) + [""]
        yield from wrapped(
            (
                Word(" ", [Run(word, look)])
                for (text, look), comma in zip(phrases, commas, strict=True)
                for word in f"{text}{comma}".split(" ")
            ),
            width,
        )


def _words(record: Record, segment: range, matches: frozenset[int]) -> Iterator[Word]:
    """The words before masking, with braces around what is masked and stars around matches."""
    kinds = {mask.position: mask.kind for mask in record.masks}
    before = ""
    for word in record.words(segment):
        is_match = not matches.isdisjoint(word)
        # One pair of stars is around words that match together.
        goes_on, is_unfinished = ({i - 1, i} <= matches for i in (word.start, word.stop))
        runs = [Run("*", "match")] * (is_match and not goes_on)
        for is_masked, positions in groupby(word, kinds.__contains__):
            pieces = [
                Run(printable(record.letters(i, word)), kinds.get(i, "match" if is_match else ""))
                for i in positions
            ]
            if is_masked:
                pieces = [Run("{", pieces[0].look), *pieces, Run("}", pieces[-1].look)]
            runs += pieces
        runs += [Run("*", "match")] * (is_match and not is_unfinished)
        letters = "".join(printable(record.letters(i, word)) for i in word)
        yield Word(blank_between(before, letters), runs)
        before = letters


def wrapped(words: Iterable[Word], width: int) -> Iterator[Line]:
    """Words in lines, one line at least; a word that no line can hold is broken."""
    line: Line = []
    used = 0
    for word in words:
        for gap, runs in [word] if _size(word.runs) <= width else _characters(word):
            size = _size(runs)
            if line and used + len(gap) + size > width:
                yield line
                line, used = [], 0
            if line and gap:
                line.append(Run(gap))
                used += len(gap)
            line += runs
            used += size
    yield line


def _size(runs: Iterable[Run]) -> int:
    return sum(columns(run.text) for run in runs)


def _characters(word: Word) -> Iterator[Word]:
    gap = word.gap
    for text, look in word.runs:
        for character in text:
            yield Word(gap, [Run(character, look)])
            gap = ""


def _table(masks: Sequence[Mask], width: int) -> Iterator[Line]:
    """A row for each mask; side by side where there is room."""
    heading = [Run(name, "heading") for name in ("position", "now", "was", "kind")]
    rows = [
        [
            Run(f"{mask.position:>8}"),
            Run(printable(mask.now), mask.kind),
            Run(printable(mask.was)),
            Run(mask.kind, mask.kind),
        ]
        for mask in masks
    ]
    sizes = [max(columns(row[i].text) for row in (heading, *rows)) for i in range(4)]
    starts = list(accumulate((2 + size for size in sizes[:-1]), initial=0))
    block_size = starts[-1] + sizes[-1] + _GAP
    height = -(-len(rows) // max(1, (width - _INDENT + _GAP) // block_size))
    blocks = [[heading, *rows[at : at + height]] for at in range(0, len(rows), height)]
    for i in range(height + 1):
        line: Line = []
        for left, block in zip(count(_INDENT, block_size), blocks, strict=False):
            for start, cell in zip(starts, block[i] if i < len(block) else [], strict=False):
                line += [Run(" " * (left + start - _size(line))), cell]
        yield line
