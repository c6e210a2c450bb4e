"""Files that are there whole or not at all, also after a power cut; and sizes for people."""

import os
from pathlib import Path

from bertprep.errors import naming


def fsync_folder(folder: Path) -> None:
    """Makes renames in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, temporary: Path, *parts: bytes | memoryview) -> None:
    """Writes the parts, one behind the other, under a temporary name and renames the file."""
    try:
        with naming(path), open(temporary, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)
