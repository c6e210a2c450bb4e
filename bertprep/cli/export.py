"""`bertprep export`."""

from pathlib import Path
from typing import Any

import click

from bertprep.cli.flags import Command, option
from bertprep.options import ExportOptions

_PATH = click.Path(path_type=Path)


@click.command(cls=Command, short_help="Hand a trained model to other programs.")
@click.argument("run", required=True, type=_PATH, metavar="RUN")
@click.option("--output", "-o", required=True, type=_PATH, help="The folder to write.")
@option(
    ExportOptions,
    "format",
    type=click.Choice(["huggingface", "savedmodel", "keras"]),
    help="For transformers, for TensorFlow without code of ours, or for Keras with it.",
)
@option(
    ExportOptions,
    "checkpoint",
    metavar="last|best|STEP",
    help="The weights after which step; best is by the loss held out.",
)
@option(
    ExportOptions,
    "overwrite",
    "--overwrite",
    is_flag=True,
    show_default=False,
    help="Replace files of the same names that no export wrote.",
)
def export(**values: Any) -> None:
    """Hand a trained model to other programs.

    RUN is the folder that bertprep pretrain wrote to. The folder of an older export is written
    over; other files in it stay.

    \b
    Example:
      bertprep export /tmp/run --output /tmp/model
      python -c "import transformers as t; t.BertForPreTraining.from_pretrained('/tmp/model')"
    """  # noqa: D301 (click wants the backspace itself)
    options = ExportOptions(**values)
    # TensorFlow's import is too slow for --help.
    from bertprep.training.startup import load_tensorflow

    load_tensorflow()
    from bertprep.export import export as run

    exported = run(options)
    for note in exported.notes:
        click.echo(f"Note: {note}", err=True)
    click.echo(exported.text(options.output))
