"""The plan and the manifest: what a data set was made from, and what it is.

`plan.json` is written before the first record: everything that changes bytes. `manifest.json` is
written after the last one and holds the plan, a line a shard, and counts: the mark of a whole data
set. Neither depends on time, host or workers.
"""

import dataclasses
import hashlib
import json
import re
import unicodedata
import zlib
from collections.abc import Sequence
from typing import Any

from bertprep import __version__
from bertprep.data import InputFile, PartitionPlan, ShardSummary
from bertprep.options import CreateOptions, InstanceOptions
from bertprep.options.segmenters import segmenter_versions
from bertprep.vocab import Vocabulary

PLAN_NAME, MANIFEST_NAME, VOCABULARY_NAME = "plan.json", "manifest.json", "vocab.txt"
_FORMAT = 1

Plan = dict[str, Any]


def make_plan(
    options: CreateOptions,
    vocabulary: Vocabulary,
    inputs: Sequence[InputFile],
    partitions: PartitionPlan,
) -> Plan:
    """Everything that the bytes of the data set follow from, as JSON values."""
    plan: Plan = {
        "format": _FORMAT,
        "version": __version__,
        "unicode": unicodedata.unidata_version,
        "vocabulary": {"sha256": vocabulary.sha256, "size": len(vocabulary.tokens)},
        "inputs": [_identity(file) for file in inputs],
        "partitions": {
            "num_partitions": partitions.num_partitions,
            "num_shards": partitions.num_shards,
            "num_eval_partitions": partitions.num_eval_partitions,
            "eval_fraction": partitions.eval_fraction,
        },
        "tokenizer": dataclasses.asdict(options.tokenizer),
        "instances": dataclasses.asdict(options.instances),
        "corpus": dataclasses.asdict(options.corpus),
        "records": dataclasses.asdict(options.records),
    }
    if options.records.compression == "gzip":
        plan["zlib"] = zlib.ZLIB_RUNTIME_VERSION
    # As it will be read again.
    plan["tokenizer"]["never_split"] = list(options.tokenizer.never_split)
    if options.tokenizer.word_segmenter:
        plan["segmenter"] = segmenter_versions(options.tokenizer.word_segmenter)
    return plan


def _identity(file: InputFile) -> dict[str, Any]:
    known: dict[str, Any] = {"path": file.path, "bytes": file.size, "format": file.format}
    if file.remote is not None:
        return known | ({"version": file.remote.version} if file.remote.version else {})
    if file.spool is None:
        return known | {"modified_ns": file.modified}
    # stdin has no time, and may be another text of the same length when a run is gone on with.
    with open(file.spool, "rb") as stream:
        return known | {"sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def make_manifest(
    plan: Plan,
    shards: Sequence[ShardSummary],
    eval_shards: Sequence[ShardSummary],
    counts: dict[str, int],
) -> dict[str, Any]:
    """The plan, the files and the counts of a finished data set, as JSON values."""
    return {
        "plan": plan,
        "shards": [dataclasses.asdict(shard) for shard in shards],
        "eval_shards": [dataclasses.asdict(shard) for shard in eval_shards],
        "counts": counts,
    }


def instance_options(plan: Plan) -> InstanceOptions:
    """The options that instances were made with; what this version does not know is left out."""
    known = {field.name for field in dataclasses.fields(InstanceOptions)}
    values = plan["instances"].items()
    return InstanceOptions(**{name: value for name, value in values if name in known})


def encode(document: Plan) -> bytes:
    """JSON as it stands in the files."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def differences(old: Plan, new: Plan) -> list[str]:
    """One phrase for each value in which two plans differ: `max_seq_length was 128, is 512`."""
    flat_old, flat_new = dict(_leaves(old)), dict(_leaves(new))
    names = list(dict.fromkeys([*flat_old, *flat_new]))
    return [
        f"{name} was {_shown(flat_old.get(name))}, is {_shown(flat_new.get(name))}"
        for name in names
        if flat_old.get(name) != flat_new.get(name)
    ]


def _leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        inner = value.items()
        return [leaf for key, item in inner for leaf in _leaves(item, _inner_name(name, key))]
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        named = [(f"input {item['path']}" if "path" in item else str(item), item) for item in value]
        return [(key, {k: v for k, v in item.items() if k != "path"}) for key, item in named]
    return [(name, value)]


def _inner_name(name: str, key: str) -> str:
    # An option has a name that says enough; "vocabulary" and "sha256" need each other.
    return f"{name} {key}" if name in ("vocabulary",) else key


def _shown(value: Any) -> str:
    if value is None:
        return "not there"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(
            f"{key} {_shown(item)}" if isinstance(item, str) else f"{item:,} {key}"
            for key, item in value.items()
        )
    text = str(value)
    return f"{text[:8]}..." if re.fullmatch("[0-9a-f]{64}", text) else text
