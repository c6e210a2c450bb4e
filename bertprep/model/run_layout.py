"""What the files in a run's folder are called."""

#: What the model learned from, and the plan of the run; the mark of a run.
RUN_NAME = "run.json"
#: The shape of the model.
CONFIG_NAME = "bert_config.json"
#: The vocabulary of the data.
VOCABULARY_NAME = "vocab.txt"
#: The folder of the weights.
CHECKPOINTS_NAME = "checkpoints"
METRICS_NAME = "metrics.jsonl"
CURVES_NAME = "curves.png"
#: The folder of what TensorBoard reads.
TENSORBOARD_NAME = "tensorboard"
