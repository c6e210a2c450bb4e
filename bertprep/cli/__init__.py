"""The command line: flags become one options object; errors are one line with an exit status."""

import os

import click

from bertprep import __version__
from bertprep.cli.create import create
from bertprep.cli.export import export
from bertprep.cli.inspect import inspect
from bertprep.cli.outcome import Group, catch_stop_signals
from bertprep.cli.pretrain import pretrain
from bertprep.cli.vocab import vocab

_CONTEXT = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
    # The reference's own spelling, --max_seq_length, is as good as --max-seq-length.
    "token_normalize_func": lambda token: token.replace("_", "-"),
}


@click.group(cls=Group, context_settings=_CONTEXT)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Pretrain a BERT from raw text: vocabulary, records, inspection, training, export."""
    catch_stop_signals(context)
    if os.environ.get("NO_COLOR"):
        context.color = False


main.add_command(create)
main.add_command(export)
main.add_command(inspect)
main.add_command(pretrain)
main.add_command(vocab)
