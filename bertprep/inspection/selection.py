"""Options -> the records to show: the first ones, one, a sample, or those with a word.

    for chosen in choose_records(data_set, options):
        chosen.shard, chosen.frame, chosen.matches

Passing over a record takes 1 us. Searching one takes 3 us, or 10 to 60 us for an id below 128, a
byte that most records have. Shards without a wanted record, by the manifest, are not read.
"""

import os
import random
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bertprep.errors import BertprepError, UsageError
from bertprep.inspection.masked_record import (
    MaskedRecord,
    MaskedSequence,
    read_record,
    read_sequence,
)
from bertprep.objectives import OBJECTIVES
from bertprep.options import InspectOptions, TokenizerOptions
from bertprep.records import DataSet, FeatureValues, Frame, Shard, parse_example, read_frames
from bertprep.records.frames import count_records
from bertprep.terminal import count_of
from bertprep.vocab import Vocabulary

#: Names of features in either release's spelling, and whether they hold token ids.
_FEATURE_NAMES = {
    name.encode(): feature.below == "vocab_size"
    for objective in OBJECTIVES.values()
    for feature in objective.features
    for name in {feature.name, feature.v2_name or feature.name}
}


@dataclass(frozen=True)
class Chosen:
    """A record to show.

    Attributes:
        shard, frame: where it is, and its bytes.
        matches: positions that match `--find`.
    """

    shard: Shard
    frame: Frame
    matches: frozenset[int] = frozenset()

    @property
    def place(self) -> str:
        return f"{self.shard.path}: record {self.frame.index} at byte {self.frame.offset}"

    @property
    def damage(self) -> list[str]:
        """What is wrong with the frame, as phrases."""
        return [] if self.frame.is_intact else ["its data does not match its CRC"]

    def error(self, problem: object) -> BertprepError:
        """Return an error that says where the record is and what is wrong with it."""
        problems = ", and ".join([*self.damage, str(problem)])
        return BertprepError(f"{self.place}: {problems}")

    def features(self) -> dict[str, FeatureValues]:
        """Return its features; raise a BertprepError if it cannot be parsed."""
        try:
            return parse_example(self.frame.data)
        except ValueError as error:
            raise self.error(f"not a tf.train.Example: {error}") from None

    def sequence(self) -> MaskedSequence:
        """Return it as ids; raise a BertprepError if it has none."""
        features = self.features()
        try:
            return read_sequence(features)
        except ValueError as error:
            raise self.error(error) from None

    def record(self, vocabulary: Vocabulary) -> MaskedRecord:
        """Return it as tokens; raise a BertprepError if the vocabulary has not all its ids."""
        sequence = self.sequence()
        try:
            return read_record(sequence, vocabulary)
        except ValueError as error:
            raise self.error(error) from None


def choose_records(data_set: DataSet, options: InspectOptions) -> Iterator[Chosen]:
    """Yield the records that the options select: in order, by index, at random, or by a word.

    Raises:
        UsageError: there is no such shard, record or token; or `skip` is combined with an index or
            a sample.
        BertprepError: there is no record to show, or a shard cannot be read.
    """
    if options.skip and (options.index is not None or options.sample is not None):
        flag = "--sample" if options.index is None else "--index"
        raise UsageError(f"--skip cannot be combined with {flag}")
    if options.index is not None:
        return iter([_record_at(data_set, options.index)])
    if options.sample is not None:
        return _sampled(data_set, options.sample, options.seed)
    if options.find is not None:
        return _with_pieces(data_set, options, _piece_ids(data_set, options.find))
    return _in_order(data_set, options)


def _require_records(data_set: DataSet, count: int) -> None:
    if not count:
        raise BertprepError(
            f"{data_set.name}: there are no records, only empty files. Name other files"
        )


def _in_order(data_set: DataSet, options: InspectOptions) -> Iterator[Chosen]:
    passed, end = 0, options.skip + options.num
    for shard in data_set.shards:
        if shard.summary and passed + shard.summary.records <= options.skip:
            passed += shard.summary.records
            continue
        for frame in read_frames(shard, check_data=False):
            passed += 1
            if passed > options.skip:
                yield Chosen(shard, frame)
            if passed == end:
                return
    if passed <= options.skip:
        _require_records(data_set, passed)
        raise UsageError(f"--skip {options.skip}: {data_set.name} has {passed:,} records")


def _record_at(data_set: DataSet, index: str) -> Chosen:
    name, _, number = index.rpartition(":")
    shard = _shard_named(data_set, name, index)
    for frame in read_frames(shard, first=int(number), check_data=False):
        return Chosen(shard, frame)
    count = count_records(shard)
    last = f", the last is {count - 1}" if count else ""
    raise UsageError(f"--index {index}: {shard.path} has {count_of(count, 'record')}{last}")


