"""`bertprep create`."""

import click

from bertprep.cli.flags import command
from bertprep.cli.outcome import show_summary
from bertprep.options import CreateOptions, without_credentials


@command(CreateOptions, "Create training records from a raw corpus.")
def create(options: CreateOptions) -> None:
    """Create training records (tf_examples.tfrecord shards) from a raw corpus.

    CORPUS is files, globs, folders, URLs of these (s3://, gs://, https:// and others), or - for
    stdin. Text has one sentence per line and an empty line after each document; JSON lines,
    parquet, WikiExtractor output and free text are read too (--format), plain or compressed with
    gzip, bzip2, xz or zstd. The records are those of google-research/bert's
    create_pretraining_data.py. To resume a run that was stopped, repeat its command.

    \b
    Example:
      bertprep create sample_corpus --vocab sample_corpus/vocab.txt -o /tmp/r
    """  # noqa: D301 (click wants the backspace itself)
    from bertprep.create.pipeline import create as run  # numba's import is too slow for --help
    from bertprep.create.pipeline import look_ahead

    if options.dry_run:
        page = look_ahead(options)
        if not options.quiet:
            click.echo(page)
        return
    summary = run(options)
    if not options.quiet:
        show_summary(summary.text(without_credentials(options.output)))
