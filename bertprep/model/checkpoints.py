"""Arrays of a run <-> one file per step; the last few and the best are kept.

    checkpoints = Checkpoints(folder, keep=3)
    checkpoints.save(1000, trainer.state(), facts={"sums": {}}, loss=2.31)
    arrays, facts = checkpoints.load(checkpoints.latest())

`step-00001000.npz` holds every variable of model and optimizer by its path, and the facts as JSON.
The position in the data and the seeds of dropout follow from the step. The format is NumPy's: each
array has a checksum, and no other library is needed to read one. A file is written whole or not at
all. Size: 12 bytes per parameter.
"""

import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bertprep.errors import BertprepError, naming
from bertprep.storage.files import fsync_folder, write_whole

_FACTS = "facts.json"
_BEST = "best.json"
_NAME = re.compile(r"step-([0-9]{8,})\.npz")


class Checkpoints:
    """The checkpoints of a run.

    Args:
        folder: folder of the files; created with the first.
        keep: number of latest checkpoints to keep, besides the best.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        assert keep >= 1
        self.folder, self._keep = folder, keep

    def path(self, step: int) -> Path:
        """Return the file of the checkpoint after `step` updates."""
        return self.folder / f"step-{step:08d}.npz"

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, ascending."""
        if not self.folder.is_dir():
            return []
        names = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def latest(self) -> int | None:
        """Return the last step with a checkpoint; None without one."""
        return max(self.steps(), default=None)

    def best(self) -> int | None:
        """Return the step of the checkpoint with the lowest held-out loss."""
        return self._read_best()[0]

    def save(
        self,
        step: int,
        arrays: Mapping[str, np.ndarray],
        facts: Mapping[str, Any],
        loss: float | None = None,
    ) -> Path:
        """Write a checkpoint, then remove old ones.

        Args:
            step: updates so far.
            arrays: arrays by name.
            facts: JSON values.
            loss: held-out loss; the checkpoint with the lowest one is the best.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(step)
        temporary = path.with_suffix(".partial")
        content: dict[str, Any] = dict(arrays)
        content[_FACTS] = np.frombuffer(json.dumps(dict(facts)).encode(), np.uint8)
        try:
            with naming(path), open(temporary, "wb") as file:
                np.savez(file, **content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_folder(self.folder)
        best_step, best_loss = self._read_best()
        if loss is not None and (best_loss is None or loss < best_loss):
            best_step = step
            text = json.dumps({"step": step, "loss": loss}).encode()
            write_whole(self.folder / _BEST, self.folder / f"{_BEST}.partial", text)
        for old in self.steps()[: -self._keep]:
            if old != best_step:
                self.path(old).unlink()
        return path

    def load(self, step: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the arrays and the facts of a checkpoint.

        Raises:
            BertprepError: the file is damaged, or not a checkpoint.
        """
        path = self.path(step)
        try:
            with open(path, "rb") as file, np.load(file) as content:
                arrays = dict(content)
            facts = json.loads(arrays.pop(_FACTS).tobytes())
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            raise BertprepError(
                f"{path}: damaged ({error}). Remove it to resume from the checkpoint before it"
            ) from None
        return arrays, facts

    def _read_best(self) -> tuple[int | None, float | None]:
        try:
            content = json.loads((self.folder / _BEST).read_bytes())
        except FileNotFoundError:
            return None, None
        return content["step"], content["loss"]
