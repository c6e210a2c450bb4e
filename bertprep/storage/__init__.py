"""Files on this machine and on stores; the life of an output folder.

    URL -> file system -> files with size and version -> bytes, requested until they have arrived

Object stores and web servers are accessed through fsspec, which is imported when a URL is given. A
process that forks workers calls these functions through `run_in_subprocess`, since an event loop
in a thread does not survive a fork.
"""

from bertprep.storage.containers import CONTAINERS, HEAD_BYTES, find_container
from bertprep.storage.reading import look, open_remote, read_remote, require_unchanged
from bertprep.storage.remote_files import RemoteFiles
from bertprep.storage.run_in_subprocess import run_in_subprocess
from bertprep.storage.stores import find_files, require_system

__all__ = [
    "CONTAINERS",
    "HEAD_BYTES",
    "RemoteFiles",
    "find_container",
    "find_files",
    "look",
    "open_remote",
    "read_remote",
    "require_system",
    "require_unchanged",
    "run_in_subprocess",
]
