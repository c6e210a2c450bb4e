"""What workers do: a split of the corpus becomes blobs, a partition of them becomes shards.

    job           what every task knows, and what is made of it once a process
    tokenizing    split -> blocks -> tokenized documents -> a blob a partition
    building      slices of blobs -> instances -> shards
    machine       a worker made ready

The same functions serve every engine, which carries the blobs from the one to the other.
"""

from bertprep.stages.building import BuiltPartition, build_partition, find_built
from bertprep.stages.job import BLOCK_BYTES, Job
from bertprep.stages.machine import keep_freed_memory, set_up_machine, warm_up
from bertprep.stages.tokenizing import TextCounts, tokenize_block, tokenize_split

__all__ = [
    "BLOCK_BYTES",
    "BuiltPartition",
    "Job",
    "TextCounts",
    "build_partition",
    "find_built",
    "keep_freed_memory",
    "set_up_machine",
    "tokenize_block",
    "tokenize_split",
    "warm_up",
]
