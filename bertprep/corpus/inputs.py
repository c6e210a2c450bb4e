"""Names, globs, folders, URLs and stdin -> the files of the corpus, in reading order.

The first bytes of each file are read; only stdin is read whole, into a file of its own.
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

from bertprep.corpus.detection import choose_files, first_names
from bertprep.corpus.first_bytes import require_text
from bertprep.corpus.remote import (
    IS_IN_OUTPUT,
    IS_VOCABULARY,
    NO_MATCH,
    RemoteInputs,
    find_remote,
)
from bertprep.corpus.streams import compression_of
from bertprep.data import InputFile
from bertprep.errors import BertprepError, UsageError
from bertprep.options import Place, is_url, plain_name, shown_url
from bertprep.storage import HEAD_BYTES, require_system, run_in_subprocess
from bertprep.storage.files import NewFile

STDIN = "-"


@dataclass(frozen=True)
class Inputs:
    """The files of the corpus in reading order, and warnings about them."""

    files: tuple[InputFile, ...]
    warnings: tuple[str, ...]


def find_inputs(
    patterns: Sequence[str], *, vocab: Path, output: Place, spool: Path, format: str = "auto"
) -> Inputs:
    """Find the files that `patterns` name, each once, in the order of the patterns.

    Args:
        patterns: files, globs (`**` too), folders, URLs of these, or "-". The files of a glob or a
            folder come in byte order of their paths, without hidden files, the vocabulary and
            files in `output`.
        vocab: the vocabulary file.
        output: the output folder; it need not exist.
        spool: the file that stdin is copied to.
        format: `CorpusOptions.format`; it selects the files of a folder by their names.

    Raises:
        UsageError: a pattern names nothing, or something that cannot be an input.
        BertprepError: a file cannot be read, or is UTF-16 or UTF-32.
    """
    patterns = list(map(plain_name, patterns))
    remote = _find_remote(list(filter(is_url, patterns)), vocab, output, format)
    local = _LocalInputs(vocab, output, format)
    repeated: list[str] = []
    names: dict[str, str] = {}
    for pattern in patterns:
        is_local = pattern not in remote.urls and pattern != STDIN
        for name in local.paths_of(pattern) if is_local else remote.urls.get(pattern, [STDIN]):
            identity = local.real_path(name) if is_local else name
            if identity in names:
                repeated.append(shown_url(name))
            else:
                names[identity] = name
    found = {
        name: remote.files.get(name) or _look_at(name) for name in names.values() if name != STDIN
    }
    if STDIN in names:
        # Last, so that an error in another name is reported before a long pipe is read.
        found[STDIN] = _spool_stdin(spool)
    files = tuple(found[name] for name in names.values())
    notes = {
        "named more than once, read once": repeated,
        "link to a folder or to nothing, not followed (name the folder itself)": local.unfollowed,
        "empty file": [file.path for file in files if not file.size],
        "the server calls it a web page; read as text": remote.web_pages,
    }
    return Inputs(
        files, tuple(f"{first_names(paths)}: {note}" for note, paths in notes.items() if paths)
    )


def _find_remote(urls: Sequence[str], vocab: Path, output: Place, format: str) -> RemoteInputs:
    for url in urls:
        require_system(url)
    if not urls:
        return RemoteInputs()
    # Reading a store starts threads, and workers are forked from this process.
    output_url = output if isinstance(output, str) else ""
    return run_in_subprocess(find_remote, urls, vocab, output_url, format)


class _LocalInputs:
    """Local names -> paths.

    Attributes:
        unfollowed: links found that lead to no file.
    """

    def __init__(self, vocab: Path, output: Place, format: str) -> None:
        self.unfollowed: list[str] = []
        self._vocab = os.path.realpath(vocab)
        self._output = os.path.realpath(output)
        self._format = format
        self._real_folders: dict[str, str] = {}

    def real_path(self, path: str) -> str:
        """Return the path without links; each folder is looked up once."""
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        return os.path.join(self._real_folders[folder], name)

    def paths_of(self, pattern: str) -> list[str]:
        """Return the files that a name, a folder or a glob stands for."""
        is_folder = os.path.isdir(pattern)
        exists = is_folder or os.path.lexists(pattern)
        if exists and self._is_inside_output(pattern):
            raise UsageError(f"{pattern}: {IS_IN_OUTPUT}")
        if is_folder:
            candidates = self._expand(os.path.join(glob.escape(pattern), "**", "*"))
        elif exists:
            self._require_file(pattern)
            return [pattern]
        elif glob.has_magic(pattern):
            candidates = self._expand(pattern)
        else:
            raise UsageError(f"{pattern}: no such file or folder. Check the spelling of the input")
        paths = []
        for path in sorted(candidates, key=os.fsencode):
            if self._is_vocab(path) or self._is_inside_output(path):
                continue
            if os.path.isfile(path):
                paths.append(path)
            elif os.path.islink(path):
                self.unfollowed.append(path)
        if is_folder:
            return choose_files(pattern, paths, self._format)
        if not paths:
            raise UsageError(f"{pattern}: {NO_MATCH}")
        return paths

    def _is_inside_output(self, path: str) -> bool:
        real_path = self.real_path(path)
        return real_path == self._output or real_path.startswith(os.path.join(self._output, ""))

    def _is_vocab(self, path: str) -> bool:
        return self.real_path(path) == self._vocab

    def _require_file(self, path: str) -> None:
        if self._is_vocab(path):
            raise UsageError(f"{path}: {IS_VOCABULARY}")
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            raise UsageError(f"{path}: this link leads to no file ({error.strerror})") from error
        if stat.S_ISFIFO(mode):
            raise UsageError(f"{path}: this is a pipe. Name - as the input, and add: < {path}")
        if not stat.S_ISREG(mode):
            raise UsageError(
                f"{path}: neither a file nor a folder. Name a text file, or - for stdin"
            )

    def _expand(self, pattern: str) -> set[str]:
        """Expand a glob. The `**` of `glob` would follow links to folders, and loop."""
        recursive = re.fullmatch(r"((?:.*?/)?)\*\*(?:/+(.*))?", pattern, re.DOTALL)
        if recursive is None:
            return set(glob.glob(pattern))
        head, tail = recursive[1], recursive[2] or "*"
        paths: set[str] = set()
        for root in glob.glob(head) if head else [""]:
            for folder in self._folders(root):
                paths |= self._expand(os.path.join(glob.escape(folder), tail))
        return paths

    def _folders(self, root: str) -> Iterator[str]:
        """Yield `root` and the folders below it, except hidden ones, links and the output."""
        pending = [root]
        while pending:
            folder = pending.pop()
            if os.path.realpath(folder) == self._output:
                continue
            yield folder
            try:
                with os.scandir(folder or ".") as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError as error:
                raise BertprepError(f"{folder}: cannot be listed ({error.strerror})") from error
            pending += [os.path.join(folder, name) for name in names if not name.startswith(".")]


def _look_at(path: str, spool: str | None = None) -> InputFile:
    try:
        with open(spool or path, "rb") as stream:
            status = os.fstat(stream.fileno())
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        raise BertprepError(f"{path}: cannot be read ({error.strerror})") from error
    compression = compression_of(head)
    if compression == "none":
        require_text(path, head)
    modified = 0 if spool else status.st_mtime_ns
    return InputFile(path, status.st_size, modified, compression, spool)


def _spool_stdin(spool: Path) -> InputFile:
    unfinished = spool.with_name(spool.name + ".tmp")
    try:
        spool.parent.mkdir(parents=True, exist_ok=True)
        with NewFile(spool, unfinished) as new:
            with open(new.descriptor, "wb", closefd=False) as stream:
                shutil.copyfileobj(sys.stdin.buffer, stream, 1 << 20)
            new.finish()
    except OSError as error:
        raise BertprepError(f"{spool}: stdin cannot be copied here ({error.strerror})") from error
    return _look_at(STDIN, os.fspath(spool))
