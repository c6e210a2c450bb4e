"""An output folder from start to end, for files that a test invents: part-0-of-2, part-1-of-2."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.json_files import COUNT
from bertprep.storage import files
from bertprep.storage.files import write_whole
from bertprep.storage.planned_folder import PlannedFolder
from bertprep.storage.plans import FolderLayout

VOCABULARY = b"[PAD]\n"
SHA256 = hashlib.sha256(VOCABULARY).hexdigest()


def lists(plan: dict[str, Any], name: str) -> bool:
    match = re.fullmatch(r"(?:more/)?part-(\d)-of-(\d)", name)
    return match is not None and int(match[1]) < int(match[2]) == plan["parts"]


LAYOUT = FolderLayout(
    plan_shape={"parts": COUNT, "vocabulary": {"sha256": str}},
    lists=lists,
    reserved=re.compile("(more/)?part-.*"),
    work_names=re.compile(r"task-\d+\.json|(plan|manifest|vocab)\.tmp"),
    folders=("more",),
    is_complete=lambda manifest, found: all(name in found.sizes for name in manifest["parts"]),
    manifest_shape={"parts": [str]},
)


def plan(parts: int = 2, **options: Any) -> dict[str, Any]:
    return {"vocabulary": {"sha256": SHA256}, "parts": parts, **options}


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def build(out: Path, parts: int = 2, *, overwrite: bool = False, finish: bool = True) -> str:
    """Do what a command does."""
    with PlannedFolder(out, LAYOUT) as folder:
        state = folder.begin(plan(parts), overwrite=overwrite)
        if state != "complete":
            listed = [f"part-{i}-of-{parts}" for i in range(parts)]
            (folder.work / "task-0.json").touch()
            for name in listed:
                (out / name).touch()
            if finish:
                folder.finish(VOCABULARY, {"plan": plan(parts), "parts": listed})
    return state


def test_the_states_of_a_folder(out: Path) -> None:
    assert build(out, finish=False) == "new"
    assert (out / ".bertprep" / "task-0.json").exists()
    assert build(out) == "resumed"
    assert names(out) == [
        "manifest.json",
        *("part-0-of-2", "part-1-of-2"),
        *("plan.json", "vocab.txt"),
    ]
    assert build(out) == "complete"
    (out / "part-1-of-2").unlink()
    with PlannedFolder(out, LAYOUT) as folder:
        assert folder.begin(plan(), overwrite=False) == "resumed"
        assert not (out / "manifest.json").exists()


def test_foresee_writes_nothing(out: Path) -> None:
    folder = PlannedFolder(out, LAYOUT)
    assert folder.foresee(plan(), overwrite=False) == "new"
    assert not out.exists()
    build(out)
    before = names(out)
    assert folder.foresee(plan(), overwrite=False) == "complete"
    assert folder.foresee(plan(3), overwrite=True) == "other"
    with pytest.raises(UsageError, match=r"made by another command \(parts was 2, is 3\)"):
        folder.foresee(plan(3), overwrite=False)
    assert names(out) == before


def test_overwriting_removes_what_the_old_plan_lists(out: Path) -> None:
    build(out)
    for name in ("part-2-of-2", "part-0-of-3", "notes.md"):
        (out / name).write_text("mine")
    assert build(out, 1, overwrite=True) == "new"
    assert names(out) == [
        *("manifest.json", "notes.md", "part-0-of-1", "part-0-of-3", "part-2-of-2"),
        *("plan.json", "vocab.txt"),
    ]


def test_an_error_of_the_user_leaves_nothing_and_one_of_the_machine_all(out: Path) -> None:
    def fail(error: Exception) -> None:
        with PlannedFolder(out, LAYOUT) as folder:
            folder.begin(plan(), overwrite=False)
            (out / "part-0-of-2").touch()
            raise error

    with pytest.raises(BertprepError):
        fail(BertprepError("a mistake in the corpus"))
    assert not out.exists()
    with pytest.raises(MachineError):
        fail(MachineError("a full disk"))
    assert names(out) == ["part-0-of-2", "plan.json"]


@pytest.mark.parametrize("name", ["stdin", "stdin.tmp"])
def test_a_copy_of_stdin_outlives_the_plan_and_goes_at_the_end(name: str, out: Path) -> None:
    (out / ".bertprep").mkdir(parents=True)
    (out / ".bertprep" / name).touch()
    assert build(out, finish=False) == "new"
    assert (out / ".bertprep" / name).exists()
    assert build(out) == "resumed"
    assert not (out / ".bertprep").exists()


def test_a_second_use_is_refused(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LOCK_PATIENCE_SECONDS", 0.0)
    with PlannedFolder(out, LAYOUT), pytest.raises(UsageError, match="another bertprep process"):
        PlannedFolder(out, LAYOUT).__enter__()
    assert not out.exists()


# Folders that somebody else has prepared


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder of other files, which are still there in the end."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("letter.txt", "task-0.json", "part-0-of-2", "stdin", "lock"):
        (folder / name).write_text("mine")
    before = names(folder)
    yield folder
    assert names(folder) == before
    assert {path.read_text() for path in folder.iterdir()} == {"mine"}


def refused(out: Path, message: str, parts: int = 2) -> None:
    before = names(out)
    for overwrite in (True, False):
        with pytest.raises(UsageError, match=message):
            build(out, parts, overwrite=overwrite)
        with pytest.raises(UsageError, match=message):
            PlannedFolder(out, LAYOUT).foresee(plan(parts), overwrite=overwrite)
    assert [name for name in names(out) if name != ".bertprep"] == before


def test_a_work_folder_that_is_a_link_is_refused(out: Path, home: Path) -> None:
    out.mkdir()
    (out / ".bertprep").symlink_to(home)
    with pytest.raises(UsageError, match=r"\.bertprep: is a link or a file, not a folder"):
        build(out, overwrite=True)
    assert (out / ".bertprep").is_symlink()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_work_folder_with_other_files_is_refused(kind: str, out: Path, home: Path) -> None:
    build(out, finish=False)
    strange = out / ".bertprep" / ("letter.txt" if kind == "file" else "task-7.json")
    if kind == "file":
        strange.touch()
    elif kind == "folder":
        strange.mkdir()
    else:
        strange.symlink_to(home / "task-0.json")
    before = names(out)
    with pytest.raises(UsageError, match=f"{strange.name}: bertprep did not create this"):
        build(out, 3, overwrite=True)
    assert names(out) == before


def test_a_subfolder_that_is_a_link_is_refused(out: Path, home: Path) -> None:
    build(out)
    (out / "more").symlink_to(home)
    refused(out, "more: is a link or a file, not a folder", 3)


@pytest.mark.parametrize("name", ["plan.json", "manifest.json", "vocab.txt", "part-0-of-2"])
@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_files_that_are_not_regular_are_refused(
    name: str, kind: str, out: Path, home: Path
) -> None:
    build(out)
    path = out / name
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(home / "letter.txt")
    else:
        os.mkfifo(path)
    refused(out, f"{name}: is not a regular file", 3)


@pytest.mark.parametrize(
    "content",
    [
        *("{", "[1]", "3", "{}", '{"parts": 2}', '{"parts": "2", "vocabulary": {"sha256": "0"}}'),
        *('{"parts": 2, "vocabulary": []}', "[" * 100_000, '{"a":' * 100_000),
        json.dumps(plan()).replace("2}", "2" + "0" * 5_000 + "}"),  # more digits than Python takes
    ],
    ids=str.__len__,
)
def test_a_plan_of_another_shape_removes_nothing(content: str, out: Path) -> None:
    build(out)
    for name in ("plan.json", "manifest.json"):
        kept = (out / name).read_bytes()
        (out / name).write_text(content)
        refused(out, r"(plan|manifest)\.json: .*\. bertprep did not write this file", 3)
        (out / name).write_bytes(kept)


def test_a_plan_of_two_billion_files_costs_nothing(out: Path) -> None:
    build(out)
    (out / "plan.json").write_text(json.dumps(plan(2_000_000_000)))
    assert build(out, 2, overwrite=True) == "new"


def test_files_without_a_plan_are_refused(out: Path) -> None:
    out.mkdir()
    (out / "part-of-mine").touch()
    refused(out, "part-of-mine: is here without a plan.json")
    (out / "part-of-mine").unlink()
    (out / "vocab.txt").write_text("mine")
    refused(out, "vocab.txt: is a different vocabulary")


def test_another_vocabulary_stays_when_overwriting(out: Path) -> None:
    build(out)
    (out / "vocab.txt").write_text("mine")
    refused(out, "vocab.txt: is a different vocabulary", 3)


def test_a_plan_with_escapes_is_shown_on_one_line(out: Path) -> None:
    build(out)
    (out / "plan.json").write_text(json.dumps(plan(2, name="a\x1b[2J\nb")))
    with pytest.raises(UsageError, match=r"name was a\\x1b\[2J\\nb, is absent"):
        build(out)


def test_a_temporary_name_that_is_a_link_is_not_written_through(tmp_path: Path, home: Path) -> None:
    for link in (os.symlink, os.link):
        link(home / "letter.txt", tmp_path / "plan.tmp")
        write_whole(tmp_path / "plan.json", tmp_path / "plan.tmp", b"new")
        assert (tmp_path / "plan.json").read_bytes() == b"new"


def test_a_work_folder_that_became_a_link_is_not_written_through(out: Path, home: Path) -> None:
    with PlannedFolder(out, LAYOUT) as folder:
        folder.work.rename(out / "aside")
        folder.work.symlink_to(home)
        before = names(home)
        for path in (folder.work / "task-0.json", out / "part-0-of-2"):
            with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
                write_whole(path, folder.work / "task-0.tmp", b"new")
        assert names(home) == before
        folder.work.unlink()
        (out / "aside").rename(folder.work)


def test_a_url_is_planned_here_and_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, work = f"local://{tmp_path}/store/run", tmp_path / "work"
    with PlannedFolder(url, LAYOUT, work) as folder:
        assert folder.begin(plan(), overwrite=False) == "new"
    assert names(tmp_path / "store/run") == ["plan.json"]
    for here, state in ((work, "resumed"), (tmp_path / "elsewhere", "new")):
        with PlannedFolder(url, LAYOUT, here) as folder:
            assert folder.begin(plan(), overwrite=False) == state
            # Nothing is removed when something is refused, on either side.
            (here / "part-0-of-2").mkdir()
        with (
            PlannedFolder(url, LAYOUT, here) as folder,
            pytest.raises(UsageError, match="part-0-of-2: is not a regular file"),
        ):
            folder.begin(plan(3), overwrite=True)
        assert names(tmp_path / "store/run") == ["plan.json"]
    assert fsspec.filesystem("local").exists(f"{tmp_path}/store/run")
