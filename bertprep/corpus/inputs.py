"""Names, globs, folders, URLs and stdin -> the files of the corpus, in the order of reading.

Each file is opened once for its first bytes; stdin alone is read whole, into a file of its own.
"""

import glob
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bertprep.corpus.first_bytes import compression_of, refuse_wide_text
from bertprep.corpus.names import choose_files, some_of
from bertprep.data import InputFile
from bertprep.errors import BertprepError, UsageError
from bertprep.options import Place, is_url, plain_name, shown_url
from bertprep.storage import require_system, run_in_subprocess

if TYPE_CHECKING:
    from bertprep.corpus.remote import RemoteInputs

STDIN = "-"
#: A guess at what text loses in compression: partitions are counted before anything is read.
TEXT_BYTES_PER_COMPRESSED_BYTE = 4

_HEAD_BYTES = 16


@dataclass(frozen=True)
class Inputs:
    """The files of the corpus in reading order, and what a person should know about them."""

    files: tuple[InputFile, ...]
    warnings: tuple[str, ...]


def find_inputs(
    patterns: Sequence[str], *, vocab: Path, output: Place, spool: Path, format: str = "auto"
) -> Inputs:
    """Find the files that `patterns` name, each once, in the order of the patterns.

    Args:
        patterns: files, globs (`**` too), folders, URLs of these, or "-". The files of a glob or a
            folder come in byte order of their paths, without hidden ones, the vocabulary and those
            in `output`.
        vocab: the vocabulary file.
        output: the folder of the shards; it need not be there.
        spool: the file that stdin is copied to.
        format: `CorpusOptions.format`; of a folder, the files with names of this format are taken.

    Raises:
        UsageError: a pattern that names nothing, or something that cannot be an input.
        BertprepError: a file that cannot be read, or that is UTF-16 or UTF-32.
    """
    off_limits = _OffLimits(os.path.realpath(vocab), os.path.realpath(output))
    remote = _find_remote(list(map(plain_name, patterns)), vocab, output, format)
    unfollowed: list[str] = []
    repeated: list[str] = []
    paths: dict[str, str] = {}
    for pattern in map(plain_name, patterns):
        is_remote = is_url(pattern)
        names = (
            remote.urls[pattern]
            if is_remote
            else _paths_of(pattern, off_limits, unfollowed, format)
        )
        for path in names:
            real_path = path if path == STDIN or is_remote else os.path.realpath(path)
            if real_path in paths:
                repeated.append(shown_url(path))
            else:
                paths[real_path] = path
    found = {
        path: remote.files.get(path) or _look_at(path) for path in paths.values() if path != STDIN
    }
    if STDIN in paths:
        # Last, so that a mistake in another name shows before a long pipe has run through.
        found[STDIN] = _spool_stdin(spool)
    files = tuple(found[path] for path in paths.values())
    empty = [file.path for file in files if not file.size]
    notes = {
        "named more than once, read once": repeated,
        "link to a folder or to nothing, not followed (name the folder itself)": unfollowed,
        "empty file": empty,
        "called a web page by its server, and read as text": remote.web_pages,
    }
    return Inputs(
        files, tuple(f"{some_of(names)}: {note}" for note, names in notes.items() if names)
    )


def _find_remote(
    patterns: Sequence[str], vocab: Path, output: Place, format: str
) -> "RemoteInputs":
    from bertprep.corpus.remote import RemoteInputs, find_remote  # which stands on this page

    urls = [pattern for pattern in patterns if is_url(pattern)]
    for url in urls:
        require_system(url)
    if not urls:
        return RemoteInputs({}, {}, [])
    # In a process of its own, since workers will be forked from this one.
    return run_in_subprocess(
        find_remote, urls, vocab, output if isinstance(output, str) else "", format
    )


def estimate_text_bytes(files: Sequence[InputFile]) -> int:
    """Guess the bytes of text in `files` from their sizes, unless they tell."""
    return sum(
        file.size * (1 if file.compression == "none" else TEXT_BYTES_PER_COMPRESSED_BYTE)
        if file.text_bytes is None
        else file.text_bytes
        for file in files
    )