def _shard_named(data_set: DataSet, name: str, index: str) -> Shard:
    """Return the shard with this number, or the only one with this path, name or end of a path."""
    shards = data_set.shards
    if name.isdecimal():
        if int(name) < len(shards):
            return shards[int(name)]
        problem = f"there {'is' if len(shards) == 1 else 'are'} {count_of(len(shards), 'shard')}"
    else:
        path = os.path.realpath(name)
        ending = [shard for shard in shards if shard.path.endswith(name)]
        named = (
            [shard for shard in shards if os.path.realpath(shard.path) == path]
            or [shard for shard in ending if f"/{shard.path}".endswith(f"/{name}")]
            or ending
        )
        if len(named) == 1:
            return named[0]
        problem = f"{count_of(len(named), 'shard')} with a path that ends in {name!r}"
    raise UsageError(
        f"--index {index}: {problem}. Give a shard's path or its number, 0 to {len(shards) - 1}"
    )


def _sampled(data_set: DataSet, num: int, seed: int) -> Iterator[Chosen]:
    counts = [
        shard.summary.records if shard.summary else count_records(shard)
        for shard in data_set.shards
    ]
    total = sum(counts)
    _require_records(data_set, total)
    drawn = sorted(random.Random(seed).sample(range(total), min(num, total)))
    start = 0
    for shard, count in zip(data_set.shards, counts, strict=True):
        end = start + count
        within = drawn[bisect_left(drawn, start) : bisect_left(drawn, end)]
        if within:
            yield from _records_at(shard, [i - start for i in within])
        start = end


def _records_at(shard: Shard, indices: Sequence[int]) -> Iterator[Chosen]:
    """Yield the records of a shard at these indices, ascending."""
    wanted = set(indices)
    for frame in read_frames(shard, first=indices[0], check_data=False):
        if frame.index in wanted:
            yield Chosen(shard, frame)
        if frame.index == indices[-1]:
            return
    raise BertprepError(f"{shard.path}: fewer records than in the manifest: see --verify")


def _with_pieces(data_set: DataSet, options: InspectOptions, wanted: list[int]) -> Iterator[Chosen]:
    """Yield the records with these ids in a row, before masking."""
    # Most records are ruled out by their bytes. A number starts after a byte below 128.
    numbers = sorted(map(_varint, set(wanted)), key=len, reverse=True)
    patterns = [re.compile(rb"(?<![\x80-\xff])" + re.escape(number)) for number in numbers]
    passed = found = 0
    for shard in data_set.shards:
        for frame in read_frames(shard, check_data=False):
            passed += 1
            if numbers[0] not in frame.data or not _may_match(frame.data, patterns):
                continue
            chosen = Chosen(shard, frame)
            matches = _matches(chosen.sequence().restored_ids, wanted)
            found += bool(matches)
            if matches and found > options.skip:
                yield Chosen(shard, frame, matches)
            if found == options.skip + options.num:
                return
    if found <= options.skip:
        _require_records(data_set, passed)
        matching = f"only {found:,}" if found else "none"
        raise BertprepError(
            f"{data_set.name}: {matching} of {count_of(passed, 'record')} "
            f"{'contain' if found > 1 else 'contains'} {options.find!r} before masking"
        )


def _may_match(data: bytes, patterns: Sequence[re.Pattern[bytes]]) -> bool:
    """Return False if the bytes between the names of features rule out that all ids are there."""
    starts = sorted(
        (start, start + len(name), holds_ids)
        for name, holds_ids in _FEATURE_NAMES.items()
        if (start := data.find(name)) >= 0
    )
    ends = [*(start for start, _, _ in starts[1:]), len(data)]
    lists = [(at, end) for (_, at, holds_ids), end in zip(starts, ends, strict=False) if holds_ids]
    return len(lists) < 2 or all(
        any(pattern.search(data, at, end) for at, end in lists) for pattern in patterns
    )


def _varint(number: int) -> bytes:
    """Return a number as protobuf encodes it."""
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])


def _matches(token_ids: list[int], wanted: list[int]) -> frozenset[int]:
    """Return the positions of all occurrences of `wanted`."""
    width = len(wanted)
    starts = [i for i in range(len(token_ids)) if token_ids[i : i + width] == wanted]
    return frozenset(i + k for i in starts for k in range(width))


def _piece_ids(data_set: DataSet, text: str) -> list[int]:
    """Return the id of a token, or the ids of a tokenized text."""
    vocabulary = data_set.require_vocabulary()
    if text in vocabulary.ids:
        return [vocabulary.ids[text]]
    from bertprep.tokenization.plain import FullTokenizer  # imports numba, which is slow

    options = data_set.tokenizer
    if options is None:
        options = TokenizerOptions(lowercase=vocabulary.casing_warning(lowercase=True) is None)
    pieces = FullTokenizer(vocabulary, options).tokenize(text)
    if not pieces or "[UNK]" in pieces:
        raise UsageError(
            f"--find {text}: the vocabulary cannot represent it, so the records have [UNK] in its "
            "place. Find another word"
        )
    return [vocabulary.ids[piece] for piece in pieces]
