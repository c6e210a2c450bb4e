"""How kernels are compiled, and where the compiled code is kept.

The folder carries a digest of all kernel sources, since numba looks for changes only in the file
of a function and not in those it inlines (numba#1833). It is NUMBA_CACHE_DIR when that is set, else
the user's cache folder, else a private temporary one.
"""

import atexit
import functools
import hashlib
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import numba


def _sources_digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(root, "bertprep", f"numba-{_sources_digest()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        temporary = Path(tempfile.mkdtemp(prefix="bertprep-numba-"))
        atexit.register(_remove_in, os.getpid(), temporary)
        warnings.warn(
            f"{folder} cannot be written: compiled kernels are kept in {temporary} for this run "
            "only; set NUMBA_CACHE_DIR to a folder that can be",
            stacklevel=2,
        )
        return temporary


def _remove_in(process: int, folder: Path) -> None:
    if os.getpid() == process:  # not in the workers, which inherit the exit handler
        shutil.rmtree(folder, ignore_errors=True)


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]

#: A kernel: no Python objects, no GIL, compiled once a machine.
njit = functools.partial(numba.njit, nogil=True, cache=True)
#: A piece of a kernel, put into its callers.
inlined = functools.partial(numba.njit, nogil=True, inline="always")
