"""Arrays of a run <-> one file a step, whole or not there, of which the last few and the best stay.

    checkpoints = Checkpoints(folder, keep=3)
    checkpoints.save(1000, trainer.state(), facts={"seed": 1}, loss=2.31)
    step, arrays, facts = checkpoints.load(checkpoints.latest())

`step-00001000.npz` holds every variable of model and optimizer by its path, and the facts as JSON;
what follows from the step (the place in the data, the seeds of dropout) it does not. NumPy's own
format: each array has a checksum, and no other library is needed to look into one. Size: 12 bytes
a parameter.
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
        folder: where they lie; made when the first is saved.
        keep: how many of the last stay; the best one does beside them.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        assert keep >= 1
        self.folder, self._keep = folder, keep

    def path(self, step: int) -> Path:
        """Of the checkpoint after a number of updates."""
        return self.folder / f"step-{step:08d}.npz"

    def steps(self) -> list[int]:
        """The steps there are checkpoints of, ascending."""
        if not self.folder.is_dir():
            return []
        names = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def latest(self) -> int | None:
        """The last step with a checkpoint; None without one."""
        return max(self.steps(), default=None)

    def best(self) -> int | None:
        """The step with the lowest loss of those that were saved with one."""
        return self._best()[0]

    def save(
        self,
        step: int,
        arrays: Mapping[str, np.ndarray],
        facts: Mapping[str, Any],
        loss: float | None = None,
    ) -> Path:
        """Writes a checkpoint, then removes those that need not stay.

        Args:
            step: updates that were made.
            arrays: to be found again under the same names.
            facts: JSON values; what a run that goes on compares with its own.
            loss: held out; the lowest one makes the best checkpoint.
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
        best_step, best_loss = self._best()
        if loss is not None and (best_loss is None or loss < best_loss):
            best_step = step
            text = json.dumps({"step": step, "loss": loss}).encode()
            write_whole(self.folder / _BEST, self.folder / f"{_BEST}.partial", text)
        for old in self.steps()[: -self._keep]:
            if old != best_step:
                self.path(old).unlink()
        return path

    def load(self, step: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays and the facts of a checkpoint.

        Raises:
            BertprepError: the file is damaged, or is not one of these.
        """
        path = self.path(step)
        try:
            with open(path, "rb") as file, np.load(file) as content:
                arrays = dict(content)
            facts = json.loads(arrays.pop(_FACTS).tobytes())
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            raise BertprepError(
                f"{path}: is damaged ({error}). Remove it, and the run goes on from the checkpoint "
                "before it"
            ) from None
        return arrays, facts

    def _best(self) -> tuple[int | None, float | None]:
        try:
            content = json.loads((self.folder / _BEST).read_bytes())
        except FileNotFoundError:
            return None, None
        return content["step"], content["loss"]
