"""The bytes written follow from input, options and seed: not from workers, splits or compression.

Blocks are made small, so that the sample corpus is many blocks, splits and blobs.
"""

import bz2
import gzip
import json
import lzma
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import zstandard
from click.testing import CliRunner
from tfrecords import read_features

from bertprep.cli import main
from bertprep.create import job as create_job
from bertprep.create import tokenizing
from bertprep.create.partitions import deal
from bertprep.data import PartitionPlan
from bertprep.engines.local import LocalEngine
from bertprep.options import CorpusOptions, TokenizerOptions
from bertprep.records import shards
from bertprep.tokenization import FastTokenizer, FullTokenizer
from bertprep.vocab import Vocabulary

SEED = 7
FILES = ("chinese.txt", "english-a.txt", "english-b.txt", "scripts.txt")
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}

Create = Callable[..., Path]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 4 KB, splits and blobs of 12 KB, writes of 64 KB; workers inherit them."""
    monkeypatch.setattr(tokenizing, "BLOCK_BYTES", 4_000)
    monkeypatch.setattr(create_job, "BLOCK_BYTES", 12_000)
    monkeypatch.setattr(shards, "BLOCK_BYTES", 1 << 16)


@pytest.fixture
def create(sample_corpus: Path, tmp_path: Path) -> Create:
    """Runs the command on files (the English ones unless given) into a folder of its own."""

    def run(*flags: str | int, inputs: list[Path] | None = None) -> Path:
        output = tmp_path / f"out-{len(list(tmp_path.glob('out-*')))}"
        inputs = inputs or [sample_corpus / "english-a.txt", sample_corpus / "english-b.txt"]
        vocab = sample_corpus / "vocab.txt"
        arguments = [*inputs, "--vocab", vocab, "--output", output, "--dupe-factor", 2]
        arguments += ["--random-seed", SEED, *flags]
        result = CliRunner().invoke(main, ["create", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return output

    return run


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def records_only(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder).items() if "tfrecord" in name}


def test_these_tests_make_many_splits_and_blobs(
    create: Create, sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits_and_blobs = []
    map_stage = LocalEngine.map

    def count(self: LocalEngine, *arguments: Any) -> list[dict[str, Any]]:
        counts = map_stage(self, *arguments)
        splits_and_blobs.append((len(counts), len(self._blobs)))
        return counts

    monkeypatch.setattr(LocalEngine, "map", count)
    create()
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress((sample_corpus / "english-a.txt").read_bytes()))
    create(inputs=[packed])
    (splits, _), (packed_splits, packed_blobs) = splits_and_blobs
    assert splits >= 8
    assert packed_splits == 1
    assert packed_blobs >= 4


@pytest.mark.parametrize(
    ("flags", "num_files"),
    [
        (["--num-partitions", "6"], 6),
        (["--num-partitions", "6", "--num-shards", "12", "--max-seq-length", "32"], 12),
        (["--num-partitions", "6", "--compression", "gzip"], 6),
        (["--num-partitions", "6", "--eval-fraction", "0.2"], 7),
    ],
    ids=["plain", "12 shards", "gzip", "held out"],
)
def test_bytes_do_not_depend_on_the_workers(
    create: Create, flags: list[str], num_files: int
) -> None:
    expected = contents(create("--workers", 1, *flags))
    assert sum("tfrecord" in name for name in expected) == num_files
    assert {"plan.json", "manifest.json", "vocab.txt"} < set(expected)
    assert not any(name.startswith(".") for name in expected)
    for workers in (2, 5):
        assert contents(create("--workers", workers, *flags)) == expected


def test_bytes_do_not_depend_on_the_size_of_splits_and_blobs(
    create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = contents(create("--num-partitions", 6))
    for split_bytes, block_bytes in ((1_500, 300), (40_000, 9_000), (8 << 20, 8 << 20)):
        monkeypatch.setattr(create_job, "BLOCK_BYTES", split_bytes)
        monkeypatch.setattr(tokenizing, "BLOCK_BYTES", block_bytes)
        assert contents(create("--num-partitions", 6)) == expected


def twin_of(
    paths: list[Path], vocabulary: Vocabulary, plan: PartitionPlan
) -> list[list[dict[str, list[int]]]]:
    """By partition: the records that the twin makes of the documents dealt to it."""
    tokenizer = FullTokenizer(vocabulary, TokenizerOptions())
    documents = reference.read_documents(paths, tokenizer.tokenize)
    fast = FastTokenizer(vocabulary, TokenizerOptions(), corpus=CorpusOptions(), seed=SEED)
    hashes = np.concatenate([fast.tokenize_text(path.read_bytes()).hashes for path in paths])
    assert len(hashes) == len(documents)
    chosen = deal(hashes, plan)
    made = []
    for p in range(plan.num_all_partitions):
        options = reference.Options(
            max_seq_length=128,
            max_predictions_per_seq=20,
            masked_lm_prob=0.15,
            short_seq_prob=0.1,
            dupe_factor=2 if p < plan.num_partitions else 1,
            whole_word_mask=True,
            quirks="keep",
        )
        dealt = [document for document, to in zip(documents, chosen, strict=True) if to == p]
        instances = reference.create_training_instances(
            dealt, list(vocabulary.ids), random.Random(SEED + p), **options
        )
        made.append([reference.features(each, vocabulary.ids, 128, 20) for each in instances])
    return made


def assert_same_records(shard: Path, expected: list[dict[str, list[int]]]) -> None:
    records = read_features(shard)
    assert len(records) == len(expected)
    for record, twin in zip(records, expected, strict=True):
        assert {name: values.tolist() for name, values in record.items()} == twin


def test_each_partition_equals_the_twin_on_the_documents_dealt_to_it(
    create: Create, sample_corpus: Path, sample_vocabulary: Vocabulary
) -> None:
    paths = [sample_corpus / name for name in FILES]
    output = create(
        *("--num-partitions", 6, "--num-shards", 12, "--eval-fraction", 0.2, "--workers", 2),
        inputs=paths,
    )
    plan = PartitionPlan(6, 2, 1, 0.2)
    made = twin_of(paths, sample_vocabulary, plan)
    for p in range(6):
        for k in range(2):
            shard = output / f"tf_examples.tfrecord-{2 * p + k:05d}-of-00012"
            assert_same_records(shard, made[p][k::2])
    (held_out,) = (output / "eval").iterdir()
    assert held_out.name == "tf_examples.tfrecord-00000-of-00001"
    assert len(made[6]) > 20
    assert_same_records(held_out, made[6])


def test_several_files_are_as_one(create: Create, sample_corpus: Path, tmp_path: Path) -> None:
    paths = [sample_corpus / name for name in FILES]
    joined = tmp_path / "joined.txt"
    joined.write_bytes(b"".join(path.read_bytes() for path in paths))
    assert all(path.read_bytes().endswith(b"\n\n") for path in paths[:-1])
    one = create("--num-partitions", 6, inputs=[joined])
    several = create("--num-partitions", 6, inputs=paths)
    assert records_only(one) == records_only(several)
    assert contents(one)["plan.json"] != contents(several)["plan.json"]


def test_a_file_per_document_is_as_one_file(
    create: Create, sample_corpus: Path, tmp_path: Path
) -> None:
    whole = sample_corpus / "english-a.txt"
    for number, document in enumerate(whole.read_text().split("\n\n")):
        (tmp_path / f"document-{number:05d}.txt").write_text(document)
    documents = sorted(tmp_path.glob("document-*"))
    assert len(documents) > 30
    one, many = (create("--num-partitions", 3, inputs=inputs) for inputs in ([whole], documents))
    assert records_only(one) == records_only(many)
    inputs = json.loads((many / "plan.json").read_text())["inputs"]
    assert [entry["path"] for entry in inputs] == list(map(str, documents))


def test_the_end_of_a_file_ends_its_document(
    create: Create, tmp_path: Path, sample_vocabulary: Vocabulary
) -> None:
    texts = [
        b"The first document.\nIt goes on.\n",
        b"The next file.\nIt has two.\n\nThird one.\nEnd.\n",
    ]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_bytes(text)
    (tmp_path / "together.txt").write_bytes(b"".join(texts))
    (tmp_path / "apart.txt").write_bytes(b"\n".join(texts))
    flags = ("--num-partitions", 1)
    ours = create(*flags, inputs=[tmp_path / "0.txt", tmp_path / "1.txt"])
    apart = create(*flags, inputs=[tmp_path / "apart.txt"])
    together = create(*flags, inputs=[tmp_path / "together.txt"])
    assert records_only(ours) == records_only(apart)
    # The reference runs the files together: its first document would go on in the second file.
    assert records_only(ours) != records_only(together)
    made = twin_of([tmp_path / "together.txt"], sample_vocabulary, PartitionPlan(1, 1, 0, 0.0))
    assert_same_records(together / "tf_examples.tfrecord-00000-of-00001", made[0])


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_text_is_dealt_and_read_as_plain_text(
    create: Create, sample_corpus: Path, tmp_path: Path, suffix: str
) -> None:
    packed = tmp_path / f"packed.{suffix}"
    packed.write_bytes(COMPRESS[suffix]((sample_corpus / "english-a.txt").read_bytes()))
    flags = ("--num-partitions", 6, "--eval-fraction", 0.1)
    plain = create(*flags, inputs=[sample_corpus / "english-a.txt"])
    assert records_only(create(*flags, inputs=[packed])) == records_only(plain)


def test_line_ends_and_blanks_at_the_ends_of_lines_change_nothing(
    create: Create, sample_corpus: Path, tmp_path: Path
) -> None:
    text = (sample_corpus / "english-a.txt").read_bytes()
    (tmp_path / "dos.txt").write_bytes(text.replace(b"\n", b" \r\n"))
    flags = ("--num-partitions", 6)
    plain = create(*flags, inputs=[sample_corpus / "english-a.txt"])
    assert records_only(create(*flags, inputs=[tmp_path / "dos.txt"])) == records_only(plain)


def test_a_copy_of_the_corpus_elsewhere_gives_the_same_records(
    create: Create, sample_corpus: Path, tmp_path: Path
) -> None:
    shutil.copytree(sample_corpus, tmp_path / "copy")
    copies = [tmp_path / "copy" / name for name in FILES]
    ours = [sample_corpus / name for name in FILES]
    flags = ("--num-partitions", 6)
    assert records_only(create(*flags, inputs=copies)) == records_only(create(*flags, inputs=ours))


def test_another_seed_deals_and_draws_otherwise(create: Create) -> None:
    flags = ("--num-partitions", 6)
    one, other = (records_only(create(*flags, "--random-seed", seed)) for seed in (7, 8))
    assert set(one) == set(other)
    assert all(one[name] != other[name] for name in one)
