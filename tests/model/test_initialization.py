"""`--init-from`: weights of runs, Hugging Face folders and TensorFlow 1 checkpoints."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from safetensors.numpy import save_file
from trainer_runs import make_run, outputs, random_features, random_model, tiny_config

from bertprep.errors import UsageError
from bertprep.model import weights
from bertprep.model.bert import PretrainingModel
from bertprep.model.config import BertConfig, is_padded
from bertprep.model.formats import read_pretrained
from bertprep.model.initialization import config_for, initialize, trained_positions
from bertprep.model.weights import PretrainedWeights
from bertprep.options import TokenizerOptions
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary

RELEASE = Path(__file__).parents[1] / "goldens" / "release_checkpoint"
GOLDENS = Path(__file__).parents[1] / "goldens" / "trainer_goldens.npz"
Arrays = dict[str, np.ndarray]


def vocabulary_of(size: int, word: str = "w") -> Vocabulary:
    pieces = [*SPECIAL_TOKENS, *(f"{word}{i}" for i in range(size - len(SPECIAL_TOKENS)))]
    return Vocabulary.parse("".join(f"{piece}\n" for piece in pieces).encode())


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def initialized(
    source: PretrainedWeights,
    vocabulary: Vocabulary,
    max_seq_length: int = 8,
    wanted: BertConfig | None = None,
    tokenizer: TokenizerOptions | None = None,
) -> tuple[PretrainingModel, list[str]]:
    """Return a model with the weights of a source, and the notes."""
    model = random_model(config_for(source, wanted, max_seq_length), seed=77)
    return model, initialize(model, source, vocabulary, max_seq_length, tokenizer)


def part(arrays: Arrays, name: str) -> Arrays:
    return {key.split("/", 1)[1]: value for key, value in arrays.items() if key.startswith(name)}


@pytest.fixture(scope="module")
def goldens() -> Arrays:
    return dict(np.load(GOLDENS))


def write_hugging_face(folder: Path, goldens: Arrays, arrays: Arrays, **changes: object) -> Path:
    """A folder as transformers writes it, of the goldens' model."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {name: int(value) for name, value in part(goldens, "config/").items()}
    content = {"model_type": "bert", "layer_norm_eps": 1e-12, **config, **changes}
    (folder / "config.json").write_text(json.dumps(content))
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def golden_outputs(model: PretrainingModel, goldens: Arrays) -> Arrays:
    """Return the largest difference from the outputs of transformers, by output."""
    expected = part(goldens, "padded/")
    found = outputs(model, expected)
    return {name: np.abs(values - expected[name]).max() for name, values in found.items()}


@pytest.mark.parametrize(
    "name",
    ["", "bert_model.ckpt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"],
)
def test_outputs_equal_the_release(name: str) -> None:
    source = read_pretrained(RELEASE / name)
    model, notes = initialized(source, vocabulary_of(29))
    golden = dict(np.load(RELEASE / "outputs.npz"))
    found = outputs(model, golden)
    for gelu, most in (("erf", 1e-5), ("tanh", 2e-3)):
        expected = part(golden, f"{gelu}/")
        for head in ("masked_lm", "next_sentence"):
            log_probs = log_softmax(found[f"{head}_logits"])
            np.testing.assert_allclose(log_probs, expected[f"{head}_log_probs"], atol=most)
        np.testing.assert_allclose(found["pooled_output"], expected["pooled_output"], atol=most)
    assert notes == [
        f"{source.name}: no vocabulary next to it; assuming the vocabulary of the records",
        f"{source.name}: unused: global_step, the optimizer's state",
    ]


