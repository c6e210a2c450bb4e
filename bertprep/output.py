"""The output folder over its life: locked, planned, resumed or refused, finished.

    with OutputFolder(path) as folder:
        state = folder.begin(plan, overwrite=False)     # "new", "resumed" or "complete"
        ...                                             # shards; what is unfinished is in folder.work
        folder.finish(manifest)

What a crash leaves is the plan, whole shards, and a work folder that the same command goes on
from. Nothing is ever removed that a plan or a manifest does not list.
"""

import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from bertprep.errors import BertprepError, UsageError
from bertprep.manifest import (
    MANIFEST_NAME,
    PLAN_NAME,
    VOCABULARY_NAME,
    Plan,
    differences,
    encode,
)
from bertprep.shards import fsync_folder, write_whole

WORK_NAME = ".bertprep"
_EVAL_NAME = "eval"
#: Workers of a killed run end within this time; their lock on the folder is the parent's alone.
_LOCK_PATIENCE_SECONDS = 1.0


def shard_name(index: int, num_shards: int, *, held_out: bool = False) -> str:
    """A shard's name, relative to the output folder."""
    name = f"tf_examples.tfrecord-{index:05d}-of-{num_shards:05d}"
    return f"{_EVAL_NAME}/{name}" if held_out else name


def shard_names(plan: Plan) -> list[str]:
    """All shards that a plan speaks of."""
    numbers = plan["partitions"]
    kept, held = numbers["num_shards"], numbers["num_eval_partitions"]
    names = [shard_name(i, kept) for i in range(kept)]
    return names + [shard_name(i, held, held_out=True) for i in range(held)]


class OutputFolder:
    """One run's hold on a folder.

    Attributes:
        path: the folder.
        work: what the run has not finished; gone after `finish`.

    Raises:
        UsageError: on entry, when another process holds the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path / WORK_NAME
        self._new_folders: list[Path] = []
        self._has_begun = False
        self._lock = -1

    def __enter__(self) -> "OutputFolder":
        missing = [folder for folder in (self.work, self.path, *self.path.parents)]
        self._new_folders = [folder for folder in missing if not folder.exists()]
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            self._lock = self._acquire()
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(f"{self.path}: is not a folder; name another --output") from error
        return self

    def _acquire(self) -> int:
        deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
        while True:
            # A record lock: not handed on to workers, and gone with this process however it ends.
            descriptor = os.open(self.work / "lock", os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except OSError as error:
                os.close(descriptor)
                if time.monotonic() > deadline:
                    raise UsageError(
                        f"{self.path}: another bertprep is at work in this folder; wait for it, "
                        "or name another --output"
                    ) from error
                time.sleep(0.1)

    def begin(self, plan: Plan, *, overwrite: bool) -> str:
        """Writes the plan, or finds it written.

        Returns:
            "new", "resumed" (the same plan was begun) or "complete" (it was finished).

        Raises:
            UsageError: the folder holds what another plan made.
        """
        old = self._read(PLAN_NAME)
        if old is None and self._read(MANIFEST_NAME) is None:
            foreign = sorted(self.path.glob("tf_examples.tfrecord-*"))
            if foreign:
                raise UsageError(
                    f"{foreign[0]}: there are records here without a {PLAN_NAME}: "
                    "name another --output, or remove them yourself"
                )
        if old is not None and old != plan:
            changed = differences(old, plan)
            if not overwrite:
                more = f"; and {len(changed) - 6} more" if len(changed) > 6 else ""
                raise UsageError(
                    f"{self.path}: made by another command ({'; '.join(changed[:6])}{more}): "
                    "name another --output, or pass --overwrite"
                )
            self._remove_listed(old)
            old = None
        self._has_begun = True
        if old is None:
            write_whole(self.path / PLAN_NAME, encode(plan), self.work / "plan.tmp")
            return "new"
        manifest = self._read(MANIFEST_NAME)
        if manifest is not None:
            if self._has_all(manifest):
                return "complete"
            (self.path / MANIFEST_NAME).unlink()
        return "resumed"

    def _has_all(self, manifest: dict[str, Any]) -> bool:
        names = [shard["name"] for shard in (*manifest["shards"], *manifest["eval_shards"])]
        return all((self.path / name).is_file() for name in (*names, VOCABULARY_NAME))

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.path / name
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise BertprepError(
                f"{path}: not a file that bertprep wrote ({error}); name another --output"
            ) from error

    def _remove_listed(self, plan: Plan) -> None:
        for name in (MANIFEST_NAME, *shard_names(plan), VOCABULARY_NAME, PLAN_NAME):
            (self.path / name).unlink(missing_ok=True)
        self._remove_if_empty(self.path / _EVAL_NAME)
        for leftover in self.work.iterdir():
            if leftover.name not in ("lock", "stdin"):
                leftover.unlink()

    def read_manifest(self) -> dict[str, Any]:
        """The manifest of a complete data set."""
        return json.loads((self.path / MANIFEST_NAME).read_bytes())

    def make_eval_folder(self) -> None:
        """Makes the folder of the held-out shards."""
        (self.path / _EVAL_NAME).mkdir(exist_ok=True)

    def finish(self, vocabulary: bytes, manifest: dict[str, Any]) -> None:
        """Writes what stands beside the shards, the manifest last, and removes the work folder."""
        write_whole(self.path / VOCABULARY_NAME, vocabulary, self.work / "vocab.tmp")
        fsync_folder(self.path)
        write_whole(self.path / MANIFEST_NAME, encode(manifest), self.work / "manifest.tmp")
        shutil.rmtree(self.work)

    def abandon(self) -> None:
        """Takes back a plan that its input makes impossible, when no shard is there yet."""
        plan = self._read(PLAN_NAME)
        if plan and not any((self.path / name).exists() for name in shard_names(plan)):
            self._remove_listed(plan)
            self._has_begun = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._has_begun or (self.path / MANIFEST_NAME).exists():
            # Nothing here to go on from: the folder is left as it was found.
            if self.work in self._new_folders or (self.path / MANIFEST_NAME).exists():
                shutil.rmtree(self.work, ignore_errors=True)
            if not self._has_begun:
                self._remove_if_empty(self.path / _EVAL_NAME)
                for folder in self._new_folders:
                    self._remove_if_empty(folder)
        if self._lock >= 0:
            os.close(self._lock)

    @staticmethod
    def _remove_if_empty(folder: Path) -> None:
        try:
            folder.rmdir()
        except OSError:
            pass
