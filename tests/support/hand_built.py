"""Examples, frames and data sets made by hand: what other writers write, and what none should.

Protobuf byte by byte, after its documentation; a record is a dict of lists until it is encoded.
"""

import gzip
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from tfrecords import masked_crc
from waiting import LIMIT

from bertprep.data import PartitionPlan, TokenizedDocuments
from bertprep.objectives import create_training_instances
from bertprep.options import CreateOptions, InstanceOptions, RecordOptions
from bertprep.records.manifest import make_manifest, make_plan
from bertprep.records.serializer import RecordLayout, RecordSerializer
from bertprep.storage.plans import encode
from bertprep.vocab import Vocabulary

Record = dict[str, list[Any]]

V2_NAMES = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}

# Bytes.


def varint(value: int) -> bytes:
    """A number as protobuf writes it; a negative one as 64 bits."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def field(number: int, content: bytes) -> bytes:
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def int64s(values: Iterable[int], packed: bool = True) -> bytes:
    """A `Feature` with an int64 list."""
    numbers = [varint(value) for value in values]
    if packed:
        return field(3, field(1, b"".join(numbers)))
    return field(3, b"".join(varint(1 << 3) + number for number in numbers))


def floats(values: Iterable[float], packed: bool = True) -> bytes:
    """A `Feature` with a float list."""
    numbers = [struct.pack("<f", value) for value in values]
    if packed:
        return field(2, field(1, b"".join(numbers)))
    return field(2, b"".join(varint(1 << 3 | 5) + number for number in numbers))


def byte_strings(values: Iterable[bytes]) -> bytes:
    """A `Feature` with a bytes list."""
    return field(1, b"".join(field(1, value) for value in values))


def entry(name: str, feature: bytes) -> bytes:
    """One feature with its name, as it stands in `Features`."""
    return field(1, field(1, name.encode()) + field(2, feature))


def example(features: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> bytes:
    """A `tf.train.Example` of features in their order."""
    pairs = features.items() if isinstance(features, Mapping) else features
    return field(1, b"".join(entry(name, feature) for name, feature in pairs))


def encoded(record: Record, packed: bool = True) -> bytes:
    """A record with its features in the order of the dict."""
    return example(
        (name, (floats if float in map(type, values) else int64s)(values, packed))
        for name, values in record.items()
    )


def frame(data: bytes) -> bytes:
    """A record with its length and both CRCs."""
    size = struct.pack("<Q", len(data))
    return b"".join(
        (size, struct.pack("<I", masked_crc(size)), data, struct.pack("<I", masked_crc(data)))
    )


def frames(records: Iterable[bytes]) -> bytes:
    """The stream of a shard."""
    return b"".join(map(frame, records))


# Records.


def random_documents(
    vocabulary: Vocabulary, seed: int, num_sentences: int, longest: int
) -> TokenizedDocuments:
    """Two documents or more, of words of which half have `##` pieces behind them."""
    rng = np.random.default_rng(seed)
    special = {"[PAD]", "[CLS]", "[SEP]", "[MASK]"}
    starts, pieces = [], []
    for number, token in enumerate(vocabulary.tokens):
        if token not in special and not token.startswith("[unused"):
            (pieces if token.startswith("##") else starts).append(number)
    sizes = rng.integers(1, longest + 1, num_sentences)
    ids = rng.choice(starts, sizes.sum())
    continues = rng.random(len(ids)) < (0.5 if pieces else 0.0)
    continues[[0, *accumulate(sizes[:-1])]] = False
    if pieces:
        ids = np.where(continues, rng.choice(pieces, len(ids)), ids)
    borders = [0, 1, *np.flatnonzero(rng.random(num_sentences - 2) < 0.3) + 2, num_sentences]
    return TokenizedDocuments(
        ids.astype(np.uint32) | continues.astype(np.uint32) << 31,
        np.array([0, *accumulate(sizes)], np.int64),
        np.array(borders, np.int64),
    )


def made_records(
    vocabulary: Vocabulary,
    options: InstanceOptions,
    records: RecordOptions | None = None,
    *,
    num_sentences: int = 60,
) -> list[bytes]:
    """What bertprep makes of random documents, in the order of the shard."""
    longest = max(2, options.max_seq_length // 2)
    documents = random_documents(vocabulary, options.random_seed, num_sentences, longest)
    return records_of(documents, vocabulary, options, records)


def records_of(
    documents: TokenizedDocuments,
    vocabulary: Vocabulary,
    options: InstanceOptions,
    records: RecordOptions | None = None,
) -> list[bytes]:
    """What bertprep makes of documents, in the order of the shard."""
    instances = create_training_instances(documents, vocabulary, options)
    layout = RecordLayout.of(vocabulary, options, records or RecordOptions())
    serializer = RecordSerializer(instances, layout)
    buffer = np.zeros((1 << 20) + layout.slack, np.uint8)
    made: list[bytes] = []
    while end := serializer.fill(buffer, 0):
        data, at = buffer[:end].tobytes(), 0
        while at < end:
            (size,) = struct.unpack_from("<Q", data, at)
            made.append(data[at + 12 : at + 12 + size])
            at += 16 + size
    return made


# Data sets.


def write_data_set(
    folder: Path,
    shards: Sequence[Sequence[bytes]],
    vocabulary: Vocabulary,
    instances: InstanceOptions | None = None,
    records: RecordOptions | None = None,
    *,
    held_out: Sequence[Sequence[bytes]] = (),
    counts: Mapping[str, int] | None = None,
) -> Path:
    """Shards of these records, and beside them what `bertprep create` leaves there."""
    instances, records = instances or InstanceOptions(), records or RecordOptions()
    folder.mkdir(parents=True)
    summaries: list[list[dict[str, Any]]] = []
    for place, streams in (("", shards), ("eval/", held_out)):
        summaries.append([])
        for k, stream in enumerate(map(frames, streams)):
            name = f"{place}tf_examples.tfrecord-{k:05}-of-{len(streams):05}"
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            is_gzip = records.compression == "gzip"
            path.write_bytes(gzip.compress(stream, 3) if is_gzip else stream)
            sizes = {"records": len(streams[k]), "bytes": len(stream)}
            summaries[-1].append({"name": name, **sizes, "crc32c": google_crc32c.value(stream)})
    options = CreateOptions(
        ("corpus",), folder / "vocab.txt", folder, instances=instances, records=records
    )
    plan = make_plan(options, vocabulary, (), PartitionPlan(len(shards), 1, len(held_out), 0.0))
    known = {"instances": 0, "instance_tokens": 0, "masks": 0, "random_next": 0}
    manifest = make_manifest(plan, (), (), known | dict(counts or {}))
    manifest["shards"], manifest["eval_shards"] = summaries
    (folder / "plan.json").write_bytes(encode(plan))
    (folder / "manifest.json").write_bytes(encode(manifest))
    (folder / "vocab.txt").write_bytes(vocabulary.data)
    return folder


def edit_manifest(folder: Path, edit: Any) -> None:
    """Lets a function change the manifest of a data set."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    edit(manifest)
    path.write_bytes(encode(manifest))


_TENSORFLOW_WRITER = """
import json, sys
import tensorflow as tf

def feature(values):
    if values and isinstance(values[0], str):
        data = [value.encode() for value in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=data))
    if values and isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

for shard in json.load(sys.stdin):
    with tf.io.TFRecordWriter(shard["path"], options=shard.get("compression", "")) as writer:
        for record in shard["records"]:
            message = tf.train.Example()
            for name, values in record.items():
                message.features.feature[name].CopyFrom(feature(values))
            writer.write(message.SerializeToString())
"""


def write_with_tensorflow(shards: Sequence[Mapping[str, Any]]) -> None:
    """Writes shards ({path, records, compression}) in a Python that imports TensorFlow."""
    subprocess.run(
        [sys.executable, "-c", _TENSORFLOW_WRITER],
        input=json.dumps(shards),
        text=True,
        check=True,
        timeout=LIMIT,
        capture_output=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
