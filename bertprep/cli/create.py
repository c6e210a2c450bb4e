"""`bertprep create`."""

import warnings
from pathlib import Path
from typing import Any

import click

from bertprep.cli.flags import Command, F, option, split_options
from bertprep.options import (
    CorpusOptions,
    CreateOptions,
    InstanceOptions,
    RecordOptions,
    TokenizerOptions,
)


def _tokenizer_options(command: F) -> F:
    for flag in reversed(
        (
            option(
                TokenizerOptions,
                "lowercase",
                "--lowercase/--no-lowercase",
                "--do-lower-case/--no-do-lower-case",
                help="Lower-case the text; give --no-lowercase with a cased vocabulary.",
            ),
            option(
                TokenizerOptions,
                "strip_accents",
                "--strip-accents/--no-strip-accents",
                help="Drop combining marks (é becomes e); follows --lowercase unless given.",
            ),
            option(
                TokenizerOptions,
                "max_input_chars_per_word",
                type=int,
                help="A longer word is one [UNK].",
            ),
        )
    ):
        command = flag(command)
    return command


def _instance_options(command: F) -> F:
    of = InstanceOptions
    for flag in reversed(
        (
            option(of, "max_seq_length", type=int, help="Tokens of an instance, specials counted."),
            option(
                of,
                "max_predictions_per_seq",
                type=int,
                show_default="length x probability, rounded up: 20",
                help="Most masks of an instance.",
            ),
            option(of, "masked_lm_prob", type=float, help="Share of the tokens to mask."),
            option(of, "dupe_factor", type=int, help="Times the corpus is gone through."),
            option(of, "short_seq_prob", type=float, help="Share of documents with shorter aims."),
            option(of, "random_seed", type=int, help="Partition p draws with seed + p."),
            option(
                of,
                "whole_word_mask",
                "--whole-word-mask/--no-whole-word-mask",
                "--do-whole-word-mask/--no-do-whole-word-mask",
                help="Mask all pieces of a word or none.",
            ),
            option(
                of,
                "quirks",
                type=click.Choice(["keep", "fix"]),
                help="Keep the reference's three oddities, or fix them (see the README).",
            ),
        )
    ):
        command = flag(command)
    return command


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
    type=click.Path(path_type=Path),
    help="The folder of the shards.",
)
@_instance_options
@_tokenizer_options
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
@option(RecordOptions, "compression", type=click.Choice(["none", "gzip"]), help="Of the shards.")
@option(
    RecordOptions,
    "feature_names",
    type=click.Choice(["v1", "v2"]),
    help="input_ids as the reference, or input_word_ids as the TensorFlow Model Garden.",
)
@option(
    CorpusOptions,
    "encoding_errors",
    type=click.Choice(["strict", "replace", "skip"]),
    help="At bytes that are not UTF-8 and NUL: stop, replace them, or leave out the line.",
)
@option(CorpusOptions, "max_line_chars", type=int, help="A longer line is an error.")
@option(CorpusOptions, "max_document_bytes", type=int, help="A larger document is an error.")
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

    CORPUS is files, globs, folders, or - for stdin: one sentence a line, an empty line after each
    document, plain or compressed with gzip, bzip2, xz or zstd. The records are those of
    google-research/bert's create_pretraining_data.py. A command that was stopped goes on when it
    is given again.

    \b
    Example:
      bertprep create sample_corpus --vocab sample_corpus/vocab.txt --output /tmp/records
    """  # noqa: D301 (click wants the backspace itself)
    parts = {
        "tokenizer": split_options(values, TokenizerOptions),
        "instances": split_options(values, InstanceOptions),
        "corpus": split_options(values, CorpusOptions),
        "records": split_options(values, RecordOptions),
    }
    options = CreateOptions(**values, **parts)
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    from bertprep.create import create as run  # numba's import is too slow for --help
    from bertprep.create import look_ahead

    if options.dry_run:
        page = look_ahead(options)
        if not options.quiet:
            click.echo(page)
        return
    summary = run(options)
    if not options.quiet:
        click.echo(summary.text(options.output))
