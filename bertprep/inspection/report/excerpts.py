"""Records -> what the page shows of a few of them: words before masking, each mask with its kind.

What cannot be shown is told in its place: a page about damaged records is a page all the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bertprep.errors import BertprepError
from bertprep.inspection.look.records import Mask, Record, blank_between, read_record
from bertprep.inspection.look.selection import Chosen, choose_records
from bertprep.options import InspectOptions
from bertprep.records import DataSet
from bertprep.terminal import printable
from bertprep.vocab import Vocabulary


@dataclass(frozen=True)
class Part:
    """A piece of a word, as text; with its mask where it has one."""

    text: str
    mask: Mask | None


@dataclass(frozen=True)
class Word:
    """What stands between a word and the one before it, and the word."""

    gap: str
    parts: list[Part]


@dataclass(frozen=True)
class Excerpt:
    """A record as the page shows it.

    Attributes:
        place: file, record and byte.
        facts: of its tokens, its masks and its label, each a phrase.
        problems: what is wrong with it, each a phrase; all there is where it cannot be read.
        segments: the words of "A" and "B" before masking.
        masks: by position.
    """

    place: str
    facts: list[str]
    problems: list[str]
    segments: dict[str, list[Word]]
    masks: tuple[Mask, ...]


def read_excerpts(data_set: DataSet, options: InspectOptions) -> list[Excerpt]:
    """Excerpts of `options.num` records drawn at random; of the first where that cannot be done."""
    drawn = InspectOptions(paths=options.paths, sample=options.num, seed=options.seed)
    try:
        chosen = list(choose_records(data_set, drawn))
        problem = ""
    except BertprepError as error:
        # To draw, all shards are counted; the first records may be there even so.
        chosen = list(_readable(data_set, InspectOptions(paths=options.paths, num=options.num)))
        problem = str(error)
    vocabulary = data_set.require_vocabulary()
    excerpts = [_excerpt(record, vocabulary) for record in chosen]
    return excerpts + [_failure("Other records", problem)] * bool(problem)


def _readable(data_set: DataSet, options: InspectOptions) -> Iterator[Chosen]:
    try:
        yield from choose_records(data_set, options)
    except BertprepError:
        return


def _excerpt(chosen: Chosen, vocabulary: Vocabulary) -> Excerpt:
    try:
        record = read_record(chosen.sequence(), vocabulary)
    except (BertprepError, ValueError) as error:
        return _failure(chosen.place, str(error))
    return Excerpt(
        place=chosen.place,
        facts=record.facts,
        problems=[*chosen.damage, *record.problems],
        segments={"A": list(_words(record, record.a)), "B": list(_words(record, record.b))},
        masks=record.masks,
    )


def _failure(place: str, problem: str) -> Excerpt:
    return Excerpt(place, [], [problem.removeprefix(f"{place}: ")], {}, ())


def _words(record: Record, segment: range) -> Iterator[Word]:
    masks = {mask.position: mask for mask in record.masks}
    before = ""
    for word in record.words(segment):
        parts = [Part(printable(record.letters(i, word)), masks.get(i)) for i in word]
        letters = "".join(part.text for part in parts)
        yield Word(blank_between(before, letters), parts)
        before = letters
