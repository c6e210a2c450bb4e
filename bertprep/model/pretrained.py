"""A path -> weights that were trained elsewhere, by the paths of this model's variables.

    a run             run.json, bert_config.json, checkpoints/
    Hugging Face      config.json, model.safetensors; of BertForPreTraining, BertForMaskedLM,
                      BertModel or any model around one
    a release         bert_config.json, bert_model.ckpt.index, bert_model.ckpt.data-*

Example:
    source = read_source(Path("uncased_L-4_H-256_A-4"))
    source.config.hidden_size, source.missing, source.unused

Cost: the weights once in memory, 4 bytes a parameter.

Reference quirk: the release's last code approximates gelu by tanh, the paper, its first code and
this model do not; the published weights are used with either.

Source: get_assignment_map_from_checkpoint in google-research/bert's modeling.py, whose names these
are; the state of `BertForPreTraining` in transformers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors import SafetensorError, safe_open

from bertprep.errors import UsageError
from bertprep.model.config import BertConfig
from bertprep.model.run_layout import CONFIG_NAME, VOCABULARY_NAME
from bertprep.model.saved_run import Run, is_run, load_run
from bertprep.model.weights import weight_names
from bertprep.vocab import Vocabulary

_HF_CONFIG, _HF_WEIGHTS = "config.json", "model.safetensors"
#: Parts that a model may lack as a whole: they are trained in no time, or not used any more.
_HEADS = {
    "pooler": "pooler",
    "masked_lm": "masked-LM head",
    "next_sentence": "next-sentence head",
}
_DECODER = "cls.predictions.decoder."
_WORDS = "bert.embeddings.word_embeddings.weight"


@dataclass(frozen=True, eq=False)
class Source:
    """Weights and what is known of them.

    Attributes:
        name: of the file or folder, for people.
        config: the shape of their model.
        arrays: float32 by `WeightName.path`, as the variables have them.
        missing: parts of the model that are not among them, in words.
        unused: names of what this model has no place for.
        vocabulary: the file beside them; None where none is.
        trained_positions: of the position embeddings, those that data has reached; None where
            nobody says.
    """

    name: str
    config: BertConfig
    arrays: Mapping[str, np.ndarray]
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    vocabulary: Vocabulary | None = None
    trained_positions: int | None = None


def read_source(path: Path) -> Source:
    """Reads the weights of a path.

    Args:
        path: of a folder, or of the weights' file in it.

    Raises:
        UsageError: there are none that are known, or they are of no BERT of this package.
        BertprepError: a checkpoint of a run is damaged.
    """
    folder = path if path.is_dir() else path.parent
    if is_run(path):
        return _of_run(load_run(path))
    if path.suffix == ".npz" and is_run(folder.parent):
        return _of_run(load_run(folder.parent, path.stem.rpartition("-")[2]))
    if (folder / _HF_WEIGHTS).is_file() and (path.is_dir() or path.name == _HF_WEIGHTS):
        return _read_hugging_face(folder)
    prefix = _release_prefix(path)
    if prefix is not None:
        return _read_release(prefix)
    raise _no_weights(path)


def _of_run(run: Run) -> Source:
    return _source_of(
        f"{run.folder} (step {run.step:,})",
        run.config,
        run.arrays,
        vocabulary=run.vocabulary,
        trained_positions=run.trained_positions,
    )


def _no_weights(path: Path) -> UsageError:
    kinds = (
        "a bertprep run, a Hugging Face folder (config.json, model.safetensors) or a TensorFlow 1 "
        "checkpoint (bert_config.json, bert_model.ckpt.*)"
    )
    if not path.exists():
        return UsageError(f"{path}: no such file or folder. Name {kinds} on this machine")
    if list(path.glob("*.safetensors.index.json")):
        return UsageError(f"{path}: the weights are in parts: save them as one {_HF_WEIGHTS}")
    if (path / "pytorch_model.bin").exists():
        return UsageError(
            f"{path}: has its weights in pytorch_model.bin, which can run code when it is read. "
            'Write them anew: python -c "from transformers import BertForPreTraining as B; '
            f"B.from_pretrained('{path}').save_pretrained('{path}')\""
        )
    return UsageError(f"{path}: there are no weights here. Name {kinds}")


def _source_of(
    name: str,
    config: BertConfig,
    arrays: Mapping[str, np.ndarray],
    unused: tuple[str, ...] = (),
    vocabulary: Vocabulary | None = None,
    trained_positions: int | None = None,
) -> Source:
    """Checks that heads are there as a whole or not at all, and everything else is there."""
    expected = [weight.path for weight in weight_names(config)]
    lacking = [path for path in expected if path not in arrays]
    missing = []
    for head, words in _HEADS.items():
        paths = [path for path in expected if path.partition("/")[0] == head]
        if set(paths) <= set(lacking):
            missing.append(words)
            lacking = [path for path in lacking if path not in paths]
    if lacking:
        more = f", and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise UsageError(
            f"{name}: there is no {', '.join(lacking[:3])}{more} among the weights; the config "
            "beside them asks for it"
        )
    arrays = {k: np.ascontiguousarray(arrays[k], np.float32) for k in expected if k in arrays}
    return Source(
        name, config, arrays, tuple(missing), tuple(sorted(unused)), vocabulary, trained_positions
    )


def _named(
    config: BertConfig, found: Mapping[str, np.ndarray], naming: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The table's arrays by path, and the names of the others."""
    table = {getattr(weight, naming): weight for weight in weight_names(config)}
    arrays = {
        weight.path: found[name].T if weight.is_transposed(naming) else found[name]
        for name, weight in table.items()
        if name in found
    }
    return arrays, tuple(name for name in found if name not in table)


