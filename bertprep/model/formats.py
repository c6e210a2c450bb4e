"""Weights in the files of other programs, read and written.

    run                       read, since `read_pretrained` takes any of these
    Hugging Face folder       config.json, model.safetensors (or parts): read and written
    TensorFlow 1 checkpoint   bert_config.json, bert_model.ckpt.*, of google-research/bert: read
    SavedModel                written; loads without this package

A Hugging Face folder that is read may hold BertForPreTraining, BertForMaskedLM, BertModel or any
model around one; BertForPreTraining is written. A SavedModel has two signatures:

    served = tf.saved_model.load("model")
    served.signatures["serving_default"](
        input_ids=..., input_mask=..., segment_ids=...              # int32[batch, seq_length]
    )   # masked_lm_logits [batch, seq_length, vocab_size], next_sentence_logits [batch, 2],
        # pooled_output [batch, hidden_size], sequence_output [batch, seq_length, hidden_size]
    served.signatures["masked_lm"](
        ..., masked_lm_positions=...                                # int32[batch, max_predictions]
    )   # without sequence_output, and with masked_lm_logits [batch, max_predictions, vocab_size]

Batch and seq_length are any, seq_length up to max_position_embeddings. Outputs are float32; those
of heads that the model does not have are left out.

Reference quirk: the last code of the release approximates gelu by tanh; the paper, its first code
and this model do not. The published weights are used with either.

Cost: the weights once in memory, 4 bytes per parameter. Source: `save_pretrained` and the state of
transformers' BertForPreTraining; get_assignment_map_from_checkpoint in google-research/bert's
modeling.py; https://www.tensorflow.org/guide/saved_model, and there for `assets.extra`.
"""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bertprep.errors import UsageError
from bertprep.json_files import read_json
from bertprep.model.bert import PretrainingModel
from bertprep.model.config import load_config
from bertprep.model.layers import Tensor
from bertprep.model.saved_run import CONFIG_NAME, is_run, load_run
from bertprep.model.tokenizer_files import read_tokenizer
from bertprep.model.weights import (
    PretrainedWeights,
    collect_weights,
    plain_names,
    require_floats,
    weight_names,
    weights_by_name,
)
from bertprep.storage.containers import HEAD_BYTES, find_container
from bertprep.storage.plans import encode
from bertprep.vocab import Vocabulary

_HUGGING_FACE_CONFIG, _HUGGING_FACE_WEIGHTS = "config.json", "model.safetensors"
_INDEX = f"{_HUGGING_FACE_WEIGHTS}.index.json"
_DECODER = "cls.predictions.decoder."
_BIAS = "cls.predictions.bias"
_WORD_EMBEDDINGS = "bert.embeddings.word_embeddings.weight"

#: Folder of a SavedModel for files that no signature reads.
EXTRA_ASSETS = "assets.extra"
_INPUTS = ("input_ids", "input_mask", "segment_ids")


def read_pretrained(path: Path) -> PretrainedWeights:
    """Read the weights of a path.

    Args:
        path: a folder, or the file of the weights in it.

    Raises:
        UsageError: there are no weights of a known format, or of a model that is not implemented.
        BertprepError: a checkpoint of a run is damaged.
    """
    folder = path if path.is_dir() else path.parent
    if is_run(path):
        return load_run(path)
    if path.suffix == ".npz" and is_run(folder.parent):
        return load_run(folder.parent, path.stem.rpartition("-")[2])
    names = (_HUGGING_FACE_WEIGHTS, _INDEX)
    if any((folder / name).is_file() and (path.is_dir() or path.name == name) for name in names):
        weights = _read_hugging_face(folder)
    else:
        prefix = _checkpoint_prefix(path)
        if prefix is None:
            raise _no_weights(path)
        folder, weights = prefix.parent, _read_tf1_checkpoint(prefix)
    vocabulary, options = read_tokenizer(folder)
    return replace(weights, vocabulary=vocabulary, tokenizer_options=options)


def _no_weights(path: Path) -> UsageError:
    kinds = (
        "a bertprep run, a Hugging Face folder (config.json, model.safetensors) or a TensorFlow 1 "
        "checkpoint (bert_config.json, bert_model.ckpt.*)"
    )
    if not path.exists():
        return UsageError(f"{path}: no such file or folder. Name {kinds} on this machine")
    if (path / "pytorch_model.bin").exists():
        return UsageError(
            f"{path}: the weights are in pytorch_model.bin, which can run code when it is loaded. "
            'Convert them: python -c "from transformers import BertForPreTraining as B; '
            f"B.from_pretrained('{path}').save_pretrained('{path}')\""
        )
    return UsageError(f"{path}: no weights found. Name {kinds}")


