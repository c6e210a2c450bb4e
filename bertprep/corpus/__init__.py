"""The corpus: names on the command line -> files -> splits -> blocks of whole documents.

The parent finds the files and plans the splits from their sizes alone; a worker reads a split block
by block, and holds about one block while the block before it is in use.

Example:
    >>> found = find_inputs(
    ...     ["sample_corpus"], vocab=Path("vocab.txt"), output=Path("out"), spool=Path("out/stdin")
    ... )
    >>> for split in plan_splits(found.files, target_bytes=64_000_000):
    ...     for block in read_blocks(split, CorpusOptions(), block_bytes=16_000_000):
    ...         tokenize(block.data)
"""

from bertprep.corpus.blocks import Block, Split, line_number, plan_splits, read_blocks
from bertprep.corpus.inputs import Inputs, estimate_text_bytes, find_inputs

__all__ = [
    "Block",
    "Inputs",
    "Split",
    "estimate_text_bytes",
    "find_inputs",
    "line_number",
    "plan_splits",
    "read_blocks",
]
