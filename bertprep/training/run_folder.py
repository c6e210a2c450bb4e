"""The folder of a run over its life: locked, described, gone on with or refused.

    run.json            the plan: what the weights follow from; written when all checks have passed
    bert_config.json    the model
    vocab.txt           a copy
    checkpoints/        step-00001000.npz, ..., best.json
    metrics.jsonl       what was measured
    curves.png          the same as a picture
    tensorboard/        the same for TensorBoard

Nothing is ever removed that a run has not written.
"""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from bertprep.errors import MachineError, UsageError, remedy
from bertprep.model.checkpoints import Checkpoints
from bertprep.model.saved_run import (
    CHECKPOINTS_NAME,
    CONFIG_NAME,
    CURVES_NAME,
    METRICS_NAME,
    RUN_NAME,
    TENSORBOARD_NAME,
    VOCABULARY_NAME,
)
from bertprep.storage.plans import differences
from bertprep.vocab import Vocabulary


class RunFolder:
    """One process's hold on the folder of a run.

    Attributes:
        path: the folder.

    Raises:
        UsageError: on entry, when another process holds the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1
        self._new_folders: list[Path] = []
        self._is_superseded = False

    def __enter__(self) -> "RunFolder":
        self._new_folders = [f for f in (self.path, *self.path.parents) if not f.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(f"{self.path}: is not a folder; name another --output") from error
        except OSError as error:
            why = f"{error.strerror}{remedy(error.errno)}"
            raise MachineError(f"{self.path}: cannot be written to ({why})") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise UsageError(
                f"{self.path}: another bertprep is at work in this folder; wait for it, or name "
                "another --output"
            ) from error
        except OSError:
            pass  # a file system without locks
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for folder in self._new_folders:  # a run that never began leaves nothing
            with suppress(OSError):
                folder.rmdir()
        os.close(self._lock)

    def begin(self, plan: dict[str, Any], vocabulary: Vocabulary, *, overwrite: bool) -> bool:
        """Finds the run that was begun here.

        Returns:
            There is one, and its plan is this one.

        Raises:
            UsageError: the folder holds a run of another plan, or files that a run would replace.
        """
        old = self._read_plan()
        if old is None:
            self._refuse_foreign(vocabulary)
            return False
        changed = differences(old, plan)
        if changed and not overwrite:
            more = f"; and {len(changed) - 6} more" if len(changed) > 6 else ""
            raise UsageError(
                f"{self.path}: made by another command ({'; '.join(changed[:6])}{more}): "
                "name another --output, or pass --overwrite"
            )
        self._is_superseded = bool(changed)
        return not changed

    def make_room(self) -> None:
        """Removes what another run has left, now that this one is sure to begin."""
        if self._is_superseded:
            self._remove_run()
            self._is_superseded = False

    def _read_plan(self) -> dict[str, Any] | None:
        path = self.path / RUN_NAME
        try:
            plan = json.loads(path.read_bytes())["plan"]
            plan["training"]["steps"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise UsageError(
                f"{path}: `bertprep pretrain` did not write this file; name another --output"
            ) from None
        return dict(plan)

    def _refuse_foreign(self, vocabulary: Vocabulary) -> None:
        for name in (CHECKPOINTS_NAME, METRICS_NAME):
            if (self.path / name).exists():
                raise UsageError(
                    f"{self.path / name}: stands here without a {RUN_NAME}: name another --output, "
                    "or remove it yourself"
                )
        copy = self.path / VOCABULARY_NAME
        if copy.exists() and copy.read_bytes() != vocabulary.data:
            raise UsageError(
                f"{copy}: another vocabulary stands where that of the records belongs: name "
                "another --output, or move it"
            )

    def _remove_run(self) -> None:
        checkpoints = Checkpoints(self.path / CHECKPOINTS_NAME)
        for step in checkpoints.steps():
            checkpoints.path(step).unlink()
        events = self.path / TENSORBOARD_NAME
        for file in (
            checkpoints.folder / "best.json",
            *(events.glob("*/events.out.tfevents.*")),
            *(self.path / name for name in (METRICS_NAME, CURVES_NAME, CONFIG_NAME)),
            self.path / VOCABULARY_NAME,
            self.path / RUN_NAME,  # last: as long as it is there, the rest is known to be ours
        ):
            file.unlink(missing_ok=True)
        for folder in (checkpoints.folder, *events.glob("*"), events):
            with suppress(OSError):
                folder.rmdir()
