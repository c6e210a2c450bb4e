"""Options -> a `Job`: everything that is known, and has been checked, before TensorFlow is loaded.

A model that is too short for the data, a vocabulary of another size, a batch that cannot be cut:
each is an error within a second, not behind minutes of reading or hours of training.
"""

import hashlib
import importlib.util
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bertprep.errors import UsageError
from bertprep.loading.windows import RecordStream
from bertprep.model.config import PUBLISHED_SIZES, BertConfig
from bertprep.options import PretrainOptions, TokenizerOptions, TrainingOptions
from bertprep.records import DataSet, Shard, find_data_set
from bertprep.vocab import Vocabulary

_FORMAT = 1
_EVAL_NAME = "eval"


@dataclass(frozen=True, eq=False)
class Job:
    """A run that can be made.

    Attributes:
        options: of the command.
        training: of the updates, with their number.
        train: the records to learn from, in the order of the run.
        held_out: those to measure on, as they stand; None where there are none.
        vocabulary: of the records.
        tokenizer: how their text became ids; None for records that do not say.
        wanted: the model that was asked for; None takes that of `init_from`.
        max_seq_length: of the longest records.
        worker: number of this process among those that make the run.
        num_workers: how many these are.
        plan: what the weights follow from, as JSON values.
        notes: what one may not expect, in words.
    """

    options: PretrainOptions
    training: TrainingOptions
    train: RecordStream
    held_out: RecordStream | None
    vocabulary: Vocabulary
    tokenizer: TokenizerOptions | None
    wanted: BertConfig | None
    max_seq_length: int
    worker: int
    num_workers: int
    plan: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def is_chief(self) -> bool:
        """Of all workers, only this one writes."""
        return self.worker == 0

    @property
    def is_quiet(self) -> bool:
        """There is nothing to say but errors."""
        return self.options.quiet or not self.is_chief


def make_job(options: PretrainOptions) -> Job:
    """Finds the data, and checks all that can be checked.

    Raises:
        BertprepError: with one line that says what to do.
    """
    _require_extras(options)
    _require_other_folder(options)
    worker, num_workers = _place_among_workers(options)
    data_set = find_data_set(options.data, options.vocab)
    _require_whole(data_set, options)
    train_set, eval_set = _split(data_set)
    if eval_set is None and options.eval_every is not None:
        raise UsageError(
            f"{data_set.name}: there are no held-out records for --eval-every: make the records "
            "with `bertprep create --eval-fraction 0.01`, or leave it out"
        )
    vocabulary = data_set.require_vocabulary()
    _require_own_vocabulary(data_set, vocabulary)
    seed, vocab_size = options.updates.seed, len(vocabulary.tokens)
    train = RecordStream(train_set, vocab_size, seed)
    held_out = RecordStream(eval_set, vocab_size, seed, is_shuffled=False) if eval_set else None
    lengths = [s.schema.max_seq_length for s in (train, held_out) if s]
    wanted = _wanted_config(options.model, vocabulary, max(lengths), data_set)
    training = options.training(train.num_records)
    plan = {
        "format": _FORMAT,
        "model": asdict(wanted) if wanted else None,
        "init_from": str(options.init_from) if options.init_from else None,
        "vocabulary": {"sha256": vocabulary.sha256},
        "training": asdict(training),
        "data": _identity("training", train_set) | _identity("held_out", eval_set),
    }
    notes = []
    if held_out is None:
        notes.append(
            "no records are held out, so nothing but the loss in training is measured: "
            "`bertprep create --eval-fraction 0.01` holds some out"
        )
    return Job(
        options=options,
        training=training,
        train=train,
        held_out=held_out,
        vocabulary=vocabulary,
        tokenizer=TokenizerOptions(**data_set.plan["tokenizer"]) if data_set.plan else None,
        wanted=wanted,
        max_seq_length=max(lengths),
        worker=worker,
        num_workers=num_workers,
        plan=json.loads(json.dumps(plan)),
        notes=tuple(notes),
    )


def _require_extras(options: PretrainOptions) -> None:
    if options.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise UsageError(
            "--tensorboard needs tensorboard, which is not installed: pip install "
            "'bertprep[tensorboard]'"
        )


