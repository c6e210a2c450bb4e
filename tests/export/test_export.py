"""`bertprep export`: what the folders hold, that they load, and that they are whole."""

import json
import os
import struct
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path

import click
import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from keras import ops
from trainer_runs import make_run, outputs, random_features, random_model, tiny_config

from bertprep.cli import main
from bertprep.errors import BertprepError, UsageError
from bertprep.export import MARK_NAME, Exported, export
from bertprep.model import weights
from bertprep.model.bert import PretrainingModel
from bertprep.model.config import load_config
from bertprep.model.formats import read_pretrained
from bertprep.model.initialization import initialize
from bertprep.options import ExportOptions, TokenizerOptions
from bertprep.vocab import Vocabulary

FEATURE_NAMES = ("input_ids", "input_mask", "segment_ids")


@pytest.fixture(scope="module")
def model(sample_vocabulary: Vocabulary) -> PretrainingModel:
    return random_model(tiny_config(len(sample_vocabulary.tokens), 32))


@pytest.fixture(scope="module")
def run(
    model: PretrainingModel,
    sample_vocabulary: Vocabulary,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    other = random_model(model.config, seed=8)
    make_run(folder, other, sample_vocabulary, step=800, loss=2.0)
    options = TokenizerOptions()
    return make_run(folder, model, sample_vocabulary, options, trained_positions=24, loss=3.0)


def files_below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def read_header(path: Path) -> dict[str, dict[str, object]]:
    """A safetensors file's header: eight bytes of length, then JSON."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header: dict[str, dict[str, object]] = json.loads(data[8 : 8 + size])
    return header


@pytest.fixture(scope="module")
def hugging_face(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exports") / "model"
    exported = export(ExportOptions(run, output))
    assert exported.step == 900
    assert exported.notes == (
        "the model has 32 positions, but was trained on sequences of 24 tokens: it has not "
        "learned positions beyond that",
    )
    sizes = {name: (output / name).stat().st_size for name in exported.files}
    assert exported.files == sizes
    return output


def test_who_may_read_the_config_may_read_the_weights(hugging_face: Path) -> None:
    modes = {path.name: path.stat().st_mode for path in hugging_face.iterdir()}
    assert modes["model.safetensors"] == modes["config.json"]


def test_the_files_are_those_that_transformers_reads(hugging_face: Path) -> None:
    assert files_below(hugging_face) == [
        MARK_NAME,
        "config.json",
        "model.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
    ]


def test_weights_have_the_names_and_shapes_of_transformers(
    hugging_face: Path, model: PretrainingModel
) -> None:
    header = read_header(hugging_face / "model.safetensors")
    assert header.pop("__metadata__") == {"format": "pt"}
    # The names of the goldens are those that transformers gave its own model of this depth.
    path = Path(__file__).parents[1] / "goldens" / "trainer_goldens.npz"
    theirs = {name.split("/", 1)[1] for name in np.load(path) if name.startswith("weights/")}
    assert header.keys() == theirs
    assert {tensor["dtype"] for tensor in header.values()} == {"F32"}
    config = model.config
    shapes = {name: tensor["shape"] for name, tensor in header.items()}
    assert shapes["bert.embeddings.word_embeddings.weight"] == [config.vocab_size, 16]
    assert shapes["bert.encoder.layer.1.intermediate.dense.weight"] == [40, 16]
    assert shapes["cls.seq_relationship.weight"] == [2, 16]


def test_weights_come_back_to_the_bit(
    hugging_face: Path, model: PretrainingModel, sample_vocabulary: Vocabulary
) -> None:
    source = read_pretrained(hugging_face)
    assert (source.missing, source.unused) == ((), ())
    again = random_model(source.config, seed=9)
    assert initialize(again, source, sample_vocabulary, max_seq_length=32) == []
    for mine, theirs in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(mine), ops.convert_to_numpy(theirs))


def test_the_config_says_what_transformers_needs(
    hugging_face: Path, model: PretrainingModel
) -> None:
    config = json.loads((hugging_face / "config.json").read_bytes())
    assert config["architectures"] == ["BertForPreTraining"]
    assert config["model_type"] == "bert"
    assert config["layer_norm_eps"] == 1e-12
    assert config["pad_token_id"] == 0
    assert config["tie_word_embeddings"] is True
    assert load_config(hugging_face / "config.json") == model.config


def test_the_tokenizer_is_that_of_the_data(
    hugging_face: Path, sample_vocabulary: Vocabulary
) -> None:
    assert (hugging_face / "vocab.txt").read_bytes() == sample_vocabulary.data
    assert json.loads((hugging_face / "tokenizer_config.json").read_bytes()) == {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "strip_accents": True,
        "tokenize_chinese_chars": True,
        "model_max_length": 24,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }


def test_the_same_run_gives_the_same_bytes(hugging_face: Path, run: Path, tmp_path: Path) -> None:
    export(ExportOptions(run, tmp_path / "again"))
    for name in files_below(hugging_face):
        assert (tmp_path / "again" / name).read_bytes() == (hugging_face / name).read_bytes()


def test_the_best_checkpoint_and_any_other(run: Path, tmp_path: Path) -> None:
    assert export(ExportOptions(run, tmp_path / "a", checkpoint="best")).step == 800
    assert export(ExportOptions(run, tmp_path / "b", checkpoint="800")).step == 800
    one, other = (tmp_path / name / "model.safetensors" for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def tokenizer_config(
    folder: Path, vocabulary: Vocabulary, options: TokenizerOptions | None
) -> tuple[Exported, dict[str, object]]:
    model = random_model(tiny_config(len(vocabulary.tokens)))
    run = make_run(folder / "run", model, vocabulary, options)
    exported = export(ExportOptions(run, folder / "model"))
    content: dict[str, object] = json.loads(
        (folder / "model" / "tokenizer_config.json").read_bytes()
    )
    return exported, content


def test_a_cased_tokenizer_is_handed_on(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    options = TokenizerOptions(lowercase=False)
    exported, config = tokenizer_config(tmp_path, sample_vocabulary, options)
    assert (config["do_lower_case"], config["strip_accents"]) == (False, False)
    assert config["tokenize_chinese_chars"] is True
    assert exported.notes == ()


def test_words_of_ideographs_are_handed_on(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    options = TokenizerOptions(tokenize_chinese_chars=False, never_split=("的",))
    _, config = tokenizer_config(tmp_path, sample_vocabulary, options)
    assert config["tokenize_chinese_chars"] is False
    # An ideograph is a letter to both tokenizers.
    added = config["added_tokens_decoder"]
    assert isinstance(added, dict)
    assert [entry["single_word"] for entry in added.values()] == [True]


def test_tokens_that_are_never_split_are_handed_on(
    sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    options = TokenizerOptions(never_split=("[unused7]", "的"))
    _, config = tokenizer_config(tmp_path, sample_vocabulary, options)
    added = config["added_tokens_decoder"]
    assert isinstance(added, dict)
    ids = {str(sample_vocabulary.ids[token]): token for token in options.never_split}
    assert {number: entry["content"] for number, entry in added.items()} == ids
    # Without the limit to whole words `[unused7]s` would be two pieces there, and five here.
    whole = {entry["content"]: entry["single_word"] for entry in added.values()}
    assert whole == {"[unused7]": True, "的": False}
    _, other = tokenizer_config(tmp_path / "other", sample_vocabulary, TokenizerOptions())
    assert "added_tokens_decoder" not in other


def test_an_unknown_casing_is_guessed_from_the_vocabulary_with_a_note(
    sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    exported, config = tokenizer_config(tmp_path / "uncased", sample_vocabulary, None)
    assert config["do_lower_case"] is True
    assert "by the vocabulary it was: check do_lower_case" in exported.notes[0]
    capitals = b"".join(b"Word%d\n" % i for i in range(2000))
    cased = Vocabulary.parse(sample_vocabulary.data + capitals)
    exported, config = tokenizer_config(tmp_path / "cased", cased, None)
    assert config["do_lower_case"] is False
    assert "by the vocabulary it was not:" in exported.notes[0]


def test_ends_of_lines_are_made_plain(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    # transformers would take the \r for a part of the piece.
    windows = Vocabulary.parse(sample_vocabulary.data.replace(b"\n", b" \r\n"))
    tokenizer_config(tmp_path, windows, TokenizerOptions())
    assert (tmp_path / "model" / "vocab.txt").read_bytes() == sample_vocabulary.data


@pytest.fixture(scope="module")
def saved_model(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exports") / "served"
    export(ExportOptions(run, output, "savedmodel"))
    return output


def test_the_files_are_a_saved_model_with_its_vocabulary(
    saved_model: Path, model: PretrainingModel
) -> None:
    names = set(files_below(saved_model))
    assert {
        "saved_model.pb",
        "assets.extra/vocab.txt",
        "assets.extra/tokenizer_config.json",
    } < names
    (weights_file,) = saved_model.glob("variables/variables.data-*")
    assert weights_file.stat().st_size < 4.1 * model.count_params()  # each once


@pytest.mark.parametrize("length", [7, 32])
def test_signatures_give_what_the_model_gives(
    length: int, saved_model: Path, model: PretrainingModel
) -> None:
    served = tf.saved_model.load(str(saved_model))
    assert set(served.signatures) == {"serving_default", "masked_lm"}
    features = random_features(model.config, length=length)
    expected = outputs(model, features)
    tensors = {name: tf.constant(value) for name, value in features.items()}
    found = served.signatures["masked_lm"](**tensors)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].numpy(), values, atol=1e-5)
    found = served.signatures["serving_default"](**{n: tensors[n] for n in FEATURE_NAMES})
    assert found.keys() == expected.keys() | {"sequence_output"}
    positions = features["masked_lm_positions"][:, :, None]
    everywhere = np.take_along_axis(found["masked_lm_logits"].numpy(), positions, axis=1)
    np.testing.assert_allclose(everywhere, expected["masked_lm_logits"], atol=1e-5)
    for name in ("pooled_output", "next_sentence_logits"):
        np.testing.assert_allclose(found[name].numpy(), expected[name], atol=1e-5)
    hidden = ops.convert_to_numpy(model.encode(features))
    np.testing.assert_allclose(found["sequence_output"].numpy(), hidden, atol=1e-5)


def test_a_saved_model_needs_no_code_of_ours(saved_model: Path) -> None:
    program = f"""
import sys
import tensorflow as tf
served = tf.saved_model.load({str(saved_model)!r})
ones = tf.ones((2, 9), tf.int32)
inputs = dict(input_ids=ones, input_mask=ones, segment_ids=ones)
assert served.signatures["serving_default"](**inputs)["pooled_output"].shape == (2, 16)
assert "bertprep" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_keras_file_is_the_model(run: Path, model: PretrainingModel, tmp_path: Path) -> None:
    export(ExportOptions(run, tmp_path / "model", "keras"))
    assert files_below(tmp_path / "model") == [
        MARK_NAME,
        "model.keras",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    again = keras.saving.load_model(tmp_path / "model" / "model.keras")
    for path, variable in weights.variables_by_path(again).items():
        mine = weights.variables_by_path(model)[path]
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), ops.convert_to_numpy(mine))
    features = random_features(model.config)
    for name, values in outputs(again, features).items():
        np.testing.assert_array_equal(values, outputs(model, features)[name])


