"""The records of `bertprep create` are those that the reference wrote; see make_goldens.py."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from feature_digest import digest
from tfrecords import read_features

from bertprep.cli import main
from bertprep.vocab import Vocabulary

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "goldens.json").read_text())


def arguments(case: dict[str, Any], corpus: Path, output: Path) -> list[str]:
    options = case["options"]
    flags = [
        *(str(corpus / name) for name in options["input_files"]),
        *("--vocab", str(corpus / "vocab.txt"), "--output", str(output)),
        *("--num_partitions", "1", "--num_shards", str(options["num_output_files"])),
        "--do_lower_case" if options["do_lower_case"] else "--no-lowercase",
        "--do_whole_word_mask" if options["do_whole_word_mask"] else "--no-whole-word-mask",
    ]
    for name in (
        "max_seq_length",
        "max_predictions_per_seq",
        "random_seed",
        "dupe_factor",
        "masked_lm_prob",
        "short_seq_prob",
    ):
        flags += [f"--{name}", str(options[name])]
    return flags


def test_goldens_were_made_with_the_characters_of_this_python() -> None:
    major = int(unicodedata.unidata_version.split(".")[0])
    assert major >= int(GOLDENS["unicode_version"].split(".")[0]) - 1
    # The sample corpus stays within Unicode 13, which every supported Python knows.
    assert major >= 13


@pytest.mark.parametrize("name", GOLDENS["cases"])
def test_records_equal_the_reference(name: str, sample_corpus: Path, tmp_path: Path) -> None:
    case = GOLDENS["cases"][name]
    result = CliRunner().invoke(main, ["create", *arguments(case, sample_corpus, tmp_path / "out")])
    assert result.exit_code == 0, result.output
    shards = sorted((tmp_path / "out").glob("tf_examples.tfrecord-*"))
    assert len(shards) == len(case["outputs"])
    for shard, expected in zip(shards, case["outputs"], strict=True):
        records = read_features(shard)
        assert len(records) == expected["num_records"]
        assert digest(records) == expected["digest"]


@pytest.mark.parametrize("name", [n for n, c in GOLDENS["cases"].items() if "first_records" in c])
def test_first_records_read_as_the_reference_wrote_them(
    name: str, sample_corpus: Path, sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    case = GOLDENS["cases"][name]
    CliRunner().invoke(main, ["create", *arguments(case, sample_corpus, tmp_path)])
    shard = min(tmp_path.glob("tf_examples.tfrecord-*"))
    words = sample_vocabulary.tokens
    for record, expected in zip(read_features(shard), case["first_records"], strict=False):
        num_tokens, num_masks = (int(record[n].sum()) for n in ("input_mask", "masked_lm_weights"))
        labels = [words[i] for i in record["masked_lm_ids"][:num_masks]]
        assert " ".join(words[i] for i in record["input_ids"][:num_tokens]) == expected["tokens"]
        assert record["masked_lm_positions"][:num_masks].tolist() == expected["masked_lm_positions"]
        assert labels == expected["masked_lm_labels"]
        assert record["next_sentence_labels"].tolist() == [expected["next_sentence_label"]]