def test_a_checkpoint_file_names_the_latest_of_several(tmp_path: Path) -> None:
    for number in (1, 2):
        for path in RELEASE.glob("bert_model.ckpt.*"):
            name = path.name.replace("bert_model.ckpt", f"model.ckpt-{number}")
            shutil.copy(path, tmp_path / name)
    shutil.copy(RELEASE / "bert_config.json", tmp_path)
    with pytest.raises(UsageError, match=r"several checkpoints \(model.ckpt-1.index, model"):
        read_pretrained(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-2"\n')
    assert read_pretrained(tmp_path).name == str(tmp_path / "model.ckpt-2")


def test_a_checkpoint_without_its_config_is_one_line(tmp_path: Path) -> None:
    for path in RELEASE.glob("bert_model.ckpt.*"):
        shutil.copy(path, tmp_path)
    with pytest.raises(UsageError, match=r"bert_model.ckpt: no bert_config.json next to"):
        read_pretrained(tmp_path)


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    for path in RELEASE.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "bert_model.ckpt.index").write_bytes(b"no table" * 20)
    with pytest.raises(UsageError, match=r"cannot be read as a checkpoint: [^\n]+$"):
        read_pretrained(tmp_path)


def test_a_config_of_another_size_is_named(tmp_path: Path) -> None:
    for path in RELEASE.iterdir():
        shutil.copy(path, tmp_path)
    config = json.loads((RELEASE / "bert_config.json").read_bytes())
    path = tmp_path / "bert_config.json"
    path.write_text(json.dumps(config | {"intermediate_size": 16}))
    message = (
        r"layer_0/intermediate/kernel must have the shape \(8, 16\) by its config, got \(8, 12\)"
    )
    with pytest.raises(UsageError, match=message):
        initialized(read_pretrained(tmp_path), vocabulary_of(29))
    path.write_text(json.dumps(config | {"num_hidden_layers": 3}))
    first = "bert/encoder/layer_2/attention/self/query/kernel"
    message = rf"the weights lack {first}, .* and 13 more, which the config"
    with pytest.raises(UsageError, match=message):
        read_pretrained(tmp_path)


def test_a_checkpoint_of_tensorflow_2_is_named(tmp_path: Path) -> None:
    tf.train.Checkpoint(a=tf.Variable(1.0)).write(str(tmp_path / "ckpt"))
    shutil.copy(RELEASE / "bert_config.json", tmp_path)
    with pytest.raises(UsageError, match=r"ckpt: is a TensorFlow 2 checkpoint; only TensorFlow 1"):
        read_pretrained(tmp_path)


def test_outputs_equal_transformers(goldens: Arrays, tmp_path: Path) -> None:
    source = read_pretrained(write_hugging_face(tmp_path, goldens, part(goldens, "weights/")))
    assert (source.missing, source.unused) == ((), ())
    model, _ = initialized(source, vocabulary_of(61))
    assert max(golden_outputs(model, goldens).values()) < 2e-6


def test_the_weights_file_names_its_folder(goldens: Arrays, tmp_path: Path) -> None:
    write_hugging_face(tmp_path, goldens, part(goldens, "weights/"))
    assert read_pretrained(tmp_path / "model.safetensors").name == str(tmp_path)


def test_old_names_and_copied_ties_are_read(goldens: Arrays, tmp_path: Path) -> None:
    arrays = {}
    for name, value in part(goldens, "weights/").items():
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        arrays[old.replace("LayerNorm.bias", "LayerNorm.beta")] = value
    arrays["bert.embeddings.position_ids"] = np.arange(24)[None]
    arrays["cls.predictions.decoder.weight"] = arrays["bert.embeddings.word_embeddings.weight"]
    arrays["cls.predictions.decoder.bias"] = arrays.pop("cls.predictions.bias")
    source = read_pretrained(write_hugging_face(tmp_path, goldens, arrays))
    assert (source.missing, source.unused) == ((), ())
    model, _ = initialized(source, vocabulary_of(61))
    assert max(golden_outputs(model, goldens).values()) < 2e-6


@pytest.mark.parametrize("name", ["decoder.weight", "decoder.bias"])
def test_an_untied_decoder_is_refused(name: str, goldens: Arrays, tmp_path: Path) -> None:
    arrays = part(goldens, "weights/")
    table = name.endswith("weight")
    other = "bert.embeddings.word_embeddings.weight" if table else "cls.predictions.bias"
    arrays[f"cls.predictions.{name}"] = arrays[other] + 1
    with pytest.raises(UsageError, match=rf"{name} has values of its own"):
        read_pretrained(write_hugging_face(tmp_path, goldens, arrays))


