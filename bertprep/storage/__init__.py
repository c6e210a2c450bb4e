"""Object stores and web servers, through fsspec: named by URL, read in ranges, written whole.

    URL -> file system -> files with size and version -> bytes, tried again until they are there

Local files do not come this way: they are opened, renamed and synced as ever. Nothing here is
imported, fsspec least of all, before a URL is given.

A process that forks workers asks a store through `run_in_subprocess`: fsspec runs an event loop in
a thread, which does not survive a fork.
"""

from bertprep.storage.listing import find_files, list_sizes
from bertprep.storage.reading import look, open_remote, read_remote, require_unchanged
from bertprep.storage.retries import FIRST_TRIES
from bertprep.storage.run_in_subprocess import run_in_subprocess
from bertprep.storage.systems import require_system
from bertprep.storage.writing import put_bytes, put_file, read_whole, remove, size_of

__all__ = [
    "FIRST_TRIES",
    "find_files",
    "list_sizes",
    "look",
    "open_remote",
    "put_bytes",
    "put_file",
    "read_remote",
    "read_whole",
    "remove",
    "require_system",
    "require_unchanged",
    "run_in_subprocess",
    "size_of",
]
