"""The corpus: names on the command line -> files -> splits -> blocks of whole documents.

The parent process lists the files, finds the format of each from its first bytes, and plans the
splits from file sizes. A worker reads a split block by block, and holds about one block while the
previous one is in use. All formats yield the same blocks: one sentence per line, an empty line
after each document.

Example:
    >>> found = find_inputs(
    ...     ["sample_corpus"], vocab=Path("vocab.txt"), output=Path("out"), spool=Path("out/stdin")
    ... )
    >>> options = CorpusOptions()
    >>> files, message = find_formats(found.files, options)
    >>> for split in plan_splits(files, 64_000_000, options):
    ...     for block in read_blocks(split, options, block_bytes=16_000_000):
    ...         tokenize(block.data)
"""

from bertprep.corpus.detection import find_formats
from bertprep.corpus.formats import (
    estimate_text_bytes,
    measure_text_bytes,
    plan_splits,
    read_blocks,
)
from bertprep.corpus.formats.base import Block, Split
from bertprep.corpus.formats.plain_text import TextBlock
from bertprep.corpus.inputs import Inputs, find_inputs
from bertprep.corpus.streams import require_unchanged

__all__ = [
    "Block",
    "Inputs",
    "Split",
    "TextBlock",
    "estimate_text_bytes",
    "find_formats",
    "find_inputs",
    "measure_text_bytes",
    "plan_splits",
    "read_blocks",
    "require_unchanged",
]