@pytest.mark.parametrize("prefix", ["bert.", ""])
def test_an_encoder_alone_has_its_heads_drawn(prefix: str, goldens: Arrays, tmp_path: Path) -> None:
    arrays = {
        prefix + name.removeprefix("bert."): value
        for name, value in part(goldens, "weights/").items()
        if name.startswith("bert.")
    }
    source = read_pretrained(write_hugging_face(tmp_path, goldens, arrays))
    model, notes = initialized(source, vocabulary_of(61))
    assert notes[1] == (f"masked-LM head, next-sentence head: drawn, not in {tmp_path}")
    assert golden_outputs(model, goldens)["pooled_output"] < 2e-6
    fresh = random_model(model.config, seed=77)
    for path, variable in weights.variables_by_path(model).items():
        if path.startswith(("masked_lm", "next_sentence")):
            drawn = weights.variables_by_path(fresh)[path]
            np.testing.assert_array_equal(
                ops.convert_to_numpy(variable), ops.convert_to_numpy(drawn)
            )


def test_a_masked_lm_has_pooler_and_next_sentence_head_drawn(
    goldens: Arrays, tmp_path: Path
) -> None:
    arrays = {
        name: value
        for name, value in part(goldens, "weights/").items()
        if not name.startswith(("bert.pooler", "cls.seq_relationship"))
    }
    source = read_pretrained(write_hugging_face(tmp_path, goldens, arrays))
    model, notes = initialized(source, vocabulary_of(61))
    assert source.missing == ("pooler", "next-sentence head")
    assert "pooler, next-sentence head" in notes[1]
    assert golden_outputs(model, goldens)["masked_lm_logits"] < 2e-6


def test_unused_weights_are_named(goldens: Arrays, tmp_path: Path) -> None:
    arrays = part(goldens, "weights/")
    arrays |= {f"classifier.{i}": np.zeros(2, np.float32) for i in range(7)}
    source = read_pretrained(write_hugging_face(tmp_path, goldens, arrays))
    assert len(source.unused) == 7
    _, notes = initialized(source, vocabulary_of(61))
    names = ", ".join(f"classifier.{i}" for i in range(5))
    assert notes[-1] == f"{tmp_path}: unused: {names}, and 2 more"


def test_half_a_head_is_an_error(goldens: Arrays, tmp_path: Path) -> None:
    arrays = part(goldens, "weights/")
    del arrays["bert.pooler.dense.bias"]
    with pytest.raises(UsageError, match=r"the weights lack bert.pooler.dense.bias, which"):
        read_pretrained(write_hugging_face(tmp_path, goldens, arrays))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_widened(dtype: str, goldens: Arrays, tmp_path: Path) -> None:
    narrow = tf.as_dtype(dtype).as_numpy_dtype
    arrays = {k: v.astype(narrow) for k, v in part(goldens, "weights/").items()}
    source = read_pretrained(write_hugging_face(tmp_path, goldens, arrays))
    model, _ = initialized(source, vocabulary_of(61))
    assert {variable.dtype for variable in model.variables} == {"float32"}
    assert max(golden_outputs(model, goldens).values()) < 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "roberta"}, r'config.json: model_type must be bert, got "roberta"'),
        ({"hidden_act": "swish"}, r"config.json: hidden_act must be gelu or .*, got 'swish'"),
        ({"type_vocab_size": 1}, r"config.json: type_vocab_size must be at least 2, got 1"),
        ({"tie_word_embeddings": False}, r"tie_word_embeddings must be true, got false"),
        (
            {"num_hidden_layers": 3},
            r"the weights lack bert.encoder.layer.2.attention.self.query.weight, ",
        ),
    ],
)
def test_another_model_is_one_line(
    changes: dict[str, object], message: str, goldens: Arrays, tmp_path: Path
) -> None:
    arrays = part(goldens, "weights/")
    with pytest.raises(UsageError, match=message):
        read_pretrained(write_hugging_face(tmp_path, goldens, arrays, **changes))