def _require_other_folder(options: PretrainOptions) -> None:
    source, output = options.init_from, os.path.realpath(options.output)
    if source is None:
        return
    # The name of a TensorFlow checkpoint is that of no file, but what its files begin with.
    if not source.exists() and not os.path.exists(f"{source}.index"):
        raise UsageError(
            f"{source}: no such file or folder. Name a bertprep run, a Hugging Face folder or a "
            "TensorFlow 1 checkpoint on this machine, for --init-from"
        )
    if os.path.realpath(source) == output or output in map(str, Path(source).resolve().parents):
        raise UsageError(
            f"{source}: is in the folder of the new run: name another --output for what begins "
            "with its weights"
        )


def _place_among_workers(options: PretrainOptions) -> tuple[int, int]:
    """The number of this process, and how many there are."""
    updates = options.updates
    if updates.distribute != "multiworker":
        return 0, 1
    try:
        content = json.loads(os.environ.get("TF_CONFIG", ""))
        num_workers, worker = len(content["cluster"]["worker"]), int(content["task"]["index"])
        is_right = 0 <= worker < num_workers
    except (ValueError, KeyError, TypeError):
        is_right = False
    if not is_right:
        raise UsageError(
            "--distribute multiworker needs the workers in the environment variable TF_CONFIG, as "
            'in {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", '
            '"index": 0}}, with the same list and its own index on each'
        )
    if updates.batch_size % (num_workers * updates.gradient_accumulation):
        raise UsageError(
            f"batch_size must be a multiple of workers x gradient_accumulation ({num_workers} x "
            f"{updates.gradient_accumulation}), got {updates.batch_size}"
        )
    return worker, num_workers


def _require_whole(data_set: DataSet, options: PretrainOptions) -> None:
    for folder in data_set.unfinished:
        raise UsageError(
            f"{folder}: `bertprep create` has not finished these records: give its command again"
        )
    if any(os.path.isdir(path) for path in options.data):
        for path in (path for home in data_set.homes for path in home.missing):
            raise UsageError(f"{path}: is not there, and the manifest lists it: make it anew")


def _require_own_vocabulary(data_set: DataSet, vocabulary: Vocabulary) -> None:
    if data_set.plan and data_set.plan["vocabulary"]["sha256"] != vocabulary.sha256:
        raise UsageError(
            f"{data_set.vocabulary_path}: is not the vocabulary that the records were made with; "
            "leave out --vocab to take the one beside them"
        )


def _split(data_set: DataSet) -> tuple[DataSet, DataSet | None]:
    """The shards to learn from, and those to measure on."""
    held = [shard for shard in data_set.shards if _is_held_out(shard)]
    kept = [shard for shard in data_set.shards if shard not in held]
    if not kept:
        raise UsageError(
            f"{data_set.name}: all of these records are held out, in {_EVAL_NAME}/: name the "
            "folder above"
        )
    if all(shard.summary and not shard.summary.records for shard in held):
        held = []
    train = replace(data_set, shards=tuple(kept))
    return train, replace(data_set, shards=tuple(held)) if held else None


def _is_held_out(shard: Shard) -> bool:
    name = shard.summary.name if shard.summary else os.path.realpath(shard.path)
    return Path(name).parent.name == _EVAL_NAME


def _identity(name: str, data_set: DataSet | None) -> dict[str, Any]:
    """What tells records from others, wherever they lie."""
    shards = data_set.shards if data_set else ()
    parts = [
        [os.path.basename(s.path), s.size, s.summary.crc32c if s.summary else None] for s in shards
    ]
    return {
        f"{name}_shards": len(shards),
        f"{name}_bytes": sum(shard.size for shard in shards),
        f"{name}_sha256": hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
    }


def _wanted_config(
    model: str | None, vocabulary: Vocabulary, max_seq_length: int, data_set: DataSet
) -> BertConfig | None:
    """The config that `--model` asks for, which fits the data."""
    if model is None:
        return None
    vocab_size = len(vocabulary.tokens)
    if model in PUBLISHED_SIZES:
        config = BertConfig.published(model, vocab_size)
    else:
        config = BertConfig.load(Path(model))
    if config.vocab_size != vocab_size:
        raise UsageError(
            f"{model}: vocab_size must be that of {data_set.vocabulary_path} ({vocab_size:,}), got "
            f"{config.vocab_size:,}"
        )
    if config.max_position_embeddings < max_seq_length:
        raise UsageError(
            f"{model}: has {config.max_position_embeddings} positions, and the data is "
            f"{max_seq_length} long: pass --model FILE with a bert_config.json that has "
            f'"max_position_embeddings": {max_seq_length}, or make shorter records'
        )
    if config.type_vocab_size < 2:
        raise UsageError(f"{model}: type_vocab_size must be at least 2, got 1")
    return config
