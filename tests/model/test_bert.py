"""The function of the model, compared with outputs of transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from golden_trainer import GOLDENS, part, set_golden_weights
from keras import ops

from bertprep.errors import UsageError
from bertprep.model import weights
from bertprep.model.bert import PretrainingModel
from bertprep.model.config import PUBLISHED_SIZES, BertConfig, load_config, make_model
from bertprep.model.layers import DropoutSeeds, activate, dropout, gelu, make_layer_norm


@pytest.fixture(scope="module")
def goldens() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDENS))


def golden_config(goldens: dict[str, np.ndarray], **changes: Any) -> BertConfig:
    return BertConfig(**{k: int(v) for k, v in part(goldens, "config/").items()}, **changes)


@pytest.fixture(scope="module")
def model(goldens: dict[str, np.ndarray]) -> PretrainingModel:
    model = PretrainingModel(golden_config(goldens))
    model.build()
    set_golden_weights(model, goldens)
    return model


@pytest.mark.parametrize("kind", ["padded", "full"])
def test_outputs_equal_transformers(
    kind: str, goldens: dict[str, np.ndarray], model: PretrainingModel
) -> None:
    features = part(goldens, f"{kind}/")
    outputs = model(features)
    for name, values in outputs.items():
        np.testing.assert_allclose(np.array(values), features[name], atol=2e-6)


def test_selected_positions_equal_all_positions(
    goldens: dict[str, np.ndarray], model: PretrainingModel
) -> None:
    features = part(goldens, "padded/")
    positions = features["masked_lm_positions"]
    everywhere = np.array(model.encode(features))
    asked_for = np.array(model.encode(features, positions))
    expected = np.take_along_axis(everywhere, positions[:, :, None], axis=1)
    np.testing.assert_allclose(asked_for, expected, atol=1e-6)


def test_padding_does_not_change_outputs(
    goldens: dict[str, np.ndarray], model: PretrainingModel
) -> None:
    features = part(goldens, "padded/")
    other = dict(features, input_ids=features["input_ids"] + 7 * (1 - features["input_mask"]))
    assert (other["input_ids"] != features["input_ids"]).any()
    for name, values in model(features).items():
        np.testing.assert_allclose(np.array(model(other)[name]), np.array(values), atol=1e-6)


@pytest.mark.parametrize("naming", ["hugging_face", "release"])
def test_weights_survive_a_round_trip(
    naming: str, goldens: dict[str, np.ndarray], model: PretrainingModel
) -> None:
    arrays = weights.weights_by_name(model, naming)
    other = make_model(model.config)
    collected = weights.collect_weights("arrays", model.config, arrays, naming)
    assert (collected.missing, collected.unused) == ((), ())
    weights.assign_weights(other, collected.arrays, "arrays")
    for mine, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(mine), ops.convert_to_numpy(theirs))
    if naming == "hugging_face":
        expected = part(goldens, "weights/")
        assert arrays.keys() == expected.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, expected[name])


def test_every_variable_has_its_names(model: PretrainingModel) -> None:
    table = list(weights.weight_names(model.config))
    assert sorted(w.path for w in table) == sorted(weights.variables_by_path(model))
    for naming in ("hugging_face", "release"):
        assert len({getattr(weight, naming) for weight in table}) == len(table)


def test_weights_of_another_shape_are_named(model: PretrainingModel) -> None:
    arrays = weights.weights_by_name(model)
    short = arrays | {"bert.pooler.dense.weight": arrays["bert.pooler.dense.weight"][:3]}
    collected = weights.collect_weights("arrays", model.config, short, "hugging_face")
    with pytest.raises(UsageError, match=r"arrays: pooler/kernel must have the shape .* got "):
        weights.assign_weights(model, collected.arrays, "arrays")
    del short["bert.pooler.dense.weight"]
    with pytest.raises(
        UsageError, match=r"arrays: the weights lack bert\.pooler\.dense\.weight, which"
    ):
        weights.collect_weights("arrays", model.config, short, "hugging_face")


def test_dropout_follows_from_seed_and_step(
    goldens: dict[str, np.ndarray], model: PretrainingModel
) -> None:
    features = part(goldens, "full/")

    def pooled(seed: int, step: int) -> list[float]:
        outputs = model(features, seeds=DropoutSeeds(seed, np.int32(step)))
        return np.array(outputs["pooled_output"]).ravel().tolist()

    first = pooled(1, 5)
    assert first == pooled(1, 5)
    assert len({tuple(first), tuple(pooled(1, 6)), tuple(pooled(2, 5))}) == 3


def test_dropout_draws_differ_within_a_pass() -> None:
    seeds = DropoutSeeds(1, np.int32(3))
    drawn = {tuple(int(word) for word in seeds.next()) for _ in range(10)}
    assert len(drawn) == 10
    assert len({word for words in drawn for word in words}) == 20


def dropped(step: int, shape: tuple[int, ...] = (64, 1000), probability: float = 0.1) -> np.ndarray:
    kept = np.array(dropout(np.ones(shape, np.float32), probability, DropoutSeeds(1, step)))
    np.testing.assert_allclose(kept[kept > 0], 1.0 / (1.0 - probability), rtol=1e-6)
    return (kept == 0).astype(np.float64)


def test_dropout_is_uniform_and_independent() -> None:
    # Shares in rows, columns and in all; neighbours, and the same place in the next step, are
    # independent: all within five standard deviations.
    one, other = dropped(5), dropped(6)
    deviation = 0.3 / np.sqrt(one.size)
    assert abs(one.mean() - 0.1) < 5 * deviation
    for axis in (0, 1):
        assert abs(one.mean(axis) - 0.1).max() < 5 * 0.3 / np.sqrt(one.shape[axis])
        both = (one * np.roll(one, 1, axis)).mean()
        assert abs(both - 0.01) < 5 * deviation
    assert abs((one * other).mean() - 0.01) < 5 * deviation
    for power in range(1, 16):
        both = (one.ravel()[: -(1 << power)] * one.ravel()[1 << power :]).mean()
        assert abs(both - 0.01) < 5 * deviation, power


def test_gelu_and_its_gradient_equal_keras() -> None:
    with tf.GradientTape(persistent=True) as tape:
        inputs = tf.Variable(np.linspace(-6, 6, 301, dtype=np.float32))
        ours, theirs = gelu(inputs.value()), ops.gelu(inputs.value(), approximate=False)
        ours, theirs = ours * inputs.value(), theirs * inputs.value()
    np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=5e-6)
    gradients = [np.array(tape.gradient(values, inputs)) for values in (ours, theirs)]
    np.testing.assert_allclose(*gradients, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gelu_python", lambda x: ops.gelu(x, approximate=False)),
        ("gelu_new", lambda x: ops.gelu(x, approximate=True)),
        ("gelu_pytorch_tanh", lambda x: ops.gelu(x, approximate=True)),
        ("relu", ops.relu),
    ],
)
def test_the_config_names_the_activation_and_the_epsilon(name: str, expected: Any) -> None:
    config = BertConfig(vocab_size=9, hidden_act=name, layer_norm_eps=1e-5)
    inputs = tf.constant(np.linspace(-3, 3, 61, dtype=np.float32))
    np.testing.assert_allclose(activate(inputs, config), expected(inputs), atol=1e-6)
    assert make_layer_norm(config, "float32").epsilon == 1e-5
    assert BertConfig.parse(config.to_json()) == config
    assert "layer_norm_eps" not in BertConfig(vocab_size=9).to_json()


def test_initial_weights_have_the_distribution_of_the_release() -> None:
    model = PretrainingModel(BertConfig.published("tiny", vocab_size=5000))
    model.build()
    for path, variable in weights.variables_by_path(model).items():
        values = ops.convert_to_numpy(variable)
        if path.endswith("gamma"):
            assert (values == 1.0).all()
        elif values.ndim == 1:
            assert (values == 0.0).all()
        else:
            assert np.abs(values).max() <= 0.04
            assert values.size < 1000 or 0.016 < values.std() < 0.019


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_low_precision_is_close_and_keeps_float32_logits(
    policy: str, goldens: dict[str, np.ndarray], model: PretrainingModel
) -> None:
    low = PretrainingModel(model.config, policy)
    low.build()
    set_golden_weights(low, goldens)
    features = part(goldens, "padded/")
    outputs = low(features)
    assert {v.dtype for v in low.variables} == {"float32"}
    for name in ("masked_lm_logits", "next_sentence_logits"):
        assert outputs[name].dtype == "float32"
        np.testing.assert_allclose(np.array(outputs[name]), features[name], atol=0.1)


def test_a_model_is_rebuilt_from_its_config(model: PretrainingModel) -> None:
    again = PretrainingModel.from_config(model.get_config())
    assert again.config == model.config
    assert again.name == model.name


def test_a_model_has_only_the_requested_heads(
    goldens: dict[str, np.ndarray], model: PretrainingModel
) -> None:
    features = part(goldens, "padded/")
    alone = make_model(model.config, heads=["masked_lm"])
    paths = weights.variables_by_path(alone)
    assert not any(path.startswith(("pooler", "next_sentence")) for path in paths)
    set_golden_weights(alone, goldens)
    outputs = alone(features)
    assert outputs.keys() == {"masked_lm_logits"}
    expected = features["masked_lm_logits"]
    np.testing.assert_allclose(np.array(outputs["masked_lm_logits"]), expected, atol=2e-6)
    again = PretrainingModel.from_config(alone.get_config())
    assert again.head_names == ("masked_lm",)


#: Parameters of the published models without heads, from the table of the release's README (M).
@pytest.mark.parametrize(
    ("size", "millions"), [("tiny", 4.4), ("mini", 11.2), ("small", 28.8), ("medium", 41.4)]
)
def test_published_sizes_have_the_published_parameters(size: str, millions: float) -> None:
    model = PretrainingModel(BertConfig.published(size, vocab_size=30522))
    model.build()
    heads = ("masked_lm", "next_sentence")
    count = sum(
        int(np.prod(v.shape))
        for path, v in weights.variables_by_path(model).items()
        if not path.startswith(heads)
    )
    assert round(count / 1e6, 1) == millions


@pytest.mark.parametrize("size", PUBLISHED_SIZES)
def test_published_sizes_have_heads_of_64(size: str) -> None:
    config = BertConfig.published(size, vocab_size=100)
    assert config.hidden_size == 64 * config.num_attention_heads
    assert config.intermediate_size == 4 * config.hidden_size


def test_a_config_of_hugging_face_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        '{"vocab_size": 9, "hidden_size": 12, "layer_norm_eps": 1e-12, "model_type": "bert"}'
    )
    config = load_config(path)
    assert (config.vocab_size, config.hidden_size) == (9, 12)
    assert BertConfig.parse(config.to_json()) == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"vocab_size": 9', "not valid JSON"),
        ('{"hidden_size": 9}', "vocab_size is missing"),
        ('{"vocab_size": "9"}', "vocab_size must be an integer between 1 and 2097152, got '9'"),
        ('{"vocab_size": 9, "hidden_size": 10}', r"num_attention_heads must divide hidden_size"),
        (
            '{"vocab_size": 9, "hidden_act": "swish"}',
            "hidden_act must be gelu or .*relu, got 'swish'",
        ),
        ('{"vocab_size": 9, "layer_norm_eps": 0}', "layer_norm_eps must be above 0, got 0"),
        ('{"vocab_size": 9, "layer_norm_eps": NaN}', "NaN"),
        ('{"vocab_size": 9, "type_vocab_size": 1}', "type_vocab_size must be at least 2, got 1"),
        ('{"vocab_size": 9, "embedding_size": 128}', "embedding_size must be 768, got 128"),
        ('{"vocab_size": 9, "num_hidden_groups": 1}', "num_hidden_groups must be absent, got 1"),
        ('{"vocab_size": 9, "quantization_config": {"bits": 8}}', "quantization_config must be"),
        ('{"vocab_size": 9, "architectures": ["RobertaModel"]}', "architectures must be BERT's"),
        ('{"vocab_size": 9, "hidden_dropout_prob": 1}', "hidden_dropout_prob must be at least 0"),
        ('{"vocab_size": 9, "model_type": "roberta"}', 'model_type must be bert, got "roberta"'),
        ('{"vocab_size": 9, "model_type": [1]}', r"model_type must be bert, got \[1\]"),
        (
            '{"vocab_size": 9, "position_embedding_type": "alibi"}',
            "position_embedding_type must be absolute, got 'alibi'",
        ),
        ('{"vocab_size": 9, "initializer_range": 0}', "initializer_range must be above 0"),
        ('{"vocab_size": 9, "initializer_range": "a"}', "initializer_range must be a number"),
    ],
)
def test_an_invalid_config_is_one_line(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bert_config.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        load_config(path)


def test_a_missing_config_names_the_sizes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Name a bert_config\.json, or one of tiny, mini"):
        load_config(tmp_path / "none.json")