@pytest.mark.parametrize(
    ("wrapper", "encoder"),
    [
        *(("module.", "bert."), ("_orig_mod.", "bert."), ("module._orig_mod.", "bert.")),
        *(("model.", "bert."), ("auto_model.", ""), ("scope.model.", "")),
    ],
)
def test_names_with_a_common_prefix_are_read(
    wrapper: str, encoder: str, goldens: Arrays, tmp_path: Path
) -> None:
    arrays = {
        f"{wrapper}{encoder}{name[5:]}" if name.startswith("bert.") else f"{wrapper}{name}": value
        for name, value in part(goldens, "weights/").items()
    }
    source = read_pretrained(write_hugging_face(tmp_path, goldens, arrays))
    assert (source.missing, source.unused) == ((), ())
    model, _ = initialized(source, vocabulary_of(61))
    assert max(golden_outputs(model, goldens).values()) < 2e-6


def test_names_of_the_release_under_tensorflow_2_and_in_a_scope_are_read() -> None:
    names = [
        "module/bert/embeddings/word_embeddings",
        "module/bert/embeddings/layer_normalization/gamma",
        "module/bert/encoder/layer_0/output/layer_normalization_2/beta",
        "module/cls/predictions/output_bias",
        "global_step",
    ]
    assert list(weights.plain_names(names, "release").values()) == [
        "bert/embeddings/word_embeddings",
        "bert/embeddings/LayerNorm/gamma",
        "bert/encoder/layer_0/output/LayerNorm/beta",
        "cls/predictions/output_bias",
        "global_step",
    ]


def test_names_that_are_not_known_are_shown(goldens: Arrays, tmp_path: Path) -> None:
    arrays = {f"x{i}": value for i, value in enumerate(part(goldens, "weights/").values())}
    with pytest.raises(UsageError, match=r"asks for \(there are x0, x1, x10\)"):
        read_pretrained(write_hugging_face(tmp_path, goldens, arrays))


def test_weights_in_several_files_are_read(goldens: Arrays, hub: Path) -> None:
    arrays = part(goldens, "weights/")
    (hub / "model.safetensors").unlink()
    index = {name: f"part-{i % 2}.safetensors" for i, name in enumerate(arrays)}
    for file in set(index.values()):
        save_file({n: arrays[n] for n in arrays if index[n] == file}, hub / file)
    path = hub / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": index}))
    for named in (hub, path):
        model, _ = initialized(read_pretrained(named), vocabulary_of(61))
        assert max(golden_outputs(model, goldens).values()) < 2e-6
    for other in ("../model.safetensors", "none.safetensors", 7):
        path.write_text(json.dumps({"weight_map": {**index, "a": other}}))
        with pytest.raises(UsageError, match=r"index.json: lists '.*', which is not next to it"):
            read_pretrained(hub)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32"])
def test_weights_of_whole_numbers_are_refused(kind: str, goldens: Arrays, tmp_path: Path) -> None:
    arrays = part(goldens, "weights/")
    name = "bert.encoder.layer.1.intermediate.dense.weight"
    arrays[name] = (arrays[name] * 100).astype(kind)
    with pytest.raises(UsageError, match=rf"{name} has values of the type {kind}, which are quant"):
        read_pretrained(write_hugging_face(tmp_path, goldens, arrays))


def test_weights_of_8_bits_are_refused(hub: Path) -> None:
    entry = {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}
    header = json.dumps({"bert.pooler.dense.bias": entry}).encode()
    file = len(header).to_bytes(8, "little") + header + b"00"
    (hub / "model.safetensors").write_bytes(file)
    with pytest.raises(UsageError, match=r"bert.pooler.dense.bias has values of the type F8_E4M3"):
        read_pretrained(hub)


