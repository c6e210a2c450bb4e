"""`bertprep pretrain`."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bertprep.cli.flags import Command, F, option, split_options, together
from bertprep.options import PretrainOptions, UpdateOptions

_PATH = click.Path(path_type=Path)


def _switch(name: str, *flags: str, help: str) -> Callable[[F], F]:
    flags = flags or (f"--{name}",)
    return option(PretrainOptions, name, *flags, is_flag=True, show_default=False, help=help)


_update_options = together(
    option(UpdateOptions, "batch_size", type=int, help="Sequences of an update, over all devices."),
    option(
        UpdateOptions,
        "gradient_accumulation",
        type=int,
        metavar="N",
        help="Parts that an update is computed in, one after the other: less memory.",
    ),
    option(UpdateOptions, "learning_rate", type=float, help="Where the warm-up ends."),
    option(
        UpdateOptions,
        "warmup",
        type=float,
        metavar="STEPS|SHARE",
        help="Steps, or below 1 a share.",
    ),
    option(UpdateOptions, "weight_decay", type=float, help="Not on biases and LayerNorm."),
    option(
        UpdateOptions,
        "precision",
        type=click.Choice(["float32", "bfloat16", "float16"]),
        help="Of matrix products; weights are float32.",
    ),
    option(
        UpdateOptions,
        "xla",
        "--xla/--no-xla",
        show_default="for the update of the weights alone",
        help="Compile the whole step, or nothing.",
    ),
    option(UpdateOptions, "seed", type=int, help="Of weights, order and dropout."),
    option(
        UpdateOptions,
        "distribute",
        type=click.Choice(["none", "mirrored", "multiworker"]),
        help="One device, all of this machine, or those of TF_CONFIG's machines.",
    ),
)


@click.command(cls=Command, short_help="Train a BERT on records.")
@click.argument("data", nargs=-1, required=True, metavar="DATA...")
@click.option("--output", "-o", required=True, type=_PATH, help="The folder of the run.")
@option(
    PretrainOptions,
    "model",
    metavar="tiny|mini|small|medium|base|large|FILE",
    help="A published size, or a bert_config.json.",
)
@option(PretrainOptions, "steps", type=int, help="Updates of the weights; or:")
@option(PretrainOptions, "epochs", type=float, help="Times to go through the records.")
@_update_options
@option(
    PretrainOptions,
    "vocab",
    "--vocab",
    "--vocab-file",
    type=_PATH,
    show_default="beside the records",
    help="The vocabulary.",
)
@option(
    PretrainOptions,
    "init_from",
    type=_PATH,
    help="Begin with the weights of a run, a Hugging Face folder, or a TensorFlow 1 checkpoint.",
)
@option(
    PretrainOptions,
    "eval_every",
    type=int,
    show_default="with each checkpoint",
    help="Steps between two evaluations on eval/; there is one at the end as well.",
)
@option(PretrainOptions, "save_every", type=int, help="Steps between two checkpoints.")
@option(PretrainOptions, "keep", type=int, help="Last checkpoints to keep, beside the best.")
@option(PretrainOptions, "log_every", type=int, help="Steps that a line of metrics.jsonl is of.")
@_switch("plot", help="Draw the curves into curves.png when the run ends.")
@_switch("tensorboard", help="Write what TensorBoard reads, too.")
@_switch("overwrite", help="Remove what another command left in the output folder.")
@_switch("quiet", "--quiet", "-q", help="Nothing but errors: no progress, no notes, no summary.")
def pretrain(**values: Any) -> None:
    """Train a BERT on records: masked words and next sentences.

    DATA is what bertprep create or another tool has made: folders, files or globs. Of the shards in
    its eval/ nothing is learned: the model is measured on them. A command that was stopped goes on
    when it is given again, and ends with the same weights.

    \b
    Example, from raw text to a model in transformers:
      bertprep create sample_corpus --vocab sample_corpus/vocab.txt --output /tmp/records
      bertprep pretrain /tmp/records --model tiny --steps 200 --output /tmp/run
      bertprep export /tmp/run --output /tmp/model
      python -c "import transformers as t; t.BertForPreTraining.from_pretrained('/tmp/model')"
    """  # noqa: D301 (click wants the backspace itself)
    updates = split_options(values, UpdateOptions)
    options = PretrainOptions(**values, updates=updates)
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    from bertprep.training.pretrain import pretrain as run  # NumPy's import is too slow for --help

    result = run(options)
    if result.is_chief and not options.quiet:
        click.echo(result.text())
