"""A training step by this package, keras-hub and PyTorch, from the same weights and batches.

Each variant runs in a process of its own, which writes the masked-LM logits of the first batch, so
that it can be seen that all compute the same function, and prints the seconds of its steps.

Example:
    python benchmarks/training_peers.py "keras-hub, XLA" /tmp/work
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # as a child of the benchmarks
    sys.path[:0] = [str(Path(__file__).parents[1])]

MODEL, BATCH, SEQ_LENGTH, PREDICTIONS = "mini", 32, 128, 20
_WARM_STEPS, _STEPS = 3, 10
_RATE, _DECAY, _EPSILON, _CLIP = 1e-4, 0.01, 1e-6, 1.0

Batches = list[dict[str, np.ndarray]]


def main() -> None:
    """Runs one variant; prints a line of JSON, and writes its logits."""
    name, work = sys.argv[1], Path(sys.argv[2])
    print(json.dumps(VARIANTS[name](work)))


def _prepare(work: Path) -> dict[str, Any]:
    """Draws the weights, writes the batches; times the input pipeline, which makes them."""
    import keras

    from bertprep.loading.windows import RecordStream
    from bertprep.model.bert import PretrainingModel
    from bertprep.model.config import BertConfig
    from bertprep.model.weights import weights_by_name
    from bertprep.records import find_data_set
    from bertprep.training.input_pipeline import training_batches

    data_set = find_data_set([str(work / "records")])
    config = BertConfig.published(MODEL, len(data_set.require_vocabulary().tokens))
    (work / "bert_config.json").write_text(json.dumps(config.to_json()))
    stream = RecordStream(data_set, config.vocab_size, seed=1)
    batches = training_batches(stream, range(_WARM_STEPS + _STEPS), BATCH)
    rows = [{n: v.numpy() for n, v in batch.items()} for batch in batches]
    np.savez(work / "batches.npz", **{n: np.stack([row[n] for row in rows]) for n in rows[0]})
    keras.utils.set_random_seed(1)
    model = PretrainingModel(config)
    model.build()
    np.savez(work / "weights.npz", **weights_by_name(model))
    steps = range(4 * stream.num_records // BATCH)
    taken = iter(training_batches(stream, steps, BATCH))
    next(taken)
    begin = time.perf_counter()
    count = sum(1 for _ in taken)
    return {"sequences_per_second": count * BATCH / (time.perf_counter() - begin)}


def _batches(work: Path) -> Batches:
    arrays = dict(np.load(work / "batches.npz"))
    count = len(arrays["input_ids"])
    return [{name: values[i] for name, values in arrays.items()} for i in range(count)]


def read_config(work: Path) -> Any:
    """The model's shape, as the first variant wrote it."""
    from bertprep.model.config import BertConfig

    return BertConfig.load(work / "bert_config.json")


def _ours(work: Path, xla: bool | None) -> dict[str, Any]:
    from bertprep.training.process import load_tensorflow

    load_tensorflow()
    from bertprep.model.weights import assign_weights, collect_weights
    from bertprep.options import TrainingOptions
    from bertprep.training.loop import Trainer

    config, batches = read_config(work), _batches(work)
    options = TrainingOptions(
        batch_size=BATCH, learning_rate=_RATE, warmup=0, weight_decay=_DECAY, xla=xla, steps=1000
    )
    trainer = Trainer(config, options)
    arrays = dict(np.load(work / "weights.npz"))
    weights = collect_weights("weights.npz", config, arrays, "hugging_face")
    assign_weights(trainer.model, weights.arrays, weights.name)
    logits = trainer.model(batches[0])["masked_lm_logits"].numpy()
    np.save(work / f"ours, {xla}.npy", logits)
    before = _matrix_product_rate()
    seconds = []
    for step, batch in enumerate(batches):
        begin = time.perf_counter()
        trainer.train_step(step, batch)
        seconds.append(time.perf_counter() - begin)
    after = _matrix_product_rate()
    return {"seconds": seconds[_WARM_STEPS:], "flop_per_second": max(before, after)}


def _matrix_product_rate() -> float:
    """Floating-point operations a second of a product as large as those of the model."""
    import tensorflow as tf

    rows, inner, columns = 4096, 256, 1024
    one, other = tf.random.normal([rows, inner]), tf.random.normal([inner, columns])
    times = 50
    product = tf.function(lambda: tf.matmul(one, other), autograph=False)
    product()
    runs = []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(times):
            product()
        runs.append((time.perf_counter() - begin) / times)
    return 2.0 * rows * inner * columns / min(runs)


def _keras_hub(work: Path, xla: bool) -> dict[str, Any]:
    from bertprep.training.process import load_tensorflow

    load_tensorflow()
    import keras
    import keras_hub
    import tensorflow as tf

    config, batches = read_config(work), _batches(work)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        hidden_dim=config.hidden_size,
        intermediate_dim=config.intermediate_size,
        dropout=config.hidden_dropout_prob,
        max_sequence_length=config.max_position_embeddings,
    )
    model = keras_hub.models.BertMaskedLM(backbone)
    _set_keras_hub(model, np.load(work / "weights.npz"), config)
    inputs = [
        (
            {
                "token_ids": batch["input_ids"],
                "segment_ids": batch["segment_ids"],
                "padding_mask": batch["input_mask"],
                "mask_positions": batch["masked_lm_positions"],
            },
            batch["masked_lm_ids"],
            batch["masked_lm_weights"],
        )
        for batch in batches
    ]
    np.save(work / f"keras-hub, {xla}.npy", model(inputs[0][0], training=False).numpy())
    optimizer = keras.optimizers.AdamW(
        _RATE, weight_decay=_DECAY, epsilon=_EPSILON, global_clipnorm=_CLIP
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=xla)
    stacked = tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *inputs)
    data = tf.data.Dataset.from_tensor_slices(stacked).batch(BATCH, drop_remainder=True)
    clock = _clock(keras)
    model.fit(data.prefetch(tf.data.AUTOTUNE), verbose=0, callbacks=[clock])
    return {"seconds": clock.seconds[_WARM_STEPS:]}


