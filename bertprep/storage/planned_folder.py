"""An output folder from start to end: locked, planned, resumed or refused, finished.

    with PlannedFolder(Path("out"), layout) as folder:
        state = folder.begin(plan, overwrite=False)     # "new", "resumed" or "complete"
        ...                                             # files; unfinished ones in folder.work
        folder.finish(vocabulary, manifest)

The folder is on this machine or at a URL, where files are uploaded when they are whole. A crash
leaves the plan, whole files, and a work folder from which the same command resumes. Only files that
a plan lists are ever removed, and no link inside the folder is followed.
"""

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from bertprep.errors import BertprepError, MachineError, UsageError, remedy
from bertprep.options import Place
from bertprep.storage.files import LocalFiles, lock
from bertprep.storage.plans import (
    MANIFEST_NAME,
    VOCABULARY_NAME,
    Files,
    FolderLayout,
    FolderState,
    Plan,
    compare,
    encode,
    remove_listed,
)
from bertprep.storage.remote_files import RemoteFiles
from bertprep.storage.run_in_subprocess import InSubprocess

WORK_NAME = ".bertprep"
#: The copy of the corpus from standard input, whole and unfinished. It precedes the plan.
_SPOOL_NAMES = ("stdin", "stdin.tmp")
_LOCK_NAME = "lock"
#: Names in any work folder; the last is what NFS calls a removed file that is still open.
WORK_NAMES = re.compile(r"stdin(\.tmp)?|lock|\.nfs[0-9a-f]+")