def _vocabulary_beside(folder: Path) -> Vocabulary | None:
    path = folder / VOCABULARY_NAME
    return Vocabulary.load(path, lenient=True) if path.exists() else None


def _read_hugging_face(folder: Path) -> Source:
    path = folder / _HF_WEIGHTS
    config = BertConfig.load(folder / _HF_CONFIG)
    kind = json.loads((folder / _HF_CONFIG).read_bytes()).get("model_type", "bert")
    if kind != "bert":
        raise UsageError(f"{folder / _HF_CONFIG}: model_type must be bert, got {kind!r}")
    try:
        with safe_open(path, framework="np") as file:
            found = {_modern_name(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    found.pop("bert.embeddings.position_ids", None)  # 0, 1, 2, ...: in files of before 2023
    _untie(path, found)
    arrays, unused = _named(config, found, "hugging_face")
    return _source_of(str(folder), config, arrays, unused, _vocabulary_beside(folder))


def _modern_name(name: str) -> str:
    """What `BertForPreTraining` calls a weight that another class, or an old one, has named."""
    if name.startswith(("embeddings.", "encoder.", "pooler.")):
        name = f"bert.{name}"
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _untie(path: Path, found: dict[str, np.ndarray]) -> None:
    """Takes out the decoder, which is the word embeddings, and its bias, where they are spelled."""
    table, bias = found.pop(f"{_DECODER}weight", None), found.pop(f"{_DECODER}bias", None)
    if bias is not None:
        found.setdefault("cls.predictions.bias", bias)
    for name, array, other in (
        ("weight", table, found.get(_WORDS)),
        ("bias", bias, found.get("cls.predictions.bias")),
    ):
        if array is not None and other is not None and not np.array_equal(array, other):
            raise UsageError(
                f"{path}: {_DECODER}{name} has values of its own; in this model the decoder is "
                "the word embeddings, as in the paper"
            )


def _release_prefix(path: Path) -> Path | None:
    """What the files of a TensorFlow checkpoint begin with; None where there is none."""
    if path.is_dir():
        indices = sorted(path.glob("*.index"))
        latest = tf.train.latest_checkpoint(path)
        if latest is not None:
            return Path(latest)
        if len(indices) > 1:
            names = ", ".join(index.name for index in indices[:3])
            raise UsageError(f"{path}: has several checkpoints ({names}): name one of them")
        return indices[0].with_suffix("") if indices else None
    name, dot, _ = path.name.partition(".data-")
    prefix = path.with_name(name) if dot else path
    if prefix.suffix in (".index", ".meta"):
        prefix = prefix.with_suffix("")
    return prefix if prefix.with_name(f"{prefix.name}.index").is_file() else None


def _read_release(prefix: Path) -> Source:
    config_path = prefix.with_name(CONFIG_NAME)
    if not config_path.is_file():
        raise UsageError(f"{prefix}: there is no {CONFIG_NAME} beside the checkpoint: put it there")
    config = BertConfig.load(config_path)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = sorted(reader.get_variable_to_shape_map())
        if "_CHECKPOINTABLE_OBJECT_GRAPH" in names:
            raise UsageError(
                f"{prefix}: is a TensorFlow 2 checkpoint; only those of google-research/bert, for "
                "TensorFlow 1, have names that say what is what"
            )
        known = {weight.release for weight in weight_names(config)}
        found = {n: reader.get_tensor(n) if n in known else np.empty(0) for n in names}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{prefix}: cannot be read as a checkpoint: {reason}") from None
    arrays, unused = _named(config, found, "release")
    return _source_of(str(prefix), config, arrays, unused, _vocabulary_beside(prefix.parent))
