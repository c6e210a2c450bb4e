"""The plan and the manifest: what a data set is made from, and what it holds.

`plan.json` is written before the first record: everything that the bytes follow from.
`manifest.json` is written after the last record: the plan, a summary of each shard, and counts; it
marks a complete data set. Neither depends on time, host or workers.
"""

import dataclasses
import unicodedata
import zlib
from collections.abc import Sequence
from typing import Any

from bertprep import __version__
from bertprep.corpus.sentences import splitter_identity
from bertprep.data import InputFile, PartitionPlan, ShardSummary, identify
from bertprep.options import CreateOptions, InstanceOptions
from bertprep.options.segmenters import segmenter_versions
from bertprep.storage.plans import Plan
from bertprep.vocab import Vocabulary

#: Version of the shape of both files.
FORMAT = 2


def make_plan(
    options: CreateOptions,
    vocabulary: Vocabulary,
    inputs: Sequence[InputFile],
    partitions: PartitionPlan,
) -> Plan:
    """Return everything that the bytes of the data set follow from, as JSON values.

    Raises:
        UsageError: a library that the options require is not installed.
    """
    tokenizer = dataclasses.asdict(options.tokenizer)
    return {
        "format": FORMAT,
        "version": __version__,
        "libraries": _library_versions(options),
        "vocabulary": {
            "sha256": vocabulary.sha256,
            "size": len(vocabulary.tokens),
            # Padding is 0 unless this is here.
            **({"pad_id": vocabulary.pad_id} if vocabulary.pad_id else {}),
        },
        "inputs": identify(inputs),
        "partitions": {
            "num_partitions": partitions.num_partitions,
            "num_shards": partitions.num_shards,
            "num_eval_partitions": partitions.num_eval_partitions,
            "eval_fraction": partitions.eval_fraction,
        },
        "corpus": dataclasses.asdict(options.corpus),
        # A list, as JSON reads it.
        "tokenizer": tokenizer | {"never_split": list(options.tokenizer.never_split)},
        "instances": describe_instances(options.instances),
        "records": dataclasses.asdict(options.records),
    }


def _library_versions(options: CreateOptions) -> dict[str, str]:
    """Return the versions of the libraries whose results get into the records."""
    versions = {"unicode": unicodedata.unidata_version}
    if options.records.compression == "gzip":
        versions["zlib"] = zlib.ZLIB_RUNTIME_VERSION
    if options.tokenizer.word_segmenter:
        versions |= segmenter_versions(options.tokenizer.word_segmenter)
    return versions | splitter_identity(options.corpus)


def make_manifest(
    plan: Plan,
    shards: Sequence[ShardSummary],
    eval_shards: Sequence[ShardSummary],
    counts: dict[str, int],
) -> dict[str, Any]:
    """Return the plan, the files and the counts of a complete data set, as JSON values."""
    return {
        "plan": plan,
        "shards": [dataclasses.asdict(shard) for shard in shards],
        "eval_shards": [dataclasses.asdict(shard) for shard in eval_shards],
        "counts": counts,
    }


def upgrade_manifest(manifest: Any) -> Any:
    """Return a manifest, as read from JSON, in the current format; others stay as they are."""
    try:
        plan, instances = manifest["plan"], dict(manifest["plan"]["instances"])
        masking = "whole-word" if instances.pop("whole_word_mask") else "wordpiece"
        upgraded = {"objective": "nsp", "masking": masking} | instances
        return manifest | {"plan": plan | {"instances": upgraded}}
    except (KeyError, TypeError, ValueError):  # of format 2, or of any other shape
        return manifest


def describe_instances(options: InstanceOptions) -> dict[str, Any]:
    """Return the options of the instances as JSON values, the inverse of `instance_options`."""
    values = dataclasses.asdict(options)
    del values["whole_word_mask"]  # the masking has a name
    return {"objective": options.objective, "masking": options.masking} | values


def instance_options(plan: Plan) -> InstanceOptions:
    """Return the options of the instances; options that this version does not know are ignored."""
    known = {field.name for field in dataclasses.fields(InstanceOptions)}
    values = {name: value for name, value in plan["instances"].items() if name in known}
    is_whole = plan["instances"]["masking"] == "whole-word"
    return InstanceOptions(**values | {"whole_word_mask": is_whole})
