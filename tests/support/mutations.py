"""Single faults for good records: what a bug, a disk or a person does to them.

Each takes a generator and a record as a dict of lists and changes it, or returns other bytes. Some
lead to another record that is legal too: that is for `legality` to say.
"""

from collections.abc import Callable
from random import Random

from hand_built import (
    V2_NAMES,
    Record,
    byte_strings,
    encoded,
    entry,
    field,
    floats,
    int64s,
)
from tfrecords import features

from bertprep.vocab import Vocabulary

_INT64 = ("input_ids", "input_mask", "segment_ids", "masked_lm_positions", "masked_lm_ids")


def as_lists(record: bytes) -> Record:
    """A record to change; by its names of the first release."""
    v1_names = {new: old for old, new in V2_NAMES.items()}
    return {v1_names.get(name, name): v.tolist() for name, v in features(record).items()}


class Faults:
    """Faults for records of one vocabulary."""

    def __init__(self, vocabulary: Vocabulary, feature_names: str = "v1") -> None:
        self.size = len(vocabulary.tokens)
        self.names = V2_NAMES if feature_names == "v2" else {}
        self.specials = [n for n, token in enumerate(vocabulary.tokens) if token[:1] == "["]
        self.pieces = [n for n, token in enumerate(vocabulary.tokens) if token[:2] == "##"]
        self.kinds: dict[str, Callable[[Random, Record], bytes | None]] = {
            name: getattr(self, name)
            for name in vars(Faults)
            if not name.startswith("_") and name != "put"
        }

    def put(self, rng: Random, record: bytes, kind: str) -> bytes:
        """The record with a fault of this kind."""
        changed = as_lists(record)
        made = self.kinds[kind](rng, changed)
        return self._encoded(changed) if made is None else made

    def _encoded(self, record: Record) -> bytes:
        return encoded({self.names.get(name, name): values for name, values in record.items()})

    def _id(self, rng: Random) -> int:
        odd = [0, self.size, self.size + 1, -1, 2**21, 2**31, 2**32, 2**40, -(2**63)]
        return rng.choice(
            [rng.choice(odd), rng.choice(self.specials), rng.choice(self.pieces or [0])]
            + [rng.randrange(self.size)] * 3
        )

    # The bytes.

    def flipped_bit(self, rng: Random, record: Record) -> bytes:
        data = bytearray(self._encoded(record))
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(data)

    def other_byte(self, rng: Random, record: Record) -> bytes:
        data = bytearray(self._encoded(record))
        data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data)

    def bytes_left_out(self, rng: Random, record: Record) -> bytes:
        data = self._encoded(record)
        at = rng.randrange(len(data))
        return data[:at] + data[at + rng.choice([1, 2, 16, 1000]) :]

    def bytes_put_in(self, rng: Random, record: Record) -> bytes:
        data = self._encoded(record)
        at = rng.randrange(len(data) + 1)
        return data[:at] + rng.randbytes(rng.choice([1, 2, 16])) + data[at:]

    # The features.

    def feature_dropped(self, rng: Random, record: Record) -> None:
        del record[rng.choice(list(record))]

    def feature_renamed(self, rng: Random, record: Record) -> None:
        name = rng.choice(list(record))
        record[rng.choice([name + "s", name[:-1], name.upper(), "", V2_NAMES.get(name, "x")])] = (
            record.pop(name)
        )

    def feature_doubled(self, rng: Random, record: Record) -> bytes:
        name = rng.choice(list(record))
        values = list(record[name])
        if rng.random() < 0.7:
            values[rng.randrange(len(values))] += 1
        once = {self.names.get(name, name): values}
        data, other = self._encoded(record), encoded(once)
        first, last = (data, other) if rng.random() < 0.5 else (other, data)
        return field(1, _content(first) + _content(last))

    def feature_added(self, rng: Random, record: Record) -> bytes:
        added = entry(rng.choice(["token_boundary", "z"]), int64s([1]))
        return field(1, _content(self._encoded(record)) + added)

    def features_swapped(self, rng: Random, record: Record) -> None:
        one, other = rng.sample(list(record), 2)
        record[one], record[other] = record[other], record[one]
        record["masked_lm_weights"] = list(map(float, record["masked_lm_weights"]))
        for name in _INT64:
            record[name] = list(map(int, record[name]))

    def features_in_another_order(self, rng: Random, record: Record) -> None:
        items = list(record.items())
        rng.shuffle(items)
        record.clear()
        record.update(items)

    def feature_of_another_kind(self, rng: Random, record: Record) -> bytes:
        wrong = rng.choice(list(record))
        kinds: list[Callable[[list[int]], bytes]] = [
            int64s,
            floats,
            lambda values: byte_strings(b"%d" % v for v in values),
            lambda values: b"",
        ]
        entries = []
        for name, values in record.items():
            kind: Callable[[list[int]], bytes] = floats if name == "masked_lm_weights" else int64s
            if name == wrong:
                kind = rng.choice([other for other in kinds if other is not kind])
            entries.append(entry(self.names.get(name, name), kind(list(map(int, values)))))
        return field(1, b"".join(entries))

    def value_appended(self, rng: Random, record: Record) -> None:
        values = record[rng.choice(list(record))]
        values.append(rng.choice([0, 1, values[-1]]))

    def value_taken_out(self, rng: Random, record: Record) -> None:
        values = record[rng.choice(list(record))]
        del values[rng.randrange(len(values))]

    def names_of_the_other_release(self, rng: Random, record: Record) -> bytes:
        names = {} if self.names else V2_NAMES
        return encoded({names.get(name, name): values for name, values in record.items()})

    # Ids.

    def other_id(self, rng: Random, record: Record) -> None:
        record["input_ids"][rng.randrange(_num_tokens(record))] = self._id(rng)

    def special_in_text(self, rng: Random, record: Record) -> None:
        record["input_ids"][rng.randrange(1, _num_tokens(record) - 1)] = rng.choice(self.specials)

    def other_special(self, rng: Random, record: Record) -> None:
        places = (0, record["segment_ids"].index(1) - 1, _num_tokens(record) - 1)
        record["input_ids"][rng.choice(places)] = self._id(rng)

    def piece_at_the_front(self, rng: Random, record: Record) -> None:
        place = rng.choice([1, record["segment_ids"].index(1)])
        if self.pieces and place not in record["masked_lm_positions"]:
            record["input_ids"][place] = rng.choice(self.pieces)

    def tokens_swapped(self, rng: Random, record: Record) -> None:
        ids = record["input_ids"]
        one, other = (rng.randrange(_num_tokens(record)) for _ in range(2))
        ids[one], ids[other] = ids[other], ids[one]

    def ids_shifted(self, rng: Random, record: Record) -> None:
        name = rng.choice(list(_INT64))
        record[name] = record[name][1:] + record[name][:1]

    # Lengths and segments.

    def padding_filled(self, rng: Random, record: Record) -> None:
        name = rng.choice([*_INT64, "masked_lm_weights"])
        is_mask = name.startswith("masked")
        size = _num_masks(record) if is_mask else _num_tokens(record)
        if size < len(record[name]):
            place = rng.choice([size, rng.randrange(size, len(record[name]))])
            record[name][place] = rng.choice([1, 1, self.size - 1, -1])

    def mask_border_moved(self, rng: Random, record: Record) -> None:
        size = _num_tokens(record) + rng.choice([-2, -1, 1, 2])
        length = len(record["input_mask"])
        record["input_mask"] = ([1] * size + [0] * length)[:length]

    def hole_in_the_mask(self, rng: Random, record: Record) -> None:
        record["input_mask"][rng.randrange(_num_tokens(record))] = rng.choice([0, 2, -1])

    def segment_border_moved(self, rng: Random, record: Record) -> None:
        border, size = record["segment_ids"].index(1), _num_tokens(record)
        border += rng.choice([-3, -1, 1, 3, -border, size - border])
        length = len(record["segment_ids"])
        ones = max(0, size - max(0, border))
        record["segment_ids"] = ([0] * max(0, border) + [1] * ones + [0] * length)[:length]

    def segment_changed(self, rng: Random, record: Record) -> None:
        place = rng.randrange(len(record["segment_ids"]))
        record["segment_ids"][place] = rng.choice([1 - record["segment_ids"][place], 2, -1])

    def border_moved_with_its_token(self, rng: Random, record: Record) -> None:
        ids, border = record["input_ids"], record["segment_ids"].index(1)
        step = rng.choice([-1, 1])
        ids[border - 1], ids[border - 1 + step] = ids[border - 1 + step], ids[border - 1]
        segments = record["segment_ids"]
        segments[border if step > 0 else border - 1] = int(step < 0)

    def last_token_left_out(self, rng: Random, record: Record) -> None:
        last = _num_tokens(record) - 1
        record["input_ids"][last - 1 : last + 1] = [record["input_ids"][last], 0]
        record["input_mask"][last] = record["segment_ids"][last] = 0

    # Masks.

    def position_moved(self, rng: Random, record: Record) -> None:
        if count := _num_masks(record):
            positions, place = record["masked_lm_positions"], rng.randrange(count)
            to = [positions[place] + rng.choice([-1, 1]), rng.randrange(_num_tokens(record))]
            positions[place] = rng.choice([*to, len(record["input_ids"]), -1, 0, 2**31])

    def mask_moved(self, rng: Random, record: Record) -> None:
        if count := _num_masks(record):
            masks, place = self._masks(record), rng.randrange(count)
            unmasked = self._unmasked(rng, record)
            if unmasked:
                to = rng.choice(unmasked)
                old, label = masks[place]
                record["input_ids"][old], stand_in = label, record["input_ids"][old]
                masks[place] = to, record["input_ids"][to]
                record["input_ids"][to] = stand_in
                self._set_masks(record, masks)

    def positions_swapped(self, rng: Random, record: Record) -> None:
        if (count := _num_masks(record)) > 1:
            name = rng.choice(["masked_lm_positions", "masked_lm_ids"])
            one, other = rng.sample(range(count), 2)
            values = record[name]
            values[one], values[other] = values[other], values[one]

    def label_changed(self, rng: Random, record: Record) -> None:
        if count := _num_masks(record):
            record["masked_lm_ids"][rng.randrange(count)] = self._id(rng)

    def weight_changed(self, rng: Random, record: Record) -> None:
        weights = record["masked_lm_weights"]
        place = rng.randrange(len(weights))
        odd = [0.5, 2.0, -1.0, float("nan"), float("inf"), 1e-45, 1.0000001, -0.0]
        weights[place] = rng.choice([*odd, 1.0 - weights[place]])

    def mask_left_out(self, rng: Random, record: Record) -> None:
        masks = self._masks(record)
        if masks:
            position, label = masks.pop(rng.randrange(len(masks)))
            if rng.random() < 0.8:
                record["input_ids"][position] = label
            self._set_masks(record, masks)

    def mask_added(self, rng: Random, record: Record) -> None:
        masks, unmasked = self._masks(record), self._unmasked(rng, record)
        if unmasked and len(masks) < len(record["masked_lm_ids"]):
            position = rng.choice(unmasked)
            self._set_masks(record, [*masks, (position, record["input_ids"][position])])

    def mask_doubled(self, rng: Random, record: Record) -> None:
        masks = self._masks(record)
        if masks and len(masks) < len(record["masked_lm_ids"]):
            self._set_masks(record, [*masks, rng.choice(masks)])

    def other_stand_in(self, rng: Random, record: Record) -> None:
        if masks := self._masks(record):
            record["input_ids"][rng.choice(masks)[0]] = self._id(rng)

    def all_masks_left_out(self, rng: Random, record: Record) -> None:
        for position, label in self._masks(record):
            record["input_ids"][position] = label
        self._set_masks(record, [])

    # The label.

    def other_label(self, rng: Random, record: Record) -> None:
        record["next_sentence_labels"][0] = rng.choice([0, 1, 2, -1, 256, 2**32])

    def _masks(self, record: Record) -> list[tuple[int, int]]:
        count = _num_masks(record)
        return list(
            zip(record["masked_lm_positions"][:count], record["masked_lm_ids"], strict=False)
        )

    def _unmasked(self, rng: Random, record: Record) -> list[int]:
        """Where a mask could stand; now and then also [SEP]."""
        sep = record["segment_ids"].index(1) - 1
        places = set(range(1, _num_tokens(record) - 1)) - {m[0] for m in self._masks(record)}
        return sorted(places if rng.random() < 0.1 else places - {sep})

    def _set_masks(self, record: Record, masks: list[tuple[int, int]]) -> None:
        masks = sorted(masks)
        none = [0] * (len(record["masked_lm_ids"]) - len(masks))
        record["masked_lm_positions"] = [position for position, _ in masks] + none
        record["masked_lm_ids"] = [label for _, label in masks] + none
        record["masked_lm_weights"] = [1.0] * len(masks) + [0.0] * len(none)


def _content(example: bytes) -> bytes:
    """The features of an example, without their own tag and size."""
    start = next(i for i, byte in enumerate(example[1:], 1) if byte < 128) + 1
    return example[start:]


def _num_tokens(record: Record) -> int:
    return record["input_mask"].count(1)


def _num_masks(record: Record) -> int:
    return record["masked_lm_weights"].count(1.0)
