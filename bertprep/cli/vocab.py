"""`bertprep vocab`."""

import sys

import click

from bertprep.cli.flags import command
from bertprep.cli.outcome import show_summary
from bertprep.options import VocabOptions


@command(VocabOptions, "Train a WordPiece vocabulary on a raw corpus.")
def vocab(options: VocabOptions) -> None:
    """Train a WordPiece vocabulary on a raw corpus.

    CORPUS is what bertprep create takes. Pass the same --lowercase and --strip-accents to both. The
    vocabulary does not depend on the engine or the number of workers. To resume a run that was
    stopped, repeat its command.

    \b
    Examples:
      bertprep vocab sample_corpus --size 4000 --output /tmp/vocab.txt
      bertprep vocab sample_corpus --extend published.txt --output /tmp/new.txt
    """  # noqa: D301 (click wants the backspace itself)
    from bertprep.vocabulary import make_vocabulary  # numba's import is too slow for --help

    data, report = make_vocabulary(options)
    if data is not None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    if options.quiet:
        return
    if data is None:
        show_summary(report)
    else:
        click.echo(report, err=True)