def _clock(keras: Any) -> Any:
    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self._begin = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self._begin)

    return Clock()


def _set_keras_hub(model: Any, weights: Any, config: Any) -> None:
    """Sets a BertMaskedLM to the weights under their Hugging Face names."""
    heads, width = config.num_attention_heads, config.hidden_size
    backbone, bert = model.backbone, "bert.encoder.layer"

    def norm(name: str) -> list[np.ndarray]:
        return [weights[f"{name}.weight"], weights[f"{name}.bias"]]

    def dense(name: str) -> list[np.ndarray]:
        return [weights[f"{name}.weight"].T, weights[f"{name}.bias"]]

    def split(name: str) -> list[np.ndarray]:
        kernel, bias = dense(name)
        return [kernel.reshape(width, heads, -1), bias.reshape(heads, -1)]

    embeddings = "bert.embeddings"
    for layer, name in (
        (backbone.token_embedding, "word_embeddings"),
        (backbone.position_embedding, "position_embeddings"),
        (backbone.segment_embedding, "token_type_embeddings"),
    ):
        layer.set_weights([weights[f"{embeddings}.{name}.weight"]])
    backbone.embeddings_layer_norm.set_weights(norm(f"{embeddings}.LayerNorm"))
    for i, layer in enumerate(backbone.transformer_layers):
        own, attention = f"{bert}.{i}", layer._self_attention_layer
        attention._query_dense.set_weights(split(f"{own}.attention.self.query"))
        attention._key_dense.set_weights(split(f"{own}.attention.self.key"))
        attention._value_dense.set_weights(split(f"{own}.attention.self.value"))
        kernel, bias = dense(f"{own}.attention.output.dense")
        attention._output_dense.set_weights([kernel.reshape(heads, -1, width), bias])
        layer._self_attention_layer_norm.set_weights(norm(f"{own}.attention.output.LayerNorm"))
        layer._feedforward_intermediate_dense.set_weights(dense(f"{own}.intermediate.dense"))
        layer._feedforward_output_dense.set_weights(dense(f"{own}.output.dense"))
        layer._feedforward_layer_norm.set_weights(norm(f"{own}.output.LayerNorm"))
    head = model.masked_lm_head
    head._intermediate_dense.set_weights(dense("cls.predictions.transform.dense"))
    head._intermediate_layer_norm.set_weights(norm("cls.predictions.transform.LayerNorm"))


def _torch(work: Path) -> dict[str, Any]:
    import torch
    import transformers

    config = transformers.BertConfig(**json.loads((work / "bert_config.json").read_text()))
    model = transformers.BertForPreTraining(config)
    weights = np.load(work / "weights.npz")
    state = {name: torch.from_numpy(weights[name]) for name in weights.files}
    unknown = model.load_state_dict(state, strict=False).unexpected_keys
    assert not unknown, unknown
    model.tie_weights()
    batches = [
        {name: torch.from_numpy(value).long() for name, value in batch.items()}
        for batch in _batches(work)
    ]
    rows = torch.arange(BATCH)[:, None]
    with torch.no_grad():
        logits = model.eval()(**_torch_inputs(batches[0])).prediction_logits
        np.save(work / "PyTorch.npy", logits[rows, batches[0]["masked_lm_positions"]].numpy())
    model.train()
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1]
    others = [p for n, p in model.named_parameters() if p.ndim == 1]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, _RATE, eps=_EPSILON, weight_decay=_DECAY)
    seconds = []
    for batch in batches:
        labels = torch.full((BATCH, SEQ_LENGTH), -100)
        masked, kept = batch["masked_lm_ids"], batch["masked_lm_weights"].bool()
        labels[rows.expand_as(masked)[kept], batch["masked_lm_positions"][kept]] = masked[kept]
        next_sentence = batch["next_sentence_labels"][:, 0]
        begin = time.perf_counter()
        inputs = _torch_inputs(batch)
        loss = model(**inputs, labels=labels, next_sentence_label=next_sentence).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        seconds.append(time.perf_counter() - begin)
    return {"seconds": seconds[_WARM_STEPS:]}


def _torch_inputs(batch: Any) -> dict[str, Any]:
    return {
        "input_ids": batch["input_ids"],
        "attention_mask": batch["input_mask"],
        "token_type_ids": batch["segment_ids"],
    }


PREPARE = "prepare"
#: What `bertprep pretrain` does without --xla and --no-xla.
DEFAULT = "ours"
VARIANTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    PREPARE: _prepare,
    DEFAULT: lambda work: _ours(work, None),
    "ours, --xla": lambda work: _ours(work, True),
    "ours, --no-xla": lambda work: _ours(work, False),
    "keras-hub": lambda work: _keras_hub(work, False),
    "keras-hub, XLA": lambda work: _keras_hub(work, True),
    "PyTorch": _torch,
}

if __name__ == "__main__":
    main()
