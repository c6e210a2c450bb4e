"""`bertprep vocab`."""

import sys
import warnings
from pathlib import Path
from typing import Any

import click

from bertprep.cli.flags import Command, corpus_options, option, split_options, tokenizer_options
from bertprep.options import CorpusOptions, TokenizerOptions, VocabOptions

_PATH = click.Path(path_type=Path)


@click.command(cls=Command, short_help="Make a WordPiece vocabulary from a raw corpus.")
@click.argument("inputs", nargs=-1, required=True, metavar="CORPUS...")
@click.option("--output", "-o", required=True, type=_PATH, help="The file to write; - for stdout.")
@option(
    VocabOptions,
    "size",
    type=int,
    show_default="30522; with --extend, all slots",
    help="Lines, special tokens counted; with --extend, slots to fill at most.",
)
@option(
    VocabOptions,
    "extend",
    type=_PATH,
    metavar="VOCAB",
    help="Put the corpus's own words into the [unusedN] lines of this vocabulary.",
)
@option(VocabOptions, "unused", type=int, help="[unusedN] lines behind the special tokens.")
@option(
    VocabOptions,
    "min_frequency",
    type=int,
    help="Characters, pairs and new words that stand less often get no line.",
)
@option(
    VocabOptions,
    "limit_alphabet",
    type=int,
    show_default="all",
    help="Keep only the most frequent characters.",
)
@option(
    VocabOptions,
    "pad_to_multiple",
    type=int,
    help="Add [unusedN] lines until their number is a multiple of this one.",
)
@tokenizer_options
@option(
    VocabOptions,
    "workers",
    "--workers",
    "-j",
    type=int,
    show_default="all cores",
    help="Processes.",
)
@corpus_options
@option(
    VocabOptions,
    "overwrite",
    "--overwrite",
    is_flag=True,
    show_default=False,
    help="Replace the output file.",
)
@option(
    VocabOptions,
    "quiet",
    "--quiet",
    "-q",
    is_flag=True,
    show_default=False,
    help="Nothing but errors: no progress, no warnings, no report.",
)
def vocab(**values: Any) -> None:
    """Make a WordPiece vocabulary from a raw corpus.

    CORPUS is what bertprep create takes, and its words are made as create makes them: give both the
    same --lowercase and --strip-accents. The same corpus gives the same bytes with any number of
    workers.

    \b
    Examples:
      bertprep vocab sample_corpus --size 4000 --output /tmp/vocab.txt
      bertprep vocab sample_corpus --extend published.txt --output /tmp/extended.txt
    """  # noqa: D301 (click wants the backspace itself)
    parts = {
        "tokenizer": split_options(values, TokenizerOptions),
        "corpus": split_options(values, CorpusOptions),
    }
    options = VocabOptions(**values, **parts)
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    from bertprep.vocabulary import make_vocabulary  # numba's import is too slow for --help

    data, report = make_vocabulary(options)
    if data is not None:
        sys.stdout.buffer.write(data)
    if not options.quiet:
        click.echo(report, err=data is not None)