def test_a_pointer_in_place_of_the_weights_is_named(hub: Path) -> None:
    (hub / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha\n")
    with pytest.raises(UsageError, match=r"is a Git LFS pointer, .* git lfs pull"):
        read_pretrained(hub)


def test_a_damaged_file_is_one_line(goldens: Arrays, tmp_path: Path) -> None:
    write_hugging_face(tmp_path, goldens, part(goldens, "weights/"))
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(UsageError, match=r"model.safetensors: cannot be read: [^\n]+$"):
        read_pretrained(tmp_path)


def test_weights_of_a_run_are_bit_for_bit_equal(tmp_path: Path) -> None:
    trained, vocabulary = random_model(tiny_config(30)), vocabulary_of(30)
    run = make_run(tmp_path / "run", trained, vocabulary, step=900)
    make_run(run, random_model(tiny_config(30), seed=2), vocabulary, step=950)
    source = read_pretrained(run / "checkpoints" / "step-00000900.npz")
    model, notes = initialized(source, vocabulary)
    assert source.name == f"{run} (step 900)"
    assert notes == []
    for mine, theirs in zip(model.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(mine), ops.convert_to_numpy(theirs))
    assert read_pretrained(run).name == f"{run} (step 950)"


def test_more_positions_are_kept_and_untrained_ones_named(tmp_path: Path) -> None:
    vocabulary = vocabulary_of(30)
    trained = random_model(tiny_config(30, 24))
    source = read_pretrained(make_run(tmp_path / "run", trained, vocabulary, trained_positions=8))
    model, notes = initialized(source, vocabulary, max_seq_length=8)
    assert (model.config.max_position_embeddings, notes) == (24, [])
    _, notes = initialized(source, vocabulary, max_seq_length=20)
    assert notes == [f"positions 8 to 19: untrained in {source.name}, whose records had 8 tokens"]
    assert trained_positions(source, 20) == 20
    assert trained_positions(source, 6) == 8
    assert trained_positions(None, 6) == 6


def test_too_few_positions_are_an_error(tmp_path: Path) -> None:
    vocabulary = vocabulary_of(30)
    run = make_run(tmp_path / "run", random_model(tiny_config(30, 24)), vocabulary)
    message = (
        r"has 24 position embeddings, the records have 32 tokens: use records of at most 24 "
        r"tokens, or pass --model FILE with a bert_config.json that has "
        r'"max_position_embeddings": 32'
    )
    with pytest.raises(UsageError, match=message):
        config_for(read_pretrained(run), None, max_seq_length=32)


def test_more_positions_are_drawn_on_request_and_named(tmp_path: Path) -> None:
    vocabulary = vocabulary_of(30)
    trained = random_model(tiny_config(30, 24))
    source = read_pretrained(make_run(tmp_path / "run", trained, vocabulary))
    model, notes = initialized(source, vocabulary, 32, wanted=tiny_config(30, 40))
    assert notes == [
        f"positions 24 to 39: drawn, not in {source.name}",
    ]
    table = ops.convert_to_numpy(model.embeddings.positions.table)
    old = ops.convert_to_numpy(trained.embeddings.positions.table)
    drawn = random_model(tiny_config(30, 40), seed=77).embeddings.positions.table
    np.testing.assert_array_equal(table[:24], old)
    np.testing.assert_array_equal(table[24:], ops.convert_to_numpy(drawn)[24:])
    features = random_features(trained.config)
    for name, values in outputs(trained, features).items():
        np.testing.assert_allclose(outputs(model, features)[name], values, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 32}, r"--model asks for \(hidden_size 16 there, 32 here\): leave out"),
        ({"max_position_embeddings": 12}, r"has 24 position embeddings, --model asks for 12"),
    ],
)
def test_another_model_config_is_named(
    change: dict[str, int], message: str, tmp_path: Path
) -> None:
    config = tiny_config(30)
    run = make_run(tmp_path / "run", random_model(config), vocabulary_of(30))
    wanted = BertConfig(**(config.to_json() | change))
    with pytest.raises(UsageError, match=message):
        config_for(read_pretrained(run), wanted, max_seq_length=8)
    free = BertConfig(**(config.to_json() | {"hidden_dropout_prob": 0.0}))
    assert config_for(read_pretrained(run), free, max_seq_length=8) is free


def source_with(tmp_path: Path, vocabulary: Vocabulary) -> PretrainedWeights:
    config = tiny_config(len(vocabulary.tokens))
    return read_pretrained(make_run(tmp_path / "run", random_model(config), vocabulary))


