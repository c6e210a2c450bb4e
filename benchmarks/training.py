"""A step of `bertprep pretrain` beside keras-hub's and PyTorch's, each in a process of its own.

The model is `mini`, the batch 32 sequences of 128 tokens with 20 predictions, the update AdamW with
a clip, dropout as published. Everybody begins with the same weights and batches, and must find the
same masked-LM logits before anything is timed.

Example:
    python benchmarks/training.py "keras-hub, XLA" /tmp/work
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # as a child of the benchmarks
    sys.path[:0] = [str(Path(__file__).parents[1])]

_MODEL, _BATCH, _SEQ_LENGTH, _PREDICTIONS = "mini", 32, 128, 20
_WARM_STEPS, _STEPS = 3, 10
_RATE, _DECAY, _EPSILON, _CLIP = 1e-4, 0.01, 1e-6, 1.0
_GOAL_KERAS_HUB, _GOAL_TORCH, _GOAL_SHARE, _GOAL_INPUT = 1 / 1.05, 3.0, 0.8, 20.0
_TEXT_BYTES = 2_000_000
#: Largest difference of logits, whose spread is 0.3. keras-hub has gelu by tanh, and 1e-5 in the
#: head's LayerNorm, both by design.
_MOST_DIFFERENCE = {"keras-hub": 5e-3, "PyTorch": 1e-4}

Batches = list[dict[str, np.ndarray]]


def main() -> None:
    """Runs one variant; prints a line of JSON, and writes its logits."""
    name, work = sys.argv[1], Path(sys.argv[2])
    print(json.dumps(_VARIANTS[name](work)))


def _prepare(work: Path) -> dict[str, Any]:
    """Draws the weights, writes the batches; times the input pipeline, which makes them."""
    import keras

    from bertprep.datasets import find_data_set
    from bertprep.trainer.config import BertConfig
    from bertprep.trainer.dataset import training_batches
    from bertprep.trainer.modeling import PretrainingModel
    from bertprep.trainer.stream import RecordStream
    from bertprep.trainer.weights import to_names

    data_set = find_data_set([str(work / "records")])
    config = BertConfig.published(_MODEL, len(data_set.require_vocabulary().tokens))
    (work / "bert_config.json").write_text(json.dumps(config.to_json()))
    stream = RecordStream(data_set, config.vocab_size, seed=1)
    batches = training_batches(stream, range(_WARM_STEPS + _STEPS), _BATCH)
    rows = [{n: v.numpy() for n, v in batch.items()} for batch in batches]
    np.savez(work / "batches.npz", **{n: np.stack([row[n] for row in rows]) for n in rows[0]})
    keras.utils.set_random_seed(1)
    model = PretrainingModel(config)
    model.build()
    np.savez(work / "weights.npz", **to_names(model))
    steps = range(4 * stream.num_records // _BATCH)
    taken = iter(training_batches(stream, steps, _BATCH))
    next(taken)
    begin = time.perf_counter()
    count = sum(1 for _ in taken)
    return {"sequences_per_second": count * _BATCH / (time.perf_counter() - begin)}


def _batches(work: Path) -> Batches:
    arrays = dict(np.load(work / "batches.npz"))
    count = len(arrays["input_ids"])
    return [{name: values[i] for name, values in arrays.items()} for i in range(count)]


def _config(work: Path) -> Any:
    from bertprep.trainer.config import BertConfig

    return BertConfig.load(work / "bert_config.json")


def _ours(work: Path, xla: bool | None) -> dict[str, Any]:
    from bertprep.trainer.startup import load_tensorflow

    load_tensorflow()
    from bertprep.options import TrainingOptions
    from bertprep.trainer.loop import Trainer
    from bertprep.trainer.weights import assign

    config, batches = _config(work), _batches(work)
    options = TrainingOptions(
        batch_size=_BATCH, learning_rate=_RATE, warmup=0, weight_decay=_DECAY, xla=xla, steps=1000
    )
    trainer = Trainer(config, options)
    assign(trainer.model, np.load(work / "weights.npz"))
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
    from bertprep.trainer.startup import load_tensorflow

    load_tensorflow()
    import keras
    import keras_hub
    import tensorflow as tf

    config, batches = _config(work), _batches(work)
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
    data = tf.data.Dataset.from_tensor_slices(stacked).batch(_BATCH, drop_remainder=True)
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
    rows = torch.arange(_BATCH)[:, None]
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
        labels = torch.full((_BATCH, _SEQ_LENGTH), -100)
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


#: What `bertprep pretrain` does without --xla and --no-xla.
_DEFAULT = "ours"
_VARIANTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "prepare": _prepare,
    _DEFAULT: lambda work: _ours(work, None),
    "ours, --xla": lambda work: _ours(work, True),
    "ours, --no-xla": lambda work: _ours(work, False),
    "keras-hub": lambda work: _keras_hub(work, False),
    "keras-hub, XLA": lambda work: _keras_hub(work, True),
    "PyTorch": _torch,
}


def step_flop(config: Any, batch: int, seq_length: int, predictions: int) -> float:
    """Floating-point operations of the matrix products of a step: forward, and twice back.

    The last layer computes [CLS] and the masked positions only.
    """
    width, inner = config.hidden_size, config.intermediate_size

    def layer(queries: int) -> int:
        dense = 2 * width * (2 * seq_length * width + 2 * queries * width + 2 * queries * inner)
        return dense + 2 * 2 * queries * seq_length * width

    layers = (config.num_hidden_layers - 1) * layer(seq_length) + layer(predictions + 1)
    heads = 2 * predictions * width * (width + config.vocab_size) + 2 * width * width
    return 3.0 * batch * (layers + heads)


def measure(settings: Any, report: Any, work: Path) -> None:
    """Runs the section."""
    import processes
    from corpora import write_repeated

    names = [name for name in _VARIANTS if name != "prepare"]
    for package, start in (("keras_hub", "keras-hub"), ("transformers", "PyTorch")):
        if not _is_installed(package):
            report.left_out(f"pretrain: {package} is not installed: pip install '.[peers]'")
            names = [name for name in names if not name.startswith(start)]
    text = work / "english.txt"
    write_repeated(text, settings.english, _TEXT_BYTES)
    vocab, records = settings.english.vocab, work / "records"
    command = processes.create(text, vocab, records, workers=2)
    processes.run([*command, f"--max-predictions-per-seq={_PREDICTIONS}"])
    taken = _child("prepare", work)["sequences_per_second"]
    report.record("run", what="input pipeline", sequences_per_second=taken)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    rates = []
    for number in range(settings.repeat):
        report.say(f"round {number + 1} of {settings.repeat}")
        for name in names:
            values = _child(name, work)
            seconds[name] += values["seconds"]
            rates += [values["flop_per_second"]] if "flop_per_second" in values else []
            report.record("run", what=name, **values)
            report.say(f"{name}: {statistics.median(values['seconds']):.3f} s a step")
    _require_equal(work, report)
    _add_rows(
        report, {n: statistics.median(s) for n, s in seconds.items()}, rates, taken, _config(work)
    )


def _is_installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def _child(name: str, work: Path) -> dict[str, Any]:
    from corpora import environment_with_root

    command = [sys.executable, __file__, name, str(work)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment_with_root())
    if done.returncode:
        raise SystemExit(f"{done.stderr[-4000:]}\nfailed: {' '.join(command)}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _require_equal(work: Path, report: Any) -> None:
    ours = np.load(work / f"{_DEFAULT}, None.npy")
    for path in sorted(work.glob("*.npy")):
        name = path.stem.split(",")[0]
        difference = float(np.abs(np.load(path) - ours).max())
        report.say(f"largest difference of logits, {path.stem}: {difference:.1e}")
        if difference > _MOST_DIFFERENCE.get(name, 1e-5):
            raise SystemExit(f"{path.stem} is another function: its logits differ by {difference}")


def _add_rows(
    report: Any, seconds: dict[str, float], rates: list[float], taken: float, config: Any
) -> None:
    from report import Row, yes_or_no

    ours = seconds[_DEFAULT]

    def shown(name: str) -> str:
        return f"{_BATCH / seconds[name]:.1f} seq/s"

    def rival(names: list[str], goal: float) -> None:
        best = min((name for name in names if name in seconds), key=seconds.__getitem__)
        for name in names:
            ratio = seconds[name] / ours
            has_goal = name == best
            met = yes_or_no(ratio >= goal) if has_goal else ""
            shown_goal = f"{goal:.2f}x" if has_goal else ""
            what = f"pretrain, {_MODEL}, batch {_BATCH}"
            report.add(Row(what, shown(_DEFAULT), f"{name}: {shown(name)}", ratio, shown_goal, met))

    if "keras-hub" in seconds:
        rival(["keras-hub", "keras-hub, XLA"], _GOAL_KERAS_HUB)
    if "PyTorch" in seconds:
        rival(["PyTorch"], _GOAL_TORCH)
    for name in ("ours, --xla", "ours, --no-xla"):
        ratio = seconds[name] / ours
        what = "the default beside " + name.removeprefix("ours, ")
        report.add(Row(what, shown(_DEFAULT), shown(name), ratio, "1.00x", yes_or_no(ratio >= 1)))
    rate = max(rates)
    share = step_flop(config, _BATCH, _SEQ_LENGTH, _PREDICTIONS) / ours / rate
    peak = f"float32 matrix products: {rate / 1e9:.0f} GFLOP/s"
    met = yes_or_no(share >= _GOAL_SHARE)
    report.add(Row("share of the machine's rate", f"{share:.0%}", peak, None, "80%", met))
    ratio = taken * ours / _BATCH
    report.add(
        Row(
            "input pipeline alone, to the model",
            f"{taken:,.0f} seq/s",
            shown(_DEFAULT),
            ratio,
            f"{_GOAL_INPUT:g}x",
            yes_or_no(ratio >= _GOAL_INPUT),
        )
    )


if __name__ == "__main__":
    main()
