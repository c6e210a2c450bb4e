"""The names that `create` may remove from its output folder, and prepared folders."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bertprep.cli import main
from bertprep.create.output_folder import LAYOUT, shard_name

PLAN = {"partitions": {"num_shards": 12, "num_eval_partitions": 1}}


def test_shards_of_the_plan_are_listed() -> None:
    names = [shard_name(i, 12) for i in range(12)] + [shard_name(0, 1, held_out=True)]
    assert all(LAYOUT.lists(PLAN, name) for name in names)


@pytest.mark.parametrize(
    "name",
    [
        *(shard_name(12, 12), shard_name(0, 13), shard_name(1, 1, held_out=True)),
        *("tf_examples.tfrecord-000000-of-00012", "tf_examples.tfrecord-00000-of-00012.bak"),
        *("tf_examples.tfrecord-00000-of-00012\n", "../tf_examples.tfrecord-00000-of-00012"),
        *("tf_examples.tfrecord-٠٠٠٠٠-of-00012", "plan.json", "notes.md", "eval"),
    ],
)
def test_other_names_are_not_listed(name: str) -> None:
    assert not LAYOUT.lists(PLAN, name)


@pytest.mark.parametrize(
    "name",
    [
        *("tokens-000000.json", "tokens-000000.tmp", "tokens-000000-000001.blob"),
        *("shards-1000000.json", "shards-000000.tmp", "sent-000000.json", "sent-000000.tmp"),
        *(
            "tf_examples.tfrecord-00000-of-00012.tmp",
            "eval-tf_examples.tfrecord-00000-of-00001.tmp",
        ),
        *("plan.tmp", "manifest.tmp", "vocab.tmp", "run-0123456789ab.mark"),
        *("run-0123456789ab-3.seen", "run-0123456789ab-17-shards-000000.tmp"),
        "run-0123456789ab-17-eval-tf_examples.tfrecord-00000-of-00001.tmp",
    ],
)
def test_names_of_the_work_folder(name: str) -> None:
    assert LAYOUT.work_names.fullmatch(name)
    assert not LAYOUT.work_names.fullmatch(f"{name}.txt")


@pytest.mark.parametrize("link", [".bertprep", "eval"])
def test_a_link_in_the_output_folder_empties_nothing(
    link: str, sample_corpus: Path, tmp_path: Path
) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    for folder in (home, out):
        folder.mkdir()
    kept = ["letter.txt", "shards-000000.json", "lock", "tf_examples.tfrecord-00000-of-00001"]
    for name in kept:
        (home / name).touch()
    (out / link).symlink_to(home)
    words = ["create", str(sample_corpus), "--vocab", str(sample_corpus / "vocab.txt")]
    for flags in (["--overwrite"], ["--dry-run"]):
        result = CliRunner().invoke(main, [*words, "--output", str(out), *flags])
        assert result.exit_code == 2
        assert result.stderr.startswith(f"Error: {out / link}: is a link or a file, not a folder")
        assert sorted(path.name for path in home.iterdir()) == sorted(kept)
