"""The output folder over its life: locked, planned, resumed or refused, finished.

    with OutputFolder(path) as folder:
        state = folder.begin(plan, overwrite=False)     # "new", "resumed" or "complete"
        ...                                             # shards; what is unfinished in folder.work
        folder.finish(vocabulary, manifest)

What a crash leaves is the plan, whole shards, and a work folder that the same command goes on
from. Nothing is ever removed that a plan or a manifest does not list.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from bertprep.errors import BertprepError, MachineError, UsageError, remedy
from bertprep.options import Place
from bertprep.storage.files import fsync_folder, write_whole
from bertprep.storage.plans import (
    MANIFEST_NAME,
    PLAN_NAME,
    VOCABULARY_NAME,
    Plan,
    differences,
    encode,
)

WORK_NAME = ".bertprep"
_EVAL_NAME = "eval"
#: Workers of a killed run, which hold its lock on, end within this time.
_LOCK_PATIENCE_SECONDS = 3.0


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


def parse_document(where: Place, data: bytes | None, key: str) -> dict[str, Any] | None:
    """A plan or a manifest that was read; `key` is what it has and other JSON files have not."""
    if data is None:
        return None
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    if isinstance(content, dict) and isinstance(content.get(key), dict):
        return content
    raise UsageError(f"{where}: bertprep did not write this file; name another --output")


def refuse_another(where: Place, old: Plan, plan: Plan, *, overwrite: bool) -> None:
    """Raises UsageError for what another plan made, if it must not be removed."""
    changed = differences(old, plan)
    if not overwrite:
        more = f"; and {len(changed) - 6} more" if len(changed) > 6 else ""
        raise UsageError(
            f"{where}: made by another command ({'; '.join(changed[:6])}{more}): "
            "name another --output, or pass --overwrite"
        )


def refuse_records(records: Sequence[Place]) -> None:
    """Raises UsageError for records that no plan lists."""
    if records:
        raise UsageError(
            f"{records[0]}: there are records here without a {PLAN_NAME}: "
            "name another --output, or remove them yourself"
        )


def refuse_vocabulary(where: Place, sha256: str | None, plan: Plan) -> None:
    """Raises UsageError for a file, of this digest, that a copy of the vocabulary would replace."""
    if sha256 not in (None, plan["vocabulary"]["sha256"]):
        raise UsageError(
            f"{where}: another vocabulary stands where a copy of --vocab "
            "belongs: name another --output, or move it"
        )


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

    @property
    def url(self) -> str | None:
        """Where finished shards go; None if they stay here."""
        return None

    def __enter__(self) -> "OutputFolder":
        folders = (self.work, self.path, *self.path.parents)
        self._new_folders = [folder for folder in folders if not folder.exists()]
        try:
            self._lock = self._acquire()
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(f"{self.path}: is not a folder; name another --output") from error
        except OSError as error:
            self._remove_new_folders()
            why = f"{error.strerror}{remedy(error.errno)}"
            raise MachineError(f"{self.path}: cannot be written to ({why})") from error
        return self

    def _acquire(self) -> int:
        deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
        path = self.work / "lock"
        while True:
            # Not a record lock: forked workers hold this one too, so that whoever comes after a
            # killed run waits until the last of its workers is gone.
            self.work.mkdir(parents=True, exist_ok=True)
            descriptor = -1
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
            except (BlockingIOError, FileNotFoundError) as error:
                if time.monotonic() > deadline:
                    raise UsageError(
                        f"{self.path}: another bertprep is at work in this folder; wait for it, "
                        "or name another --output"
                    ) from error
            # Held, or its file was removed by a run that ended just then.
            if descriptor >= 0:
                os.close(descriptor)
            time.sleep(0.1)

    def require_folder(self) -> None:
        """Raises UsageError where something else has its name, or that of a folder above it."""
        existing = next(
            path for path in (self.path, *self.path.absolute().parents) if path.exists()
        )
        if not existing.is_dir():
            raise UsageError(f"{self.path}: is not a folder; name another --output")

    def foresee(self, plan: Plan, *, overwrite: bool) -> str:
        """What `begin` would find; nothing is written, and no lock is needed.

        Returns:
            "new", "other" (another plan's, which `overwrite` lets go), "resumed" or "complete".

        Raises:
            UsageError: as `begin`.
        """
        return self._foresee_here(plan, overwrite=overwrite)

    def _foresee_here(self, plan: Plan, *, overwrite: bool) -> str:
        manifest, old = self._read_plans()
        if old is None:
            self._refuse_foreign(plan)
            return "new"
        if old != plan:
            refuse_another(self.path, old, plan, overwrite=overwrite)
            return "other"
        return "complete" if manifest and self._has_all(manifest) else "resumed"

    def begin(self, plan: Plan, *, overwrite: bool) -> str:
        """Writes the plan, or finds it written.

        Returns:
            "new", "resumed" (the same plan was begun) or "complete" (it was finished).

        Raises:
            UsageError: the folder holds what another plan made.
        """
        return self._begin_here(plan, overwrite=overwrite)

    def _begin_here(self, plan: Plan, *, overwrite: bool) -> str:
        state = self._foresee_here(plan, overwrite=overwrite)
        manifest, old = self._read_plans()
        if old and state == "other":
            self._remove_listed(old, but_vocabulary=plan["vocabulary"]["sha256"])
        if state in ("new", "other"):
            self._clear_work()
            write_whole(self.path / PLAN_NAME, self.work / "plan.tmp", encode(plan))
            self._has_begun = True
            return "new"
        self._has_begun = True
        if not (self.path / PLAN_NAME).exists():
            write_whole(self.path / PLAN_NAME, self.work / "plan.tmp", encode(plan))
        if state == "resumed" and manifest is not None:
            (self.path / MANIFEST_NAME).unlink()
        return state

    def _read_plans(self) -> tuple[dict[str, Any] | None, Plan | None]:
        """The manifest, and the plan that stands beside it or in it."""
        manifest = self._read(MANIFEST_NAME, "plan")
        return manifest, self._read(PLAN_NAME, "partitions") or (manifest and manifest["plan"])

    def _refuse_foreign(self, plan: Plan) -> None:
        """Raises UsageError when no plan lists what would be written over."""
        refuse_records(sorted(self.path.glob("tf_examples.tfrecord-*")))
        refuse_vocabulary(self.path / VOCABULARY_NAME, self._vocabulary_sha256(), plan)

    def _vocabulary_sha256(self) -> str | None:
        path = self.path / VOCABULARY_NAME
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None

    def _has_all(self, manifest: dict[str, Any]) -> bool:
        names = [shard["name"] for shard in (*manifest["shards"], *manifest["eval_shards"])]
        return all((self.path / name).is_file() for name in (*names, VOCABULARY_NAME))

    def _read(self, name: str, key: str) -> dict[str, Any] | None:
        path = self.path / name
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        return parse_document(path, data, key)

    def _remove_listed(self, plan: Plan, but_vocabulary: str | None = None) -> None:
        """Removes what a plan lists; its vocabulary only where it is not the next one's too."""
        (self.path / MANIFEST_NAME).unlink(missing_ok=True)
        for name in shard_names(plan):
            (self.path / name).unlink(missing_ok=True)
        if self._vocabulary_sha256() == plan["vocabulary"]["sha256"] != but_vocabulary:
            (self.path / VOCABULARY_NAME).unlink()
        self._remove_if_empty(self.path / _EVAL_NAME)
        self._clear_work()
        # Last: as long as it is there, what is left of its files is known to be its own.
        (self.path / PLAN_NAME).unlink(missing_ok=True)

    def _clear_work(self) -> None:
        for leftover in self.work.iterdir():
            if leftover.name not in ("lock", "stdin"):
                leftover.unlink()

    def read_manifest(self) -> dict[str, Any]:
        """The manifest of a complete data set."""
        manifest: dict[str, Any] = json.loads((self.path / MANIFEST_NAME).read_bytes())
        return manifest

    def make_eval_folder(self) -> None:
        """Makes the folder of the held-out shards."""
        (self.path / _EVAL_NAME).mkdir(exist_ok=True)

    def finish(self, vocabulary: bytes, manifest: dict[str, Any]) -> None:
        """Writes what stands beside the shards, the manifest last."""
        write_whole(self.path / VOCABULARY_NAME, self.work / "vocab.tmp", vocabulary)
        fsync_folder(self.path)
        write_whole(self.path / MANIFEST_NAME, self.work / "manifest.tmp", encode(manifest))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        is_complete = (self.path / MANIFEST_NAME).exists()
        # A mistake in the corpus or in the numbers: the same command never gets further, and its
        # plan would only stand in the way of the next one.
        in_vain = isinstance(error, BertprepError) and not isinstance(error, MachineError)
        if self._has_begun and in_vain and not is_complete:
            self._abandon()
        if is_complete or not self._has_begun:
            if is_complete or self.work in self._new_folders:
                self._remove_work()
            self._remove_new_folders()
        os.close(self._lock)

    def _abandon(self) -> None:
        """Removes what this plan lists. A copy of the vocabulary comes last, and is not there."""
        plan = self._read(PLAN_NAME, "partitions")
        if plan:
            self._remove_listed(plan, but_vocabulary=plan["vocabulary"]["sha256"])
        self._remove_work()
        self._has_begun = False

    def _remove_work(self) -> None:
        with suppress(OSError):
            self._clear_work()
            (self.work / "stdin").unlink(missing_ok=True)
            # Last: whoever waits for it may begin at once, in a work folder of its own.
            (self.work / "lock").unlink()
            self.work.rmdir()

    def _remove_new_folders(self) -> None:
        for folder in self._new_folders:
            self._remove_if_empty(folder)

    @staticmethod
    def _remove_if_empty(folder: Path) -> None:
        with suppress(OSError):
            folder.rmdir()
