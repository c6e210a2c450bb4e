"""The shards under the names of `--output-file`: hard links, or copies where there are none."""

import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bertprep.create.job import Job
from bertprep.create.output_folder import shard_name
from bertprep.errors import UsageError


def require_free_names(job: Job) -> None:
    """Raise UsageError if a file that is not the shard has the name; `overwrite` permits it."""
    for name, shard in _pairs(job):
        is_free = not os.path.lexists(name) or _is_made(name, shard)
        if not is_free and (not job.options.overwrite or not name.is_file()):
            raise UsageError(
                f"{name}: already exists. Name another --output-file, or pass --overwrite"
            )


def name_shards(job: Job) -> None:
    """Give each shard its second name; a file of that name is replaced at once."""
    for name, shard in _pairs(job):
        if _is_made(name, shard):
            continue
        temporary = name.with_name(f".{name.name}.tmp")
        temporary.unlink(missing_ok=True)
        try:
            os.link(shard, temporary)
        except OSError:
            shutil.copyfile(shard, temporary)
        os.replace(temporary, name)


def _pairs(job: Job) -> Iterator[tuple[Path, Path]]:
    names = job.options.output_file
    for index, name in enumerate(names):
        yield Path(name), job.folder / shard_name(index, len(names))


def _is_made(name: Path, shard: Path) -> bool:
    if not (name.is_file() and shard.is_file()):
        return False
    return name.samefile(shard) or filecmp.cmp(name, shard, shallow=False)
