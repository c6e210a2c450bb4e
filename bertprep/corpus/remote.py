"""URLs -> files of the corpus: the rules of local names, where a store can list what it has.

Runs in a process of its own (`storage.run_in_subprocess`). Two or three small requests per file,
several at once.
"""

import posixpath
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bertprep.corpus.first_bytes import compression_of, refuse_wide_text
from bertprep.corpus.names import choose_files
from bertprep.data import InputFile
from bertprep.errors import UsageError
from bertprep.options import shown_url
from bertprep.storage import find_files, look, read_remote

_HEAD_BYTES = 16
_REQUESTS_AT_ONCE = 16


@dataclass(frozen=True)
class RemoteInputs:
    """What URLs were found to be.

    Attributes:
        urls: for each pattern, the URLs of its files, in reading order.
        files: the file of each URL.
        web_pages: names that a server says are pages for a browser.
    """

    urls: dict[str, list[str]]
    files: dict[str, InputFile]
    web_pages: list[str]


def find_remote(patterns: Sequence[str], vocab: Path, output: str, format: str) -> RemoteInputs:
    """Finds the files that URLs name, and looks at each.

    Args:
        vocab: the vocabulary file; a copy of it in a folder is no text.
        output: the output, if that is a URL too; what lies in it is no input.
        format: `CorpusOptions.format`.

    Raises:
        UsageError: a URL that names nothing, or something that cannot be an input.
        BertprepError: a file that is UTF-16 or UTF-32, or a store that does not answer.
    """
    urls = {pattern: _urls_of(pattern, output, format) for pattern in patterns}
    names = list(dict.fromkeys(url for found in urls.values() for url in found))
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as helpers:
        looks = dict(zip(names, helpers.map(_look_at, names), strict=True))
    pieces = vocab.read_bytes() if vocab.is_file() else b""
    for url, (file, _) in list(looks.items()):
        if pieces and _holds(file, vocab.name, pieces):
            if url in urls:
                raise UsageError(
                    f"{file.path}: this is the vocabulary (--vocab). Take it out of the inputs"
                )
            del looks[url]
    kept = {name: [url for url in found if url in looks] for name, found in urls.items()}
    pages = [file.path for file, is_page in looks.values() if is_page]
    return RemoteInputs(kept, {url: file for url, (file, _) in looks.items()}, pages)


def _urls_of(pattern: str, output: str, format: str) -> list[str]:
    name = shown_url(pattern)
    if output and _is_inside(pattern, output):
        raise UsageError(
            f"{name}: this input lies in the output folder. Choose another folder for --output"
        )
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
        raise UsageError(f"{name}: no file matches this glob. Check the spelling of the input")
    return urls


def _fixed_part(pattern: str) -> str:
    """The folder before the first part of a glob that is not a plain name."""
    first = min(pattern.find(mark) for mark in "*?[" if mark in pattern)
    return pattern[: pattern.rindex("/", 0, first) + 1]


def _is_hidden(url: str, root: str) -> bool:
    return "/." in "/" + url.removeprefix(root.rstrip("/")).lstrip("/")


def _is_inside(url: str, folder: str) -> bool:
    return (url.rstrip("/") + "/").startswith(folder.rstrip("/") + "/")


def _holds(file: InputFile, name: str, data: bytes) -> bool:
    """Whether a file of this name has these bytes; one of another size is not read."""
    remote = file.remote
    if not remote or posixpath.basename(file.path) != name or remote.size != len(data):
        return False
    return b"".join(read_remote(remote, 0, remote.size, remote.size)) == data


def _look_at(url: str) -> tuple[InputFile, bool]:
    remote, head, media_type = look(url, _HEAD_BYTES)
    name = shown_url(url)
    refuse_wide_text(name, head)
    file = InputFile(name, remote.size, 0, compression_of(head), remote=remote)
    return file, media_type == "text/html"