class PlannedFolder:
    """The exclusive use of an output folder by one run.

    Args:
        output: the folder, or its URL.
        layout: of the command.
        work_folder: where the files of a URL are built; None takes a temporary folder.

    Attributes:
        path: the folder; for a URL, the folder of this machine where files are built.
        url: where finished files are uploaded; None if they stay in `path`.
        work: folder of unfinished files; `finish` removes it.

    Raises:
        UsageError: nothing can be written to such a URL; on entry, when another process uses the
            folder, or a link or a file of somebody else is in the work folder.
    """

    def __init__(
        self, output: Place, layout: FolderLayout, work_folder: Path | None = None
    ) -> None:
        self.url = output if isinstance(output, str) else None
        self.path = output if isinstance(output, Path) else work_folder or _work_folder(output)
        self.work = self.path / WORK_NAME
        self._layout = layout
        # A name in a shared folder that others can guess.
        self._is_private = self.url is not None and work_folder is None
        self._local = LocalFiles(self.path, self.work)
        remote: Any = InSubprocess(RemoteFiles(self.url)) if self.url else None
        self._target: Files = remote or self._local
        self._states: list[FolderState] = []  # of the target, then of `path` where that is another
        self._plan: Plan | None = None
        self._has_begun = self._is_complete = False
        self._new_folders: list[Path] = []
        self._lock = -1

    def __enter__(self) -> "PlannedFolder":
        folders = (self.work, self.path, *self.path.parents)
        self._new_folders = [folder for folder in folders if not folder.exists()]
        try:
            if self._is_private:
                self._make_private()
            self.require_usable()
            self._lock = lock(self.work / _LOCK_NAME)
        except BlockingIOError as error:
            raise UsageError(
                f"{self.path}: another bertprep process is using this folder; wait for it, or name "
                "another --output"
            ) from error
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(f"{self.path}: is not a folder; name another --output") from error
        except OSError as error:
            self._remove_new_folders()
            why = f"{error.strerror}{remedy(error.errno)}"
            raise MachineError(f"{self.path}: cannot be written to ({why})") from error
        return self

    def _make_private(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self.path.lstat()
        # The name can be guessed, and everybody can write to the folder above.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise UsageError(f"{self.path}: belongs to another user; pass --work-folder")

    def foresee(self, plan: Plan, *, overwrite: bool) -> str:
        """Return the state that `begin` will find. Write nothing; no lock is needed.

        Returns:
            "new", "other" (files of another plan, which `overwrite` permits to remove), "resumed"
            or "complete".

        Raises:
            UsageError: as `begin` does.
        """
        self.require_usable()
        self._plan = plan
        self._states = [compare(self._target, self._layout, plan, overwrite=overwrite)]
        if self.url:
            self._states.append(compare(self._local, self._layout, plan, overwrite=True))
        return self._states[0].name

    def begin(self, plan: Plan, *, overwrite: bool) -> str:
        """Write the plan, or find it written. Everything is checked before anything is removed.

        Returns:
            "new", "resumed" (the same plan was begun on this machine) or "complete".

        Raises:
            UsageError: the folder holds files of another plan, or of somebody else.
        """
        self._is_complete = self.foresee(plan, overwrite=overwrite) == "complete"
        if not self._is_complete:
            self.make_room()
        for state in self._states[:1] if self._is_complete else self._states:
            has_plan = self._layout.plan_name in state.found.documents
            if state.name in ("new", "other") or not has_plan:
                state.files.write({self._layout.plan_name: encode(plan)})
            if state.name == "resumed" and state.manifest:
                state.files.remove(self._layout.manifest_names)
        self._has_begun = True
        if self._is_complete:
            return "complete"
        # Another machine may have begun what is at the URL; then nothing is here to resume from.
        return "resumed" if self._states[-1].name == "resumed" else "new"

    def make_room(self) -> None:
        """Remove what the last `foresee` found of another plan."""
        plan = self._plan
        assert plan
        for state in self._states:
            if state.name == "other":
                remove_listed(state, self._layout, plan)
        if self._states[-1].name in ("new", "other"):
            self._clear_work()

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest of a complete folder."""
        manifest: dict[str, Any] = self._states[0].manifest
        return manifest

    def finish(self, vocabulary: bytes, manifest: dict[str, Any]) -> None:
        """Write the vocabulary, and the manifest last."""
        self._target.confirm(self._layout.folders, self.work)
        self._target.write({VOCABULARY_NAME: vocabulary})
        self._target.write({MANIFEST_NAME: encode(manifest)})
        self._is_complete = True

    def require_usable(self) -> None:
        """Raise UsageError if `path` is not a folder, or the work folder is not one of ours."""
        self._local.own(WORK_NAME, self._layout.work_names, WORK_NAMES)

    def _clear_work(self, *also: str) -> None:
        names = self._local.own(WORK_NAME, self._layout.work_names, WORK_NAMES)
        bases = {name: name.rpartition("/")[2] for name in sorted(names)}
        is_made = self._layout.work_names.fullmatch
        self._local.remove([name for name in bases if bases[name] in also or is_made(bases[name])])

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # The corpus or an option is wrong: the same command never gets further, and its plan would
        # be in the way of the next one.
        is_in_vain = isinstance(error, BertprepError) and not isinstance(error, MachineError)
        is_over = self._is_complete
        if self._has_begun and is_in_vain and not is_over:
            self._abandon(self._target)
            is_over = True
        if self.url and is_over:
            self._abandon(self._local)
        is_unused = not self._has_begun and self.work in self._new_folders
        with suppress(OSError, UsageError):
            if is_over or is_unused:
                self._clear_work(*_SPOOL_NAMES)
            if [entry.name for entry in os.scandir(self.work)] == [_LOCK_NAME]:
                # Last: a waiting process may begin at once, in a work folder of its own.
                self._local.remove([f"{WORK_NAME}/{_LOCK_NAME}"])
                self.work.rmdir()
        if is_over or not self._has_begun:
            self._remove_new_folders()
        os.close(self._lock)

    def _abandon(self, files: Files) -> None:
        """Remove what this run's plan lists, if it is the plan that the folder has."""
        assert self._plan
        with suppress(BertprepError):  # the error that led here is the one to report
            state = compare(files, self._layout, self._plan, overwrite=True)
            if state.old == self._plan:
                remove_listed(state, self._layout, self._plan)

    def _remove_new_folders(self) -> None:
        for folder in [*self._new_folders, *([self.path] if self._is_private else [])]:
            with suppress(OSError):
                folder.rmdir()


def _work_folder(url: str) -> Path:
    """Return a folder below the system's temporary folder, named after a URL and the user."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", url.rstrip("/").rpartition("/")[2])[:40]
    digest = hashlib.sha256(url.rstrip("/").encode("utf-8", "surrogateescape")).hexdigest()
    return Path(tempfile.gettempdir()) / f"bertprep-{os.getuid()}-{name}-{digest[:12]}"
