"""`bertprep export`."""

import click

from bertprep.cli.flags import command
from bertprep.cli.outcome import show_summary
from bertprep.errors import require_extra
from bertprep.options import ExportOptions


@command(ExportOptions, "Export a trained model to transformers, TensorFlow or Keras.")
def export(options: ExportOptions) -> None:
    """Export a trained model to transformers, TensorFlow or Keras.

    RUN is a folder that bertprep pretrain wrote. The files of an earlier export are replaced; other
    files in the output folder stay.

    \b
    Example:
      bertprep export /tmp/run --output /tmp/m
      python -c "from transformers import pipeline as p; p('fill-mask', '/tmp/m')"
    """  # noqa: D301 (click wants the backspace itself)
    require_extra("bertprep export", "train", "tensorflow", "keras")
    # TensorFlow's import is too slow for --help.
    from bertprep.training.process import load_tensorflow

    load_tensorflow()
    from bertprep.export import export as run

    exported = run(options)
    for note in exported.notes:
        click.echo(f"Note: {note}", err=True)
    show_summary(exported.text(options.output))
