"""Options -> a `PretrainJob`: everything resolved and checked before TensorFlow is loaded.

A model too short for the data, a vocabulary of another size, a batch that cannot be divided: each
is an error within a second, not after minutes of reading or hours of training.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bertprep.errors import UsageError, require_extra
from bertprep.loading.windows import RecordStream
from bertprep.model.config import PUBLISHED_SIZES, BertConfig, is_padded, load_config
from bertprep.model.heads import HEADS, Head
from bertprep.objectives import OBJECTIVES
from bertprep.options import PretrainOptions, TokenizerOptions, TrainingOptions
from bertprep.records import DataSet, Shard, find_data_set
from bertprep.training.process import read_worker
from bertprep.vocab import Vocabulary

#: Of the plan in run.json; a run of another number cannot be resumed.
PLAN_FORMAT = 2
_EVAL_NAME = "eval"


@dataclass(frozen=True, eq=False)
class PretrainJob:
    """A run whose options are resolved and checked.

    Attributes:
        options: options of the command.
        training: options of the updates, with their number.
        train: training records, in the order of the run.
        held_out: held-out records, in the order of their shards; None where there are none.
        heads: heads of the model, those of the records' objective.
        vocabulary: vocabulary of the records.
        tokenizer: options that they were tokenized with; None for records that do not say.
        wanted: config of `--model`; None takes that of `--init-from`.
        max_seq_length: tokens of the longest records.
        worker: index of this process among the workers.
        num_workers: number of workers.
        plan: what the weights follow from, as JSON values.
    """

    options: PretrainOptions
    training: TrainingOptions
    train: RecordStream
    held_out: RecordStream | None
    heads: Sequence[Head]
    vocabulary: Vocabulary
    tokenizer: TokenizerOptions | None
    wanted: BertConfig | None
    max_seq_length: int
    worker: int
    num_workers: int
    plan: dict[str, Any]

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one worker that writes and reports."""
        return self.worker == 0

    @property
    def is_quiet(self) -> bool:
        """Whether only errors are printed."""
        return self.options.quiet or not self.is_chief


def make_pretrain_job(options: PretrainOptions) -> PretrainJob:
    """Find the data, and check everything that can be checked without TensorFlow.

    Raises:
        BertprepError: with one line that says what to do.
    """
    require_extra("bertprep pretrain", "train", "tensorflow", "keras", "matplotlib")
    if options.tensorboard:
        require_extra("--tensorboard", "tensorboard", "tensorboard")
    _require_separate_folder(options)
    worker, num_workers = _find_worker(options)
    data_set = find_data_set(options.data, options.vocab)
    _require_complete(data_set, options)
    train_set, eval_set = _split(data_set)
    if eval_set is None and options.eval_every is not None:
        raise UsageError(
            f"{data_set.name}: no held-out records for --eval-every: create the records with "
            "--eval-fraction 0.01, or leave out --eval-every"
        )
    vocabulary = data_set.require_vocabulary()
    _require_own_vocabulary(data_set, vocabulary)
    seed, vocab_size = options.updates.seed, len(vocabulary.tokens)
    train = RecordStream(train_set, vocab_size, seed)
    held_out = RecordStream(eval_set, vocab_size, seed, is_shuffled=False) if eval_set else None
    if train.schema.max_predictions == 0:
        raise UsageError(
            f"{data_set.name}: the records have no masks (masked_lm_positions is empty), so there "
            "is nothing to predict: create them with --max-predictions-per-seq 20"
        )
    max_seq_length = max(s.schema.max_seq_length for s in (train, held_out) if s)
    wanted = _wanted_config(options.model, vocabulary, max_seq_length, data_set)
    training = options.training(train.num_records)
    return PretrainJob(
        options=options,
        training=training,
        train=train,
        held_out=held_out,
        heads=[HEADS[name] for name in OBJECTIVES[train.schema.objective].heads],
        vocabulary=vocabulary,
        tokenizer=data_set.tokenizer,
        wanted=wanted,
        max_seq_length=max_seq_length,
        worker=worker,
        num_workers=num_workers,
        plan=_make_plan(options, training, wanted, vocabulary, train_set, eval_set),
    )


def _require_separate_folder(options: PretrainOptions) -> None:
    source, output = options.init_from, os.path.realpath(options.output)
    if source is None:
        return
    # A TensorFlow checkpoint is named by the prefix of its files.
    if not source.exists() and not os.path.exists(f"{source}.index"):
        raise UsageError(
            f"{source}: no such file or folder. Name a bertprep run, a Hugging Face folder or a "
            "TensorFlow 1 checkpoint on this machine for --init-from"
        )
    if os.path.realpath(source) == output or output in map(str, Path(source).resolve().parents):
        raise UsageError(
            f"{source}: in the output folder of the new run: name another --output for a run that "
            "starts from these weights"
        )


