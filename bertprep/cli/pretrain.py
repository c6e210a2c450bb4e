"""`bertprep pretrain`."""

from bertprep.cli.flags import command
from bertprep.cli.outcome import show_summary
from bertprep.options import PretrainOptions


@command(PretrainOptions, "Pretrain a BERT on records.")
def pretrain(options: PretrainOptions) -> None:
    """Pretrain a BERT on records: masked language model and next sentence prediction.

    DATA is files, globs or folders that bertprep create or another tool wrote. Shards in a folder
    eval/ are held out: they serve evaluation only. To resume a run that was stopped, repeat its
    command; the weights are the same as without the stop.

    \b
    Example, from raw text to a model in transformers:
      bertprep create sample_corpus --vocab sample_corpus/vocab.txt -o /tmp/r
      bertprep pretrain /tmp/r --model tiny --steps 200 --output /tmp/run
      bertprep export /tmp/run --output /tmp/m
      python -c "from transformers import pipeline as p; p('fill-mask', '/tmp/m')"
    """  # noqa: D301 (click wants the backspace itself)
    from bertprep.training.pretrain import pretrain as run  # NumPy's import is too slow for --help

    result = run(options)
    if not result.job.is_quiet:
        show_summary(result.text())