def test_an_export_takes_the_place_of_an_older_one(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "model"
    export(ExportOptions(run, output, "savedmodel"))
    (output / "notes.md").write_text("mine")
    export(ExportOptions(run, output, checkpoint="best"))
    assert files_below(output) == [
        MARK_NAME,
        "config.json",
        "model.safetensors",
        "notes.md",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert not (output / "variables").exists()
    mark = json.loads((output / MARK_NAME).read_bytes())
    assert (mark["is_whole"], mark["format"], mark["step"]) == (True, "huggingface", 800)
    assert sorted([*mark["files"], MARK_NAME, "notes.md"]) == files_below(output)


def test_a_folder_of_others_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("mine")
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(UsageError, match=r"holds config.json, and no export of bertprep"):
        export(ExportOptions(run, tmp_path))
    assert files_below(tmp_path) == ["config.json", "notes.md"]
    export(ExportOptions(run, tmp_path, overwrite=True))
    assert (tmp_path / "config.json").read_text() != "mine"
    assert (tmp_path / "notes.md").read_text() == "mine"


def test_a_file_of_others_in_the_way_is_refused(run: Path, tmp_path: Path) -> None:
    export(ExportOptions(run, tmp_path / "model", "keras"))
    before = files_below(tmp_path)
    (tmp_path / "model" / "config.json").write_text("mine")
    with pytest.raises(UsageError, match=r"config.json: no export wrote this file: move it"):
        export(ExportOptions(run, tmp_path / "model"))
    assert (tmp_path / "model" / "config.json").read_text() == "mine"
    assert files_below(tmp_path) == sorted([*before, "model/config.json"])


def test_an_empty_folder_and_a_missing_one_are_fine(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for output in (tmp_path / "empty", tmp_path / "a" / "b"):
        export(ExportOptions(run, output))
        assert len(files_below(output)) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "empty"]


def test_a_file_is_no_folder(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file: is not a folder; name another --output"):
        export(ExportOptions(run, tmp_path / "file"))


@pytest.mark.parametrize("is_new", [True, False])
def test_a_full_disk_leaves_what_was_there(
    is_new: bool, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "model"
    if not is_new:
        export(ExportOptions(run, output))
    before = {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)}

    def full(arrays: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"the beginning")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bertprep.model.formats.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        export(ExportOptions(run, output, checkpoint="best"))
    after = {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)}
    assert after == before
    assert output.exists() is not is_new


def test_an_export_that_was_stopped_between_renames_is_made_good(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "model"
    export(ExportOptions(run, output, "keras"))
    replace, count = os.replace, 0

    def stop_at_the_third(source: Path, target: Path, **folders: int) -> None:
        nonlocal count
        count += 1
        if count == 4:  # the mark, then two files
            raise KeyboardInterrupt
        replace(source, target, **folders)

    monkeypatch.setattr(os, "replace", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        export(ExportOptions(run, output))
    monkeypatch.undo()
    assert json.loads((output / MARK_NAME).read_bytes())["is_whole"] is False
    export(ExportOptions(run, output))
    assert "model.keras" not in files_below(output)
    assert len(files_below(output)) == 5


def test_a_mark_that_leads_out_of_the_folder_is_not_ours(run: Path, tmp_path: Path) -> None:
    (tmp_path / "keep").write_text("mine")
    output = tmp_path / "model"
    output.mkdir()
    (output / MARK_NAME).write_text(json.dumps({"files": ["../keep"]}))
    with pytest.raises(UsageError, match="no export of bertprep"):
        export(ExportOptions(run, output))
    assert (tmp_path / "keep").read_text() == "mine"


@pytest.mark.parametrize("name", ["variables", "assets.extra"])
def test_a_linked_subfolder_is_not_written_through(name: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "variables.index").write_text("mine")
    export(ExportOptions(run, tmp_path / "model", "keras"))
    (tmp_path / "model" / name).symlink_to(tmp_path / "theirs")
    with pytest.raises(UsageError, match=f"{name}: is a link or a file, not a folder"):
        export(ExportOptions(run, tmp_path / "model", "savedmodel", overwrite=True))
    assert files_below(tmp_path / "theirs") == ["variables.index"]


def test_a_list_with_files_of_others_is_not_ours(run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    (tmp_path / MARK_NAME).write_text(json.dumps({"files": ["config.json", "notes.md"]}))
    with pytest.raises(UsageError, match="no export of bertprep"):
        export(ExportOptions(run, tmp_path))
    export(ExportOptions(run, tmp_path, overwrite=True))
    assert (tmp_path / "notes.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["letter.txt", "config.json", "variables"])
def test_a_folder_of_unfinished_files_with_others_is_refused(
    name: str, run: Path, tmp_path: Path
) -> None:
    (staging := tmp_path / ".bertprep-export-model").mkdir()
    (staging / "model.safetensors").write_text("of an export that was killed")
    (home := tmp_path / "home").mkdir()
    (home / "variables.index").write_text("mine")
    if name == "letter.txt":
        (staging / name).write_text("mine")
    else:
        (staging / name).symlink_to(home)
    with pytest.raises(UsageError, match=f"{name}: no export wrote this file"):
        export(ExportOptions(run, tmp_path / "model"))
    assert files_below(staging)
    assert files_below(home) == ["variables.index"]


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not the folder of a run. Name the output folder of"):
        export(ExportOptions(tmp_path, tmp_path / "model"))
    with pytest.raises(UsageError, match=r"none: no such folder"):
        export(ExportOptions(tmp_path / "none", tmp_path / "model"))


@pytest.mark.parametrize("checkpoint", ["7", "901"])
def test_no_such_checkpoint(checkpoint: str, run: Path, tmp_path: Path) -> None:
    message = rf"no checkpoint '{checkpoint}'; there are those of the steps 800, 900"
    with pytest.raises(UsageError, match=message):
        export(ExportOptions(run, tmp_path / "model", checkpoint=checkpoint))
    assert not (tmp_path / "model").exists()


def test_no_checkpoint_yet(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", random_model(tiny_config(9)), sample_vocabulary)
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match=r"checkpoints: the run has not saved a checkpoint yet"):
        export(ExportOptions(run, tmp_path / "model"))


def test_a_damaged_checkpoint(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", random_model(tiny_config(9)), sample_vocabulary)
    path = run / "checkpoints" / "step-00000900.npz"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(BertprepError, match=r"step-00000900.npz: damaged"):
        export(ExportOptions(run, tmp_path / "model"))


def test_a_config_of_another_model(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", random_model(tiny_config(9)), sample_vocabulary)
    config = tiny_config(9, max_position_embeddings=25).to_json()
    (run / "bert_config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"position_embeddings must have the shape"):
        export(ExportOptions(run, tmp_path / "model"))


@pytest.mark.parametrize(
    "content", ["{", "[" * 9999, "[]", '{"tokenizer": 3}', '{"tokenizer": null}']
)
def test_a_run_file_of_others(content: str, sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", random_model(tiny_config(9)), sample_vocabulary)
    (run / "run.json").write_text(content)
    with pytest.raises(UsageError, match=r"run.json: .*bertprep did not write this file$"):
        export(ExportOptions(run, tmp_path / "model"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "onnx"}, "format must be huggingface, savedmodel or keras, got onnx"),
        ({"checkpoint": "first"}, "checkpoint must be last, best or the number of a step"),
    ],
)
def test_options_out_of_bounds(values: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ExportOptions(Path("run"), Path("model"), **values)


def test_the_command_line_tells_what_was_written(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "model"
    done = CliRunner().invoke(main, ["export", str(run), "--output", str(output)])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{output}: weights of step 900\n  config.json ")
    assert done.stderr.startswith("Note: the model has 32 positions")
    done = CliRunner().invoke(main, ["export", str(run), "-o", str(run)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {run}: holds ")


def test_every_option_has_a_flag_with_its_default_and_help() -> None:
    command = main.commands["export"]
    flags = {each.name: each for each in command.params if each.expose_value}
    assert set(flags) == {field.name for field in fields(ExportOptions)}
    context = click.Context(command, info_name="export")
    for field in fields(ExportOptions):
        flag = flags[field.name]
        if field.default is MISSING:
            assert flag.required
        else:
            assert isinstance(flag, click.Option)
            assert flag.get_default(context) == field.default
            assert flag.help
    shown = CliRunner().invoke(main, ["export", "--help"])
    assert shown.exit_code == 0
    assert "\n    bertprep export /tmp/run --output /tmp/m\n" in shown.stdout
