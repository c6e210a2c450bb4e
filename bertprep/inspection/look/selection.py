"""Options -> the records that are to be shown, in their order, and no byte read for nothing.

    for chosen in choose_records(data_set, options):
        chosen.shard, chosen.frame, chosen.matches

Passing over a record takes 1 us, looking for a piece in it 3 us, or 10 us where its id is below
128: a byte that stands everywhere. Shards that the manifest's numbers rule out are not read.
"""

import os
import random
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bertprep.errors import BertprepError, UsageError
from bertprep.inspection.look.sequences import MaskedSequence, read_sequence
from bertprep.options import InspectOptions, TokenizerOptions
from bertprep.records import DataSet, FeatureValues, Frame, Shard, parse_example, read_frames
from bertprep.records.frames import count_records

#: The name of a list of ids and what follows it in a record, up to the list's size in bytes.
_ID_LIST = re.compile(
    rb"_ids(?:(?<=\n\x09input_ids)|(?<=\n\x0einput_word_ids)|(?<=\n\x0dmasked_lm_ids))"
    rb"\x12[\x80-\xff]*[\0-\x7f]\x1a[\x80-\xff]*[\0-\x7f]\n([\x80-\xff]*[\0-\x7f])"
)


@dataclass(frozen=True)
class Chosen:
    """A record that is to be shown.

    Attributes:
        shard, frame: its place and its bytes.
        matches: positions of what was looked for.
    """

    shard: Shard
    frame: Frame
    matches: frozenset[int] = frozenset()

    @property
    def place(self) -> str:
        return f"{self.shard.path}: record {self.frame.index} at byte {self.frame.offset}"

    @property
    def damage(self) -> list[str]:
        """What is wrong with the frame: a phrase or none."""
        return [] if self.frame.is_intact else ["its data does not match its CRC"]

    def error(self, problem: object) -> BertprepError:
        """What is wrong with the record, and where it is."""
        problems = ", and ".join([*self.damage, str(problem)])
        return BertprepError(f"{self.place}: {problems}")

    def features(self) -> dict[str, FeatureValues]:
        """Its features; a BertprepError where it has none."""
        try:
            return parse_example(self.frame.data)
        except ValueError as error:
            raise self.error(f"this is no tf.train.Example: {error}") from None

    def sequence(self) -> MaskedSequence:
        """Its ids; a BertprepError where it has none."""
        features = self.features()
        try:
            return read_sequence(features)
        except ValueError as error:
            raise self.error(error) from None


def choose_records(data_set: DataSet, options: InspectOptions) -> Iterator[Chosen]:
    """The records that the options name: in order, at an index, drawn at random, or with a piece.

    Raises:
        UsageError: there is no such shard, record or piece; or `skip` comes with an index or a
            sample, which it says nothing about.
        BertprepError: no record is left to show, or a shard cannot be read on.
    """
    if options.skip and (options.index is not None or options.sample is not None):
        flag = "--sample" if options.index is None else "--index"
        raise UsageError(f"--skip passes over the first records, and does not go with {flag}")
    if options.index is not None:
        return iter([_record_at(data_set, options.index)])
    if options.sample is not None:
        return _sampled(data_set, options.sample, options.seed)
    if options.find is not None:
        return _with_pieces(data_set, options, _piece_ids(data_set, options.find))
    return _in_order(data_set, options)


def _require_records(data_set: DataSet, count: int) -> None:
    if not count:
        raise BertprepError(f"{data_set.name}: there are no records, the files are empty")


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
        raise UsageError(
            f"{data_set.name}: has {passed:,} records, and --skip {options.skip} passes over them"
        )


def _record_at(data_set: DataSet, index: str) -> Chosen:
    name, _, number = index.rpartition(":")
    shard = _shard_named(data_set, name, index)
    for frame in read_frames(shard, first=int(number), check_data=False):
        return Chosen(shard, frame)
    count = count_records(shard)
    last = f", and the last is {count - 1}" if count else ""
    raise UsageError(f"--index {index}: {shard.path} has {count:,} records{last}")


def _shard_named(data_set: DataSet, name: str, index: str) -> Shard:
    """The shard with this number; else with this path, name or ending, if it is the only one."""
    shards = data_set.shards
    if name.isdecimal():
        if int(name) < len(shards):
            return shards[int(name)]
        problem = f"there are {len(shards):,} shards"
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
        problem = f"{len(named) or 'no'} shards have a path that ends with {name!r}"
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
    """The records at some places, ascending, of a shard that is said to have them."""
    wanted = set(indices)
    for frame in read_frames(shard, first=indices[0], check_data=False):
        if frame.index in wanted:
            yield Chosen(shard, frame)
        if frame.index == indices[-1]:
            return
    raise BertprepError(f"{shard.path}: has fewer records than its manifest says: see --verify")


def _with_pieces(data_set: DataSet, options: InspectOptions, wanted: list[int]) -> Iterator[Chosen]:
    """The records that have these ids in a row, before masking."""
    numbers = [_varint(number) for number in wanted]
    patterns = [re.compile(rb"(?<![\x80-\xff])" + re.escape(number)) for number in numbers]
    longest = max(numbers, key=len)
    passed = found = 0
    for shard in data_set.shards:
        for frame in read_frames(shard, check_data=False):
            passed += 1
            if longest not in frame.data or not _may_match(frame.data, patterns):
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
        have = f"only {found:,} have" if found else "none has"
        raise BertprepError(
            f"{data_set.name}: of {passed:,} records {have} {options.find!r} before masking"
        )


def _may_match(data: bytes, patterns: Sequence[re.Pattern[bytes]]) -> bool:
    """False where both lists of ids stand as all writers put them, and neither has some number."""
    lists = [
        (match.end(), match.end() + sum((b & 127) << 7 * i for i, b in enumerate(match[1])))
        for match in _ID_LIST.finditer(data)
    ]
    return len(lists) < 2 or all(
        any(pattern.search(data, start, end) for start, end in lists) for pattern in patterns
    )


def _varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])


def _matches(token_ids: list[int], wanted: list[int]) -> frozenset[int]:
    """Positions of `wanted` wherever it stands in `token_ids`."""
    width = len(wanted)
    starts = [i for i in range(len(token_ids)) if token_ids[i : i + width] == wanted]
    return frozenset(i + k for i in starts for k in range(width))


def _piece_ids(data_set: DataSet, text: str) -> list[int]:
    """The id of a piece, or the ids of the pieces that the tokenizer makes of a text."""
    vocabulary = data_set.require_vocabulary()
    if text in vocabulary.ids:
        return [vocabulary.ids[text]]
    from bertprep.tokenization.plain import FullTokenizer  # imports numba, which is slow

    if data_set.plan:
        options = TokenizerOptions(**data_set.plan["tokenizer"])
    else:
        options = TokenizerOptions(lowercase=vocabulary.casing_warning(lowercase=True) is None)
    pieces = FullTokenizer(vocabulary, options).tokenize(text)
    if not pieces or "[UNK]" in pieces:
        raise UsageError(
            f"--find {text}: the vocabulary has no pieces for it, so that the records have [UNK] "
            "in its place: find another word"
        )
    return [vocabulary.ids[piece] for piece in pieces]