def _find_worker(options: PretrainOptions) -> tuple[int, int]:
    """Return the index of this process among the workers, and their number."""
    updates = options.updates
    if updates.distribute != "multiworker":
        return 0, 1
    worker, num_workers = read_worker()
    if updates.batch_size % (num_workers * updates.gradient_accumulation):
        raise UsageError(
            f"batch_size must be a multiple of workers x gradient_accumulation ({num_workers} x "
            f"{updates.gradient_accumulation}), got {updates.batch_size}"
        )
    return worker, num_workers


def _require_complete(data_set: DataSet, options: PretrainOptions) -> None:
    for folder in data_set.unfinished:
        raise UsageError(
            f"{folder}: incomplete records: repeat the command of `bertprep create` to finish them"
        )
    if any(os.path.isdir(path) for path in options.data):
        for path in (path for home in data_set.homes for path in home.missing):
            raise UsageError(
                f"{path}: missing, but listed in the manifest: create the records again"
            )


def _require_own_vocabulary(data_set: DataSet, vocabulary: Vocabulary) -> None:
    if data_set.plan and data_set.plan["vocabulary"]["sha256"] != vocabulary.sha256:
        raise UsageError(
            f"{data_set.vocabulary_path}: not the vocabulary that the records were created with; "
            "leave out --vocab to use the one next to them"
        )


def _split(data_set: DataSet) -> tuple[DataSet, DataSet | None]:
    """Split the shards into those to train on and those to evaluate on."""
    held_out = [shard for shard in data_set.shards if _is_held_out(shard)]
    train = [shard for shard in data_set.shards if shard not in held_out]
    if not train:
        raise UsageError(
            f"{data_set.name}: all of these are held-out records, in {_EVAL_NAME}/: name the "
            "folder above"
        )
    if all(shard.summary and not shard.summary.records for shard in held_out):
        held_out = []
    eval_set = replace(data_set, shards=tuple(held_out)) if held_out else None
    return replace(data_set, shards=tuple(train)), eval_set


def _is_held_out(shard: Shard) -> bool:
    name = shard.summary.name if shard.summary else os.path.realpath(shard.path)
    return Path(name).parent.name == _EVAL_NAME


def _wanted_config(
    model: str | None, vocabulary: Vocabulary, max_seq_length: int, data_set: DataSet
) -> BertConfig | None:
    """Return the config that `--model` asks for, checked against the data."""
    if model is None:
        return None
    vocab_size = len(vocabulary.tokens)
    if model in PUBLISHED_SIZES:
        config = BertConfig.published(model, vocab_size)
    else:
        config = load_config(Path(model))
    if not is_padded(config.vocab_size, vocab_size):
        raise UsageError(
            f"{model}: vocab_size must be that of {data_set.vocabulary_path} ({vocab_size:,}), got "
            f"{config.vocab_size:,}"
        )
    if config.max_position_embeddings < max_seq_length:
        raise UsageError(
            f"{model}: has {config.max_position_embeddings} position embeddings, the records have "
            f"{max_seq_length} tokens: pass --model FILE with a bert_config.json that has "
            f'"max_position_embeddings": {max_seq_length}, or create shorter records'
        )
    return config


def _make_plan(
    options: PretrainOptions,
    training: TrainingOptions,
    wanted: BertConfig | None,
    vocabulary: Vocabulary,
    train_set: DataSet,
    eval_set: DataSet | None,
) -> dict[str, Any]:
    plan = {
        "format": PLAN_FORMAT,
        "model": wanted.to_json() if wanted else None,
        "init_from": str(options.init_from) if options.init_from else None,
        "vocabulary": {"sha256": vocabulary.sha256},
        "training": asdict(training),
        "data": _identity("training", train_set) | _identity("held_out", eval_set),
    }
    return dict(json.loads(json.dumps(plan)))


def _identity(name: str, data_set: DataSet | None) -> dict[str, Any]:
    """Return what identifies records, wherever they are stored."""
    shards = data_set.shards if data_set else ()
    parts = [
        [os.path.basename(s.path), s.size, s.summary.crc32c if s.summary else None] for s in shards
    ]
    return {
        f"{name}_shards": len(shards),
        f"{name}_bytes": sum(shard.size for shard in shards),
        f"{name}_sha256": hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
    }