def _read_hugging_face(folder: Path) -> PretrainedWeights:
    """Read config and weights.

    Raises:
        UsageError: the files cannot be read, or are of a model that is not implemented.
    """
    config, files = load_config(folder / _HUGGING_FACE_CONFIG), [_HUGGING_FACE_WEIGHTS]
    if not (folder / _HUGGING_FACE_WEIGHTS).is_file():
        parts = read_json(folder / _INDEX, {"weight_map": dict})["weight_map"].values()
        files = sorted({str(part) for part in parts})
        for name in files:
            if Path(name).name != name or not (folder / name).is_file():
                raise UsageError(f"{folder / _INDEX}: lists {name!r}, which is not next to it")
    found: dict[str, np.ndarray] = {}
    for name in files:
        found |= _read_safetensors(folder / name)
    names = plain_names(found, "hugging_face")
    found = {names[name]: array for name, array in found.items()}
    found.pop("bert.embeddings.position_ids", None)  # 0, 1, 2, ...: in files from before 2023
    _remove_decoder(folder, found)
    return collect_weights(str(folder), config, found, "hugging_face")


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file; raise UsageError if it cannot be read."""
    found = {}
    try:
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118
                kind = file.get_slice(name).get_dtype()
                if kind.startswith(("F8", "F4", "F6")):
                    require_floats(str(path), name, kind)
                found[name] = file.get_tensor(name)
    except (SafetensorError, AttributeError, TypeError) as error:
        reason: object = error
        with open(path, "rb") as start:
            if container := find_container(start.read(HEAD_BYTES)):
                reason = f"it is {container.kind}. {container.advice}"
        raise UsageError(f"{path}: cannot be read: {reason}") from None
    return found


def _remove_decoder(folder: Path, found: dict[str, np.ndarray]) -> None:
    """Remove the copies of the tied decoder.

    Raises:
        UsageError: the decoder is not tied to the word embeddings.
    """
    table, bias = found.pop(f"{_DECODER}weight", None), found.pop(f"{_DECODER}bias", None)
    if bias is not None:
        found.setdefault(_BIAS, bias)
    for name, array, tied in (
        ("weight", table, found.get(_WORD_EMBEDDINGS)),
        ("bias", bias, found.get(_BIAS)),
    ):
        if array is not None and tied is not None and not np.array_equal(array, tied):
            raise UsageError(
                f"{folder}: {_DECODER}{name} has values of its own; in this model the decoder is "
                "tied to the word embeddings, as in the paper"
            )


def _checkpoint_prefix(path: Path) -> Path | None:
    """Return the common prefix of a checkpoint's files; None where there is no checkpoint.

    Args:
        path: the folder, the prefix, or one of the files.

    Raises:
        UsageError: the folder has several checkpoints.
    """
    if path.is_dir():
        indices = sorted(path.glob("*.index"))
        latest = tf.train.latest_checkpoint(path)
        if latest is not None:
            return Path(latest)
        if len(indices) > 1:
            names = ", ".join(index.name for index in indices[:3])
            raise UsageError(f"{path}: has several checkpoints ({names}): name one of them")
        return indices[0].with_suffix("") if indices else None
    prefix = path.with_name(re.sub(r"(?<=.)(\.index|\.meta|\.data-.*)$", "", path.name))
    return prefix if prefix.with_name(f"{prefix.name}.index").is_file() else None


def _read_tf1_checkpoint(prefix: Path) -> PretrainedWeights:
    """Read a checkpoint and the config next to it.

    Raises:
        UsageError: there is no config, or the checkpoint is damaged or of another model.
    """
    config_path = prefix.with_name(CONFIG_NAME)
    if not config_path.is_file():
        raise UsageError(f"{prefix}: no {CONFIG_NAME} next to the checkpoint: copy it there")
    config = load_config(config_path)
    known = {weight.release for weight in weight_names(config)}
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = plain_names(sorted(reader.get_variable_to_shape_map()), "release")
        if "_CHECKPOINTABLE_OBJECT_GRAPH" in names:
            raise UsageError(
                f"{prefix}: is a TensorFlow 2 checkpoint; only TensorFlow 1 checkpoints of "
                "google-research/bert are read, whose variables have known names"
            )
        found = {
            plain: reader.get_tensor(name) if plain in known else np.empty(0)
            for name, plain in names.items()
        }
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{prefix}: cannot be read as a checkpoint: {reason}") from None
    return collect_weights(str(prefix), config, found, "release")


def write_hugging_face(folder: Path, model: PretrainingModel, vocabulary: Vocabulary) -> None:
    """Write config and weights; the decoder is left out, since it is the word embeddings.

    Args:
        folder: an empty folder.
        model: a built model.
        vocabulary: vocabulary of the model.
    """
    content = {
        "architectures": ["BertForPreTraining"],
        "model_type": "bert",
        **model.config.to_json(),
        "layer_norm_eps": model.config.layer_norm_eps,
        "pad_token_id": vocabulary.pad_id,
        "tie_word_embeddings": True,
    }
    (folder / _HUGGING_FACE_CONFIG).write_bytes(encode(content))
    # Without the format, transformers takes the file for another framework's.
    save_file(weights_by_name(model), folder / _HUGGING_FACE_WEIGHTS, metadata={"format": "pt"})
    # safetensors lets nobody else read its file.
    shutil.copymode(folder / _HUGGING_FACE_CONFIG, folder / _HUGGING_FACE_WEIGHTS)


def write_saved_model(folder: Path, model: PretrainingModel) -> None:
    """Write the model with the signatures `serving_default` and `masked_lm`."""

    def everywhere(input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> dict[str, Tensor]:
        values = (input_ids, input_mask, segment_ids)
        hidden = model.encode(dict(zip(_INPUTS, values, strict=True)))
        return {**model.apply_heads(hidden[:, 0], hidden), "sequence_output": hidden}

    def at_positions(
        input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor, masked_lm_positions: Tensor
    ) -> dict[str, Tensor]:
        features = dict(zip(_INPUTS, (input_ids, input_mask, segment_ids), strict=True))
        outputs: dict[str, Tensor] = model({**features, "masked_lm_positions": masked_lm_positions})
        return outputs

    # The endpoints track the variables that they use; the model is not tracked as well, since
    # variables that are tracked twice are written twice.
    archive = keras.export.ExportArchive()
    for name, function, inputs in (
        ("serving_default", everywhere, _INPUTS),
        ("masked_lm", at_positions, (*_INPUTS, "masked_lm_positions")),
    ):
        specs = [keras.InputSpec(dtype="int32", shape=(None, None), name=key) for key in inputs]
        archive.add_endpoint(name, function, specs)
    archive.write_out(folder, verbose=False)
