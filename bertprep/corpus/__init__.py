"""The corpus: names on the command line -> files -> splits -> blocks of whole documents.

The parent finds the files, looks at the beginning of each for its format, and plans the splits from
their sizes; a worker reads a split block by block, and holds about one block while the block before
it is in use. All formats give the same blocks: a sentence a line, an empty line behind a document.

Example:
    >>> found = find_inputs(
    ...     ["sample_corpus"], vocab=Path("vocab.txt"), output=Path("out"), spool=Path("out/stdin")
    ... )
    >>> options = CorpusOptions()
    >>> files, told = find_formats(found.files, options)
    >>> for split in plan_splits(files, 64_000_000, options):
    ...     for block in read_blocks(split, options, block_bytes=16_000_000):
    ...         tokenize(block.data)
"""

from bertprep.corpus.detection import find_formats
from bertprep.corpus.formats import plan_splits, read_blocks
from bertprep.corpus.formats.plain_text import TextBlock
from bertprep.corpus.inputs import Inputs, estimate_text_bytes, find_inputs
from bertprep.corpus.splits import Block, Split

__all__ = [
    "Block",
    "Inputs",
    "Split",
    "TextBlock",
    "estimate_text_bytes",
    "find_formats",
    "find_inputs",
    "plan_splits",
    "read_blocks",
]
