"""The first record of a data set, as a person reads it: words, masks, label. No TensorFlow.

Example:
    python benchmarks/show_record.py /tmp/records
"""

import gzip
import struct
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

FIRST_SHARD = "tf_examples.tfrecord-00000-of-*"


def first_frame(shard: Path) -> bytes:
    """The first record's bytes; its checksums are passed over."""
    with open(shard, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    with gzip.open(shard) if is_gzip else open(shard, "rb") as file:
        header = file.read(12)
        if len(header) < 12:
            raise SystemExit(f"{shard}: has no record")
        return file.read(struct.unpack("<Q", header[:8])[0])


def varints(data: bytes) -> Iterator[int]:
    """Packed numbers, seven bits a byte, lowest first."""
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each field of a message; all of tf.train.Example's have a length."""
    while data:
        numbers = varints(data)
        tag, size = next(numbers), next(numbers)
        start = next(i for i in range(1, len(data)) if data[i] < 128) + 1
        yield tag >> 3, data[start : start + size]
        data = data[start + size :]


def features(record: bytes) -> dict[str, list[int]]:
    """The integer features by their names in the reference."""
    found = {}
    for _, entry in fields(dict(fields(record))[1]):
        parts = dict(fields(entry))
        ((kind, values),) = fields(parts[2])
        name = parts[1].decode().replace("input_word_ids", "input_ids")
        if kind == 3:  # Int64List; the only floats are the weights
            found[name.replace("input_type_ids", "segment_ids")] = list(
                varints(dict(fields(values))[1])
            )
    return found


def words(pieces: list[str]) -> str:
    """Pieces as running text."""
    return " ".join(pieces).replace(" ##", "")


def show(folder: Path) -> str:
    """The text to print."""
    shard = next(iter(sorted(folder.glob(FIRST_SHARD))), None)
    if shard is None:
        raise SystemExit(f"{folder}: there is no {FIRST_SHARD}: name a folder that create made")
    # Not `splitlines`: a piece may hold U+2028.
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    record = features(first_frame(shard))
    size, ids = sum(record["input_mask"]), record["input_ids"]
    pieces = [vocabulary[number].strip() for number in ids[:size]]
    size_a = size - sum(record["segment_ids"])
    # Position 0 is [CLS], which is never masked: a 0 is an unused place.
    masks = [
        (position, pieces[position], vocabulary[label].strip())
        for position, label in zip(
            record["masked_lm_positions"], record["masked_lm_ids"], strict=True
        )
        if position
    ]
    label = record["next_sentence_labels"][0]
    lines = [f"{shard.name}, first record: {size} tokens of {len(ids)}, {len(masks)} masks", ""]
    for name, part in (("A", pieces[:size_a]), ("B", pieces[size_a:])):
        lines.append(
            textwrap.fill(words(part), 96, initial_indent=f"{name}  ", subsequent_indent="   ")
        )
    width = max(len(now) for _, now, _ in masks)
    lines += ["", f"position  {'what stands there':<{max(width, 17)}}  what was there"]
    for position, now, before in masks:
        lines.append(f"{position:>8}  {now:<{max(width, 17)}}  {before}")
    return "\n".join([*lines, "", f"label {label}: B {'is random' if label else 'follows A'}"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("python benchmarks/show_record.py FOLDER")
    print(show(Path(sys.argv[1])))
