"""`bertprep create`."""

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
    together,
    tokenizer_options,
)
from bertprep.options import (
    CorpusOptions,
    CreateOptions,
    EngineOptions,
    InstanceOptions,
    RecordOptions,
    TokenizerOptions,
    place,
)
from bertprep.options.segmenters import SEGMENTERS

_word_options = together(
    option(
        TokenizerOptions,
        "segmented",
        "--segmented",
        is_flag=True,
        show_default=False,
        help="Blanks stand between words in Chinese too: mask the words whole.",
    ),
    option(
        TokenizerOptions,
        "word_segmenter",
        type=click.Choice(list(SEGMENTERS)),
        help="Mask whole words of unspaced text, by this library.",
    ),
    option(
        TokenizerOptions,
        "never_split",
        multiple=True,
        metavar="TOKEN",
        show_default=False,
        help="A piece that stands for itself in the text, as it is. Several times.",
    ),
)


_instance_options = together(
    option(
        InstanceOptions, "max_seq_length", type=int, help="Tokens of an instance, specials counted."
    ),
    option(
        InstanceOptions,
        "max_predictions_per_seq",
        type=int,
        show_default="length x probability, rounded up: 20",
        help="Most masks of an instance.",
    ),
    option(InstanceOptions, "masked_lm_prob", type=float, help="Share of the tokens to mask."),
    option(InstanceOptions, "dupe_factor", type=int, help="Times the corpus is gone through."),
    option(
        InstanceOptions, "short_seq_prob", type=float, help="Share of documents with shorter aims."
    ),
    option(InstanceOptions, "random_seed", type=int, help="Partition p draws with seed + p."),
    option(
        InstanceOptions,
        "whole_word_mask",
        "--whole-word-mask/--no-whole-word-mask",
        "--do-whole-word-mask/--no-do-whole-word-mask",
        help="Mask all pieces of a word or none.",
    ),
    option(
        InstanceOptions,
        "quirks",
        type=click.Choice(["keep", "fix"]),
        help="Keep the reference's three oddities, or fix them (see the README).",
    ),
)


@click.command(cls=Command, short_help="Make tf_examples.tfrecord shards from a raw corpus.")
@click.argument("inputs", nargs=-1, required=True, metavar="CORPUS...")
@click.option(
    "--vocab",
    "--vocab-file",
    required=True,
    type=click.Path(path_type=Path),
    help="The vocabulary, a piece a line.",
)
@click.option(
    "--output",
    "-o",
    required=True,
    callback=lambda _, __, value: place(value),
    metavar="PATH|URL",
    help="The folder of the shards, here or on an object store.",
)
@_instance_options
@tokenizer_options
@_word_options
@option(CreateOptions, "num_shards", type=int, show_default="one a partition", help="Files.")
@option(
    CreateOptions,
    "num_partitions",
    type=int,
    show_default="one for 8 MB of text",
    help="Parts of the corpus that are shuffled, and draw random sentences, by themselves.",
)
@option(
    CreateOptions,
    "eval_fraction",
    type=float,
    help="Share of the documents that goes to shards in eval/ instead.",
)
@option(
    CreateOptions,
    "workers",
    "--workers",
    "-j",
    type=int,
    show_default="all cores",
    help="Processes.",
)
@engine_options
@option(RecordOptions, "compression", type=click.Choice(["none", "gzip"]), help="Of the shards.")
@option(
    RecordOptions,
    "feature_names",
    type=click.Choice(["v1", "v2"]),
    help="input_ids as the reference, or input_word_ids as the TensorFlow Model Garden.",
)
@option(
    CorpusOptions,
    "split_sentences",
    metavar="LANG",
    show_default="a line is a sentence",
    help="Split each line, a paragraph, into sentences by the rules of a language: en, de, zh ...",
)
@option(
    CorpusOptions,
    "max_sentence_tokens",
    type=int,
    show_default="no limit",
    help="Cut a longer sentence into parts, between words.",
)
@corpus_options
@option(
    CreateOptions,
    "check_disk",
    "--check-disk/--no-check-disk",
    help="Compare an estimate of the output with the free disk first.",
)
@option(
    CreateOptions,
    "overwrite",
    "--overwrite",
    is_flag=True,
    show_default=False,
    help="Remove what another command left in the output folder.",
)
@option(
    CreateOptions,
    "work_folder",
    type=click.Path(path_type=Path),
    show_default="a temporary one",
    help="Where shards are built before they go to an --output that is a URL.",
)
@option(
    CreateOptions,
    "dry_run",
    "--dry-run",
    is_flag=True,
    show_default=False,
    help="Look at a sample, say what would be made and what may be wrong, and write nothing.",
)
@option(
    CreateOptions,
    "quiet",
    "--quiet",
    "-q",
    is_flag=True,
    show_default=False,
    help="Nothing but errors: no progress, no warnings, no summary.",
)
def create(**values: Any) -> None:
    """Make tf_examples.tfrecord shards from a raw corpus.

    CORPUS is files, globs, folders, URLs of these (s3://, gs://, https:// and others), or - for
    stdin: one sentence a line, an empty line after each document, or JSON lines, parquet,
    WikiExtractor's files or free text (--format); plain or compressed with gzip, bzip2, xz or zstd.
    The records are those of google-research/bert's create_pretraining_data.py. A command that was
    stopped goes on when it is given again.

    \b
    Example:
      bertprep create sample_corpus --vocab sample_corpus/vocab.txt --output /tmp/records
    """  # noqa: D301 (click wants the backspace itself)
    parts = {
        "tokenizer": split_options(values, TokenizerOptions),
        "instances": split_options(values, InstanceOptions),
        "corpus": split_options(values, CorpusOptions),
        "records": split_options(values, RecordOptions),
        "execution": split_options(values, EngineOptions),
    }
    options = CreateOptions(**values, **parts)
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    from bertprep.create.pipeline import create as run  # numba's import is too slow for --help
    from bertprep.create.pipeline import look_ahead

    if options.dry_run:
        page = look_ahead(options)
        if not options.quiet:
            click.echo(page)
        return
    summary = run(options)
    if not options.quiet:
        click.echo(summary.text(options.output))
