"""URLs -> files of the corpus, by the rules for local names where a store can list its files.

Runs in a process of its own (`storage.run_in_subprocess`). Two or three small requests per file,
several at a time.
"""

import posixpath
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bertprep.corpus.detection import choose_files
from bertprep.corpus.first_bytes import require_text
from bertprep.corpus.streams import compression_of
from bertprep.data import InputFile
from bertprep.errors import UsageError
from bertprep.options import shown_url
from bertprep.storage import HEAD_BYTES, find_files, look, read_remote

IS_VOCABULARY = "this is the vocabulary (--vocab). Remove it from the inputs"
IS_IN_OUTPUT = "this input is in the output folder. Choose another folder for --output"
NO_MATCH = "no file matches this glob. Check the spelling of the input"

_REQUESTS_AT_ONCE = 16


@dataclass(frozen=True)
class RemoteInputs:
    """Files that URLs name.

    Attributes:
        urls: the URLs of each pattern's files, in reading order.
        files: the file of each URL.
        web_pages: names of files that a server declares to be HTML.
    """

    urls: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, InputFile] = field(default_factory=dict)
    web_pages: list[str] = field(default_factory=list)


def find_remote(patterns: Sequence[str], vocab: Path, output: str, format: str) -> RemoteInputs:
    """Find the files that URLs name, and read the first bytes of each.

    Args:
        patterns: the URLs.
        vocab: the vocabulary file; a copy of it in a folder is not text.
        output: the output, if that is a URL too; what is in it is no input.
        format: `CorpusOptions.format`.

    Raises:
        UsageError: a URL that names nothing, or something that cannot be an input.
        BertprepError: a file is UTF-16 or UTF-32, or a store does not answer.
    """
    urls = {pattern: _urls_of(pattern, output, format) for pattern in patterns}
    names = list(dict.fromkeys(url for found in urls.values() for url in found))
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        looks = dict(zip(names, pool.map(_look_at, names), strict=True))
    pieces = vocab.read_bytes() if vocab.is_file() else b""
    for url, (file, _) in list(looks.items()):
        if pieces and _has_content(file, vocab.name, pieces):
            if url in urls:
                raise UsageError(f"{file.path}: {IS_VOCABULARY}")
            del looks[url]
    return RemoteInputs(
        {pattern: [url for url in found if url in looks] for pattern, found in urls.items()},
        {url: file for url, (file, _) in looks.items()},
        [file.path for file, is_page in looks.values() if is_page],
    )


def _urls_of(pattern: str, output: str, format: str) -> list[str]:
    name = shown_url(pattern)
    if output and _is_inside(pattern, output):
        raise UsageError(f"{name}: {IS_IN_OUTPUT}")
    kind, found = find_files(pattern)
    if kind == "file":
        return found
    root = pattern if kind == "folder" else _fixed_part(pattern)
    wants_hidden = kind == "glob" and "/." in pattern.removeprefix(root.rstrip("/"))
    urls = [
        url
        for url in sorted(found, key=lambda url: url.encode("utf-8", "surrogateescape"))
        if not (output and _is_inside(url, output)) and (wants_hidden or not _is_hidden(url, root))
    ]
    if kind == "folder":
        return choose_files(name, urls, format)
    if not urls:
        raise UsageError(f"{name}: {NO_MATCH}")
    return urls


def _fixed_part(pattern: str) -> str:
    """Return the folder before the first part of a glob that is not a plain name."""
    first = min(pattern.find(mark) for mark in "*?[" if mark in pattern)
    return pattern[: pattern.rindex("/", 0, first) + 1]


def _is_hidden(url: str, root: str) -> bool:
    return "/." in "/" + url.removeprefix(root.rstrip("/")).lstrip("/")


def _is_inside(url: str, folder: str) -> bool:
    return (url.rstrip("/") + "/").startswith(folder.rstrip("/") + "/")


def _has_content(file: InputFile, name: str, data: bytes) -> bool:
    """Return whether a file has this name and these bytes; one of another size is not read."""
    remote = file.remote
    if not remote or posixpath.basename(file.path) != name or remote.size != len(data):
        return False
    return b"".join(read_remote(remote, 0, remote.size, remote.size)) == data


def _look_at(url: str) -> tuple[InputFile, bool]:
    remote, head, media_type = look(url, HEAD_BYTES)
    name = shown_url(url)
    compression = compression_of(head)
    if compression == "none":
        require_text(name, head)
    file = InputFile(name, remote.size, 0, compression, remote=remote)
    return file, media_type == "text/html"
