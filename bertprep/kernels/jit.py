"""How kernels are compiled, and where the compiled code is kept.

The folder has a digest of all kernel sources in its name: numba looks for changes only in the file
of a function, not in those it inlines (numba#1833). It is in NUMBA_CACHE_DIR if that is set, else
in the user's cache folder; if neither is writable, it is a private temporary one.
"""

import atexit
import fcntl
import functools
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
from llvmlite import binding

from bertprep.errors import UsageError


def _sources_digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _cache_folder() -> Path:
    root = os.environ.get("NUMBA_CACHE_DIR")
    if not root:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        root = os.path.join(caches, "bertprep")
    folder = Path(root, f"numba-{_sources_digest()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _require_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        temporary = Path(tempfile.mkdtemp(prefix="bertprep-numba-"))
        atexit.register(_remove_in, os.getpid(), temporary)
        warnings.warn(
            f"{folder} is not writable: compiled kernels are kept in {temporary} for this run "
            "only; set NUMBA_CACHE_DIR to a writable folder",
            stacklevel=2,
        )
        return temporary


def _require_private(folder: Path) -> None:
    """Raise UsageError for a cache that others can write to: compiled code is run from there."""
    for path in (folder, folder.parent):
        status = path.stat()
        # In a sticky folder, such as /tmp, others cannot replace what is ours.
        is_open = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
        is_foreign = path == folder and status.st_uid not in (os.getuid(), 0)
        if is_open or is_foreign:
            raise UsageError(
                f"{path}: {'can be written by others' if is_open else 'belongs to another user'}, "
                "and compiled code is run from there: set NUMBA_CACHE_DIR to a folder that only "
                f"you can write to, or chmod o-w {path}"
            )


def _remove_in(process: int, folder: Path) -> None:
    if os.getpid() == process:  # not in the workers, which inherit the exit handler
        shutil.rmtree(folder, ignore_errors=True)


_FOLDER = str(_cache_folder())


def njit(*, allocates: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """A kernel: no Python objects, no GIL, compiled once a machine.

    Args:
        allocates: it makes arrays or returns one. Other kernels need no reference counts, and
            counting cost `tokenize`, cut into inlined functions with array arguments, 120 %.
    """
    options: dict[str, Any] = {"_nrt": allocates}

    def compiled(function: Callable[..., Any]) -> Any:
        # Only while ours are defined: other users of numba in this process keep their folder.
        others = numba.config.CACHE_DIR  # type: ignore[attr-defined]
        numba.config.CACHE_DIR = _FOLDER  # type: ignore[attr-defined]
        try:
            return numba.njit(nogil=True, cache=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = others  # type: ignore[attr-defined]

    return compiled


#: Part of a kernel that numba inlines into its callers.
inlined = functools.partial(numba.njit, nogil=True, inline="always")


@contextmanager
def one_compiles(command: str = "create") -> Iterator[None]:
    """Let one process compile for all on machines of its kind; the others wait, then only load.

    Processes that write numba's cache at the same time lose each other's work, or worse
    (numba#4807, numba#10128). Once a marker says that all is compiled, none waits. Each command has
    its own marker, since it has its own kernels.
    """
    features = binding.get_host_cpu_features().flatten()
    kind = (numba.__version__, sys.version, binding.get_host_cpu_name(), features, command)
    digest = hashlib.sha256(repr(kind).encode()).hexdigest()[:16]
    mark = Path(_FOLDER, f"compiled-{digest}")
    if mark.exists():
        yield
        return
    with open(Path(_FOLDER, "lock"), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mark.exists():
            fcntl.flock(lock, fcntl.LOCK_UN)
        yield
        mark.touch()