@dataclass(frozen=True)
class _OffLimits:
    """Real paths of the vocabulary and of the output folder."""

    vocab: str
    output: str

    def is_inside_output(self, path: str) -> bool:
        real_path = os.path.realpath(path)
        return real_path == self.output or real_path.startswith(os.path.join(self.output, ""))

    def is_vocab(self, path: str) -> bool:
        return os.path.realpath(path) == self.vocab


def _paths_of(
    pattern: str, off_limits: _OffLimits, unfollowed: list[str], format: str
) -> list[str]:
    """Expand one pattern; links that lead to no file are added to `unfollowed`."""
    if pattern == STDIN:
        return [STDIN]
    is_folder = os.path.isdir(pattern)
    if (is_folder or os.path.lexists(pattern)) and off_limits.is_inside_output(pattern):
        raise UsageError(
            f"{pattern}: this input lies in the output folder. Choose another folder for --output"
        )
    if is_folder:
        candidates = _expand(os.path.join(glob.escape(pattern), "**", "*"), off_limits.output)
    elif os.path.lexists(pattern):
        _require_readable_kind(pattern, off_limits)
        return [pattern]
    elif glob.has_magic(pattern):
        candidates = _expand(pattern, off_limits.output)
    else:
        raise UsageError(f"{pattern}: no such file or folder. Check the spelling of the input")
    paths = []
    for path in sorted(candidates, key=os.fsencode):
        if off_limits.is_vocab(path) or off_limits.is_inside_output(path):
            continue
        if os.path.isfile(path):
            paths.append(path)
        elif os.path.islink(path):
            unfollowed.append(path)
    if is_folder:
        return choose_files(pattern, paths, format)
    if not paths:
        raise UsageError(f"{pattern}: no file matches this glob. Check the spelling of the input")
    return paths


def _expand(pattern: str, output: str) -> set[str]:
    """Expand a glob; the `**` of `glob` follows links to folders, round and round in a circle."""
    recursive = re.fullmatch(r"((?:.*?/)?)\*\*(?:/+(.*))?", pattern, re.DOTALL)
    if recursive is None:
        return set(glob.glob(pattern))
    head, tail = recursive[1], recursive[2] or "*"
    paths: set[str] = set()
    for root in glob.glob(head) if head else [""]:
        for folder in _folders(root, output):
            paths |= _expand(os.path.join(glob.escape(folder), tail), output)
    return paths


def _folders(root: str, output: str) -> Iterator[str]:
    """Yield `root` and the folders below it, without hidden ones, links and the output folder."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if os.path.realpath(folder) == output:
            continue
        yield folder
        try:
            with os.scandir(folder or ".") as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            raise BertprepError(f"{folder}: cannot be listed ({error.strerror})") from error
        waiting += [os.path.join(folder, name) for name in names if not name.startswith(".")]


def _require_readable_kind(path: str, off_limits: _OffLimits) -> None:
    if off_limits.is_vocab(path):
        raise UsageError(f"{path}: this is the vocabulary (--vocab). Take it out of the inputs")
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise UsageError(f"{path}: the link leads to no file ({error.strerror})") from error
    if stat.S_ISFIFO(mode):
        raise UsageError(f"{path}: this is a pipe. Name - as the input, and add: < {path}")
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path}: neither a file nor a folder. Name a text file, or - for stdin")


def _look_at(path: str, spool: str | None = None) -> InputFile:
    try:
        with open(spool or path, "rb") as stream:
            status = os.fstat(stream.fileno())
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise BertprepError(f"{path}: cannot be read ({error.strerror})") from error
    refuse_wide_text(path, head)
    modified = 0 if spool else status.st_mtime_ns
    return InputFile(path, status.st_size, modified, compression_of(head), spool)


def _spool_stdin(spool: Path) -> InputFile:
    unfinished = spool.with_name(spool.name + ".tmp")
    try:
        spool.parent.mkdir(parents=True, exist_ok=True)
        with open(unfinished, "wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream, 1 << 20)
        os.replace(unfinished, spool)
    except OSError as error:
        raise BertprepError(f"{spool}: stdin cannot be copied here ({error.strerror})") from error
    return _look_at(STDIN, os.fspath(spool))