def test_another_vocabulary_size_is_named(tmp_path: Path) -> None:
    source = source_with(tmp_path, vocabulary_of(30))
    with pytest.raises(UsageError, match=r"has 30 word embeddings, and .* records has 31 pieces"):
        initialized(source, vocabulary_of(31))


def test_padding_after_the_vocabulary_is_kept(tmp_path: Path) -> None:
    trained = random_model(tiny_config(32))
    source = read_pretrained(make_run(tmp_path / "run", trained, vocabulary_of(30)))
    model, notes = initialized(source, vocabulary_of(30))
    assert (model.config.vocab_size, notes) == (32, [])
    features = random_features(tiny_config(30))
    for name, values in outputs(trained, features).items():
        np.testing.assert_array_equal(outputs(model, features)[name], values)
    # New pieces of the records take padding; a piece that the records lack is another vocabulary.
    note = f"{source.name}: new pieces at ids that were unused: w25, w26"
    assert initialized(source, vocabulary_of(32))[1] == [note]
    with pytest.raises(UsageError, match=r"has 1 more pieces than .*, such as 'w24'"):
        initialized(source, vocabulary_of(29))


@pytest.mark.parametrize(
    ("rows", "pieces", "expected"),
    [
        *((30528, 30522, True), (30592, 30522, True), (30593, 30522, False), (101, 101, True)),
        *((28996, 30522, False), (30522, 28996, False), (128, 128, True), (129, 128, False)),
    ],
)
def test_padding_reaches_the_next_multiple(rows: int, pieces: int, expected: bool) -> None:
    assert is_padded(rows, pieces) == expected


def test_another_piece_is_named(tmp_path: Path) -> None:
    source = source_with(tmp_path, vocabulary_of(30))
    with pytest.raises(
        UsageError, match=r"line 6 of its vocabulary is 'w0', of that of the records 'x0': create"
    ):
        initialized(source, vocabulary_of(30, "x"))


def test_new_pieces_at_unused_ids_are_named(tmp_path: Path) -> None:
    source = source_with(tmp_path, vocabulary_of(30, "[unused"))
    _, notes = initialized(source, vocabulary_of(30))
    assert notes == [
        f"{source.name}: new pieces at ids that were unused: w0, w1, w2, w3, w4, and 20 more"
    ]


UNCASED, CASED = TokenizerOptions(), TokenizerOptions(lowercase=False)
ACCENTS = TokenizerOptions(strip_accents=False)


@pytest.mark.parametrize(
    ("theirs", "ours", "flags"),
    [
        (UNCASED, CASED, "--lowercase --strip-accents"),
        (ACCENTS, UNCASED, "--no-strip-accents"),
        (UNCASED, ACCENTS, "--strip-accents"),
    ],
)
def test_text_that_was_tokenized_otherwise_is_named(
    theirs: TokenizerOptions, ours: TokenizerOptions, flags: str, tmp_path: Path
) -> None:
    vocabulary = vocabulary_of(30)
    run = make_run(tmp_path / "run", random_model(tiny_config(30)), vocabulary, theirs)
    source = read_pretrained(run)
    message = f"was tokenized with {flags}, .* was not: create the records with {flags}$"
    with pytest.raises(UsageError, match=message):
        initialized(source, vocabulary, tokenizer=ours)
    assert initialized(source, vocabulary, tokenizer=theirs)[1] == []
    assert initialized(source, vocabulary)[1] == []


def test_words_that_are_found_otherwise_are_a_note(tmp_path: Path) -> None:
    vocabulary, ours = vocabulary_of(30), TokenizerOptions(never_split=("w3",), segmented=True)
    run = make_run(tmp_path / "run", random_model(tiny_config(30)), vocabulary, UNCASED)
    source = read_pretrained(run)
    assert initialized(source, vocabulary, tokenizer=ours)[1] == [
        f"{source.name}: words are found in another way: --no-segmented there, --segmented here; "
        "no --never-split there, --never-split w3 here"
    ]


