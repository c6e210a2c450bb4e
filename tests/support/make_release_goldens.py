"""The release's own model code -> release_checkpoint: a checkpoint of it, and what it says.

    git clone https://github.com/google-research/bert /tmp/bert
    python tests/support/make_release_goldens.py --reference /tmp/bert
        writes the folder
    python tests/support/make_release_goldens.py --reference /tmp/bert --check
        compares; exit status 1

The checkpoint is that of a training run after a step, the optimizer's state in it. Its outputs are
there twice: by the release's gelu, an approximation by tanh, and by the exact one, by erf, of the
paper and of its first versions, which is the one that this package and transformers have.
"""

import argparse
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

FOLDER = Path(__file__).parents[1] / "goldens" / "release_checkpoint"
PREFIX, CONFIG_NAME, OUTPUTS_NAME = "bert_model.ckpt", "bert_config.json", "outputs.npz"
CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "directionality": "bidi",
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 8,
    "initializer_range": 0.02,
    "intermediate_size": 12,
    "max_position_embeddings": 20,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": 29,
}
BATCH, LENGTH, PREDICTIONS = 4, 16, 3


def dense(
    inputs: Any,
    units: int,
    activation: Any = None,
    kernel_initializer: Any = None,
    name: Any = None,
) -> Any:
    """What `tf.layers.dense` was: TensorFlow 2 has it with Keras 2 only."""
    with tf.variable_scope(name, default_name="dense"):
        kernel = tf.get_variable("kernel", [inputs.shape[-1], units], None, kernel_initializer)
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
    outputs = tf.tensordot(inputs, kernel, 1) + bias
    return outputs if activation is None else activation(outputs)


def layer_norm(inputs: Any, begin_norm_axis: int, begin_params_axis: int, scope: Any) -> Any:
    """What `tf.contrib.layers.layer_norm` was, of the last axis."""
    assert begin_norm_axis == begin_params_axis == -1
    size = [inputs.shape[-1]]
    with tf.variable_scope(scope, default_name="LayerNorm"):
        beta = tf.get_variable("beta", size, initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", size, initializer=tf.ones_initializer())
    mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
    return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)


def import_reference(reference: Path) -> tuple[Any, Any, Any]:
    """The release's modeling, optimization and run_pretraining, on TensorFlow 2."""
    stand_in = types.ModuleType("tensorflow")
    stand_in.__dict__.update({name: getattr(tf, name) for name in dir(tf)})
    contrib = types.SimpleNamespace(layers=types.SimpleNamespace(layer_norm=layer_norm))
    stand_in.__dict__.update(layers=types.SimpleNamespace(dense=dense), contrib=contrib)
    sys.modules["tensorflow"] = stand_in
    sys.path.insert(0, str(reference))
    import modeling
    import optimization
    import run_pretraining

    return modeling, optimization, run_pretraining


def draw_features(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """A batch of random records, one of them full."""
    lengths = np.array([LENGTH, 11, 7, 13])
    mask = np.arange(LENGTH) < lengths[:, None]
    positions = [np.sort(generator.choice(int(n), PREDICTIONS, replace=False)) for n in lengths]
    return {
        "input_ids": (generator.integers(1, CONFIG["vocab_size"], mask.shape) * mask),
        "input_mask": mask,
        "segment_ids": (np.arange(LENGTH) > lengths[:, None] // 2) & mask,
        "masked_lm_positions": np.array(positions),
        "masked_lm_ids": generator.integers(1, CONFIG["vocab_size"], (BATCH, PREDICTIONS)),
        "next_sentence_labels": generator.integers(0, 2, (BATCH, 1)),
    }


def make(reference: Path, folder: Path) -> dict[str, np.ndarray]:
    """Writes the checkpoint; the arrays of outputs.npz."""
    modeling, optimization, run_pretraining = import_reference(reference)
    exact = {"tanh": modeling.gelu, "erf": lambda x: x * 0.5 * (1.0 + tf.erf(x / 2.0**0.5))}
    generator = np.random.default_rng(5)
    features = {name: v.astype(np.int32) for name, v in draw_features(generator).items()}
    config = modeling.BertConfig.from_dict(CONFIG)
    tf.disable_eager_execution()

    def build() -> tuple[Any, dict[str, Any]]:
        model = modeling.BertModel(
            config=config,
            is_training=False,
            input_ids=tf.constant(features["input_ids"]),
            input_mask=tf.constant(features["input_mask"]),
            token_type_ids=tf.constant(features["segment_ids"]),
            scope="bert",
        )
        masked_loss, _, masked = run_pretraining.get_masked_lm_output(
            config,
            model.get_sequence_output(),
            model.get_embedding_table(),
            tf.constant(features["masked_lm_positions"]),
            tf.constant(features["masked_lm_ids"]),
            tf.ones([BATCH, PREDICTIONS]),
        )
        next_loss, _, next_sentence = run_pretraining.get_next_sentence_output(
            config, model.get_pooled_output(), tf.constant(features["next_sentence_labels"])
        )
        return masked_loss + next_loss, {
            "masked_lm_log_probs": tf.reshape(masked, [BATCH, PREDICTIONS, -1]),
            "next_sentence_log_probs": next_sentence,
            "pooled_output": model.get_pooled_output(),
        }

    arrays = features
    with tf.Graph().as_default(), tf.Session() as session:
        by_gelu = {}
        for name, gelu in exact.items():
            modeling.gelu = gelu
            with tf.variable_scope("", reuse=name == "erf"):
                loss, by_gelu[name] = build()
        update = optimization.create_optimizer(loss, 1e-3, 10, 0, use_tpu=False)
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            drawn = generator.normal(0.0, 0.3, variable.shape.as_list())
            variable.load(drawn + 1.0 if variable.name.endswith("gamma:0") else drawn, session)
        session.run(update)
        for name, outputs in by_gelu.items():
            found = session.run(outputs)
            arrays |= {f"{name}/{output}": value for output, value in found.items()}
        saver = tf.train.Saver()
        saver.save(session, str(folder / PREFIX), write_meta_graph=False, write_state=False)
    (folder / CONFIG_NAME).write_text(json.dumps(CONFIG, indent=2) + "\n")
    np.savez_compressed(folder / OUTPUTS_NAME, **arrays)
    return arrays


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="a checkout of the release")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    path = FOLDER / OUTPUTS_NAME
    old = dict(np.load(path)) if path.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if arguments.check else FOLDER
        folder.mkdir(exist_ok=True)
        new = make(arguments.reference, folder)
    lines = [f"{name}: new, or gone" for name in old.keys() ^ new.keys()]
    for name in old.keys() & new.keys():
        distance = float(np.abs(old[name].astype(np.float64) - new[name]).max())
        lines += [f"{name}: differs by {distance:.2g}"] if distance > 1e-5 else []
    print("\n".join(sorted(lines)) or "no difference")
    print({k: float(np.abs(new[f"tanh/{k}"] - new[f"erf/{k}"]).max()) for k in ("pooled_output",)})
    return 1 if lines and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
