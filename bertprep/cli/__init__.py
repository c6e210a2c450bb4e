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
    # BERTPREP_CREATE_WORKERS=4 is --workers 4 of create.
    "auto_envvar_prefix": "BERTPREP",
}


@click.group(cls=Group, context_settings=_CONTEXT)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Pretrain a BERT from raw text: vocabulary, records, inspection, training, export."""
    catch_stop_signals(context)
    if os.environ.get("NO_COLOR"):
        context.color = False


@main.command(short_help="Show the help of a command.")
@click.argument("name", metavar="[COMMAND]", required=False)
@click.pass_context
def help(context: click.Context, name: str | None) -> None:
    """Show the help of a command, or of all."""
    group = context.find_root()
    if name is None:
        click.echo(group.get_help())
        return
    found = main.get_command(group, name)
    if found is None:
        raise click.UsageError(f"no such command {name!r}: name {', '.join(main.commands)}")
    with click.Context(found, info_name=name, parent=group) as shown:
        click.echo(found.get_help(shown))


main.add_command(create)
main.add_command(export)
main.add_command(inspect)
main.add_command(pretrain)
main.add_command(vocab)