def write_tokenizer_json(folder: Path, tokens: tuple[str, ...], **normalizer: object) -> None:
    """The file in which the library tokenizers keeps everything."""
    vocab = {token: i for i, token in enumerate(tokens)}
    content = {
        "model": {"type": "WordPiece", "vocab": vocab},
        "normalizer": {"type": "BertNormalizer", **normalizer},
        "added_tokens": [{"id": 4, "content": "[MASK]", "special": True}],
    }
    (folder / "tokenizer.json").write_text(json.dumps(content))


@pytest.fixture
def hub(goldens: Arrays, tmp_path: Path) -> Path:
    """A folder as transformers writes it, without files of a tokenizer."""
    return write_hugging_face(tmp_path / "hub", goldens, part(goldens, "weights/"))


def test_the_vocabulary_is_read_from_tokenizer_json(hub: Path) -> None:
    tokens = vocabulary_of(61).tokens
    write_tokenizer_json(hub, tokens, lowercase=True, strip_accents=None)
    source = read_pretrained(hub)
    assert source.vocabulary
    assert source.vocabulary.tokens == tokens
    assert initialized(source, vocabulary_of(61), tokenizer=UNCASED)[1] == []
    with pytest.raises(UsageError, match=r"line 6 of its vocabulary is 'w0', .* 'x0': create"):
        initialized(source, vocabulary_of(61, "x"))


@pytest.mark.parametrize(
    ("normalizer", "config", "flags"),
    [
        ({"lowercase": False}, {}, "--no-lowercase --no-strip-accents"),
        ({"lowercase": True, "strip_accents": False}, {}, "--no-strip-accents"),
        ({"lowercase": True}, {"do_lower_case": False}, "--no-lowercase --no-strip-accents"),
        ({}, {"do_lower_case": True, "strip_accents": False}, "--no-strip-accents"),
        ({"strip_accents": False}, {"do_lower_case": True, "strip_accents": None}, ""),
        ({}, {"tokenizer_class": "BertTokenizer"}, ""),
    ],
)
def test_how_text_was_tokenized_is_read_from_its_files(
    normalizer: dict[str, object], config: dict[str, object], flags: str, hub: Path
) -> None:
    (hub / "tokenizer_config.json").write_text(json.dumps(config))
    write_tokenizer_json(hub, vocabulary_of(61).tokens, **normalizer)
    source = read_pretrained(hub)
    if flags:
        message = f"create the records with {flags}, or correct its tokenizer_config.json"
        with pytest.raises(UsageError, match=message):
            initialized(source, vocabulary_of(61), tokenizer=UNCASED)
    else:
        assert initialized(source, vocabulary_of(61), tokenizer=UNCASED)[1] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"type": "BPE"}}, "is a BPE tokenizer, not WordPiece"),
        ({"model": {}}, "model.vocab must have the pieces of a WordPiece vocabulary"),
        ({"model": {"vocab": {"a": -1}}}, "model.vocab must have the pieces of a WordPiece"),
        ({"model": {"vocab": {"a": 10**9}}}, "model.vocab must have the pieces of a WordPiece"),
        ({"model": []}, "model must be an object, got"),
        ({"model": {}, "normalizer": 3}, "normalizer must be an object or null, got 3"),
    ],
)
def test_a_tokenizer_that_cannot_be_is_one_line(
    content: dict[str, object], message: str, hub: Path
) -> None:
    (hub / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=rf"tokenizer.json: {message}"):
        read_pretrained(hub)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"no weights found. Name a bertprep run, a Hugging Face folder"),
        (["pytorch_model.bin"], r"pytorch_model.bin, which can run code .*save_pretrained"),
        (["model.safetensors.index.json"], r"config.json: cannot be read: No such file"),
        (["model.safetensors"], r"config.json: cannot be read: No such file"),
    ],
)
def test_a_folder_without_weights_says_what_to_name(
    names: list[str], message: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=message):
        read_pretrained(tmp_path)


def test_a_hub_name_is_not_a_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such file or folder. Name .* on this machine"):
        read_pretrained(tmp_path / "google-bert" / "bert-base-uncased")
