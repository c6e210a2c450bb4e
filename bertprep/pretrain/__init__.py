"""Records -> a trained BERT in the folder of a run.

    command     the one place that knows the order, from the flags' object to the summary
    job         what is known and checked before TensorFlow is loaded
    folder      the run's folder: locked, described, gone on with or refused
    run         steps, with what is measured, saved and shown between them
    stopping    SIGTERM and Ctrl-C, put off to the end of a step
    curves      metrics.jsonl as a picture

Example:
    pretrain(PretrainOptions(data=("records",), output=Path("run"), model="mini", steps=1000))
"""

from bertprep.pretrain.command import Trained, pretrain

__all__ = ["Trained", "pretrain"]
