"""Names of the files that `create` writes, into a folder of this machine or at a URL.

    plan.json, manifest.json, vocab.txt             written first, last, and before the last
    tf_examples.tfrecord-00000-of-00004, ...        shards
    eval/tf_examples.tfrecord-00000-of-00001, ...   held-out shards
    .bertprep/                                      blobs, results of tasks, unfinished files

Only names that follow from a plan are ever removed.
"""

import re
from typing import Any

from bertprep.storage.files import Found
from bertprep.storage.plans import VOCABULARY_NAME, FolderLayout, Plan

EVAL_NAME = "eval"
_SHARD = re.compile(r"(eval/)?tf_examples\.tfrecord-([0-9]{5,12})-of-([0-9]{5,12})")


def shard_name(index: int, num_shards: int, *, held_out: bool = False) -> str:
    """Return the name of a shard, relative to the output folder."""
    name = f"tf_examples.tfrecord-{index:05d}-of-{num_shards:05d}"
    return f"{EVAL_NAME}/{name}" if held_out else name


def _read_plan(value: Any) -> Plan:
    numbers = value["partitions"]
    for name in ("num_shards", "num_eval_partitions"):
        if not isinstance(numbers[name], int):
            raise TypeError(name)
    if not isinstance(value["vocabulary"]["sha256"], str):
        raise TypeError("sha256")
    # A plan of an older version lacks the options that came later: they had these values.
    tokenizer = {"tokenize_chinese_chars": True} | value["tokenizer"]
    plan: Plan = value | {"tokenizer": tokenizer}
    return plan


def _lists(plan: Plan, name: str) -> bool:
    if not (match := _SHARD.fullmatch(name)):
        return False
    numbers = plan["partitions"]
    num_shards = numbers["num_eval_partitions" if match[1] else "num_shards"]
    index = int(match[2])
    return index < num_shards and name == shard_name(index, num_shards, held_out=bool(match[1]))


def _is_complete(manifest: Any, found: Found) -> bool:
    shards = (*manifest["shards"], *manifest["eval_shards"])
    # The manifest has the bytes of the records, as they are before compression.
    is_plain = manifest["plan"]["records"]["compression"] == "none"
    return VOCABULARY_NAME in found.sizes and all(
        found.sizes.get(shard["name"]) == shard["bytes"]
        if is_plain
        else shard["name"] in found.sizes
        for shard in shards
    )


LAYOUT = FolderLayout(
    read_plan=_read_plan,
    lists=_lists,
    reserved=re.compile(r"(eval/)?tf_examples\.tfrecord-.*"),
    work_names=re.compile(
        r"tokens-\d+(-\d+)?\.(blob|json)|(shards|sent)-\d+\.json|(plan|manifest|vocab)\.tmp"
        r"|[\w-]*((tokens|shards|sent)-\d+(-\d+)?|(eval-)?tf_examples\.tfrecord-\d+-of-\d+)\.tmp"
        r"|run-[0-9a-f]+(\.mark|-\w+\.seen)"
    ),
    folders=(EVAL_NAME,),
    is_complete=_is_complete,
)
