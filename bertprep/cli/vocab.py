"""`bertprep vocab`."""

import sys
import warnings
from pathlib import Path
from typing import Any

import click

from bertprep.cli.flags import (
    Command,
    corpus_options,
    engine_options,
    option,
    split_options,
    tokenizer_options,
)
from bertprep.options import CorpusOptions, EngineOptions, TokenizerOptions, VocabOptions

_PATH = click.Path(path_type=Path)


@click.command(cls=Command, short_help="Train a WordPiece vocabulary on a raw corpus.")
@click.argument("inputs", nargs=-1, required=True, metavar="CORPUS...")
@click.option(
    "--output", "-o", required=True, type=_PATH, help="Vocabulary file to write; - for stdout."
)
@option(
    VocabOptions,
    "size",
    type=int,
    show_default="30522; with --extend, all slots",
    help="Number of lines, special tokens included; with --extend, maximum lines to fill.",
)
@option(
    VocabOptions,
    "extend",
    type=_PATH,
    metavar="VOCAB",
    help="Fill the [unusedN] lines of this vocabulary with words of the corpus.",
)
@option(
    VocabOptions, "unused", type=int, help="Number of [unusedN] lines after the special tokens."
)
@option(
    VocabOptions,
    "min_frequency",
    type=int,
    help="Minimum count of a character, a merged pair or a new word.",
)
@option(
    VocabOptions,
    "limit_alphabet",
    type=int,
    show_default="all",
    help="Keep only the N most frequent characters.",
)
@option(
    VocabOptions,
    "pad_to_multiple",
    type=int,
    help="Add [unusedN] lines until the number of lines is a multiple of N.",
)
@tokenizer_options
@option(
    VocabOptions,
    "workers",
    "--workers",
    "-j",
    type=int,
    show_default="all cores",
    help="Number of worker processes.",
)
@engine_options
@corpus_options
@option(
    VocabOptions,
    "work_folder",
    type=_PATH,
    show_default="beside the output",
    help="Folder for word counts, from which an interrupted run resumes.",
)
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
    help="Print errors only: no progress, no warnings, no report.",
)
def vocab(**values: Any) -> None:
    """Train a WordPiece vocabulary on a raw corpus.

    CORPUS is what bertprep create takes. Words are normalized as in create: pass the same
    --lowercase and --strip-accents to both. The output does not depend on the engine or the number
    of workers. To resume a run that was stopped, repeat its command.

    \b
    Examples:
      bertprep vocab sample_corpus --size 4000 --output /tmp/vocab.txt
      bertprep vocab sample_corpus --extend published.txt --output /tmp/extended.txt
    """  # noqa: D301 (click wants the backspace itself)
    parts = {
        "tokenizer": split_options(values, TokenizerOptions),
        "corpus": split_options(values, CorpusOptions),
        "execution": split_options(values, EngineOptions),
    }
    options = VocabOptions(**values, **parts)
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    from bertprep.vocabulary import make_vocabulary  # numba's import is too slow for --help

    data, report = make_vocabulary(options)
    if data is not None:
        sys.stdout.buffer.write(data)
    if not options.quiet:
        click.echo(report, err=data is not None)
