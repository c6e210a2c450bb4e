"""The plan and the manifest: what a data set was made from, and what it is.

`plan.json` is written before the first record: everything that changes bytes. `manifest.json` is
written after the last one and holds the plan, a line a shard, and counts: the mark of a whole data
set. Neither depends on time, host or workers.
"""

import dataclasses
import unicodedata
import zlib
from collections.abc import Sequence
from typing import Any

from bertprep import __version__
from bertprep.data import InputFile, PartitionPlan, ShardSummary
from bertprep.options import CreateOptions, InstanceOptions
from bertprep.options.segmenters import segmenter_versions
from bertprep.storage.plans import Plan
from bertprep.vocab import Vocabulary

_FORMAT = 1


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
        "inputs": [file.identity() for file in inputs],
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
