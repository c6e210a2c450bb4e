"""The work folder of `bertprep vocab`: locked, planned, resumed or started over, removed.

It is `.NAME.bertprep` beside the output file NAME, or within `--work-folder`. Output to stdout uses
a folder in the system's temporary folder, named after the inputs and their options. A crash leaves
the counts there, from which the same command resumes.
"""

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.options import STDOUT, VocabOptions
from bertprep.storage.files import LocalFiles, lock
from bertprep.storage.planned_folder import WORK_NAMES
from bertprep.storage.plans import PLAN_NAME, Plan, encode

#: All files that a run writes here, but for `lock` and `stdin`.
_OWN_NAMES = re.compile(
    r"(plan|counts)\.json|tokens-\d{6}\.json|(tokens|bucket)-\d{6}(-\d{6})?\.blob"
    r"|vocab-[0-9a-f]{16}\.txt|run-[0-9a-f]+(\.mark|-\w+\.seen)"
    r"|(plan|counts|[\w-]*(tokens|bucket)-\d{6}(-\d{6})?)\.tmp"
)


def work_folder_path(options: VocabOptions) -> Path:
    """Return the path of the work folder."""
    if options.output != STDOUT:
        return (options.work_folder or options.output.parent) / f".{options.output.name}.bertprep"
    known = (os.getcwd(), options.inputs, options.tokenizer, options.corpus)
    digest = hashlib.sha256(repr(known).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    folder = options.work_folder or Path(tempfile.gettempdir())
    return folder / f"bertprep-vocab-{os.getuid()}-{digest}"


class WorkFolder:
    """The exclusive use of a work folder by one run.

    The folder is removed at the end of the run, and after an error that the same command would
    meet again. It stays after a crash, a signal or a failure of the machine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = LocalFiles(path.parent, path)
        self._new_folders: list[Path] = []
        self._has_begun = False
        self._lock = -1

    def __enter__(self) -> "WorkFolder":
        self._new_folders = [path for path in (self.path, *self.path.parents) if not path.exists()]
        is_temporary = self.path.name.startswith("bertprep-")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700 if is_temporary else 0o777, exist_ok=True)
            status = self.path.lstat()
            # Others can guess the name and may write to the folder above.
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                raise UsageError(f"{self.path}: is not a folder of yours; pass a --work-folder")
            self._files.own(self.path.name, _OWN_NAMES, WORK_NAMES)
            self._lock = lock(self.path / "lock")
        except BlockingIOError as error:
            raise UsageError(
                f"{self.path}: another bertprep process is using this folder; wait for it, or name "
                "another --output"
            ) from error
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(f"{self.path}: cannot be a folder; pass a --work-folder") from error
        return self

    def begin(self, plan: Plan) -> bool:
        """Write the plan and return False, or return True where the same plan is there already.

        The files of another plan are removed.
        """
        name = f"{self.path.name}/{PLAN_NAME}"
        self._has_begun = True
        if self._files.look((self.path.name,), (name,)).documents.get(name) == encode(plan):
            return True
        self._remove(_OWN_NAMES)
        self._files.write({name: encode(plan)})
        return False

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        is_mistake = isinstance(error, BertprepError) and not isinstance(error, MachineError)
        if error is None or is_mistake:
            if self._has_begun:
                self._remove(_OWN_NAMES)
            if self._has_begun or self.path in self._new_folders:
                self._remove(WORK_NAMES)
                for folder in dict.fromkeys((self.path, *self._new_folders)):
                    with suppress(OSError):
                        folder.rmdir()
        os.close(self._lock)

    def _remove(self, names: re.Pattern[str]) -> None:
        with suppress(UsageError):  # a file of somebody else has come in between; it stays
            own = self._files.own(self.path.name, _OWN_NAMES, WORK_NAMES)
            self._files.remove([name for name in own if names.fullmatch(Path(name).name)])
