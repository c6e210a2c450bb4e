"""Find the format of each input file, by its name and its first bytes, and the files of a folder.

Text is the default, and may begin with `{` or `<`. Where two readings are likely the user is asked,
because records made with the wrong one look right.
Cost: 64 KB are read per file, and the footer of parquet; up to 4 MB if the first line is a long
JSON object.
"""

import os
from collections.abc import Mapping, Sequence

from bertprep.corpus.formats import FORMATS
from bertprep.corpus.formats.base import FileStart, Format, suffix_of
from bertprep.corpus.streams import COMPRESSIONS
from bertprep.data import InputFile
from bertprep.errors import UsageError
from bertprep.options import CorpusOptions
from bertprep.storage import CONTAINERS, run_in_subprocess

#: Suffix -> format; unrelated files have the weak ones too.
_SUFFIXES = {suffix: format for format in FORMATS.values() for suffix in format.suffixes}
_WEAK_SUFFIXES = {suffix: format for format in FORMATS.values() for suffix in format.weak_suffixes}


def find_formats(
    files: Sequence[InputFile], options: CorpusOptions
) -> tuple[tuple[InputFile, ...], str | None]:
    """Return the files with their formats, and a message about the formats found.

    The message is None if all files are text, or if `options.format` names the format.

    Raises:
        UsageError: the format of a file is ambiguous or not the given one, or a library that it
            needs is missing.
        BertprepError: a file cannot be read.
    """
    if any(file.remote for file in files):
        # Reading a store starts threads, and workers are forked from this process.
        found = run_in_subprocess(_with_formats, files, options)
    else:
        found = _with_formats(files, options)
    if options.rows == "lines" and not any(FORMATS[f.format].has_rows for f in found if f.size):
        raise UsageError(
            "--rows lines is for JSON lines and parquet, and no input is one of them. Leave it "
            "out: in text an empty line ends a document"
        )
    names: dict[str, list[str]] = {}
    for file in found:
        if file.size:
            names.setdefault(file.format, []).append(file.path)
    if options.format != "auto" or not names or names.keys() == {"text"}:
        return found, None
    parts = (f"{format}: {first_names(paths)}" for format, paths in names.items())
    return found, f"Found {'; '.join(parts)}"


def _with_formats(files: Sequence[InputFile], options: CorpusOptions) -> tuple[InputFile, ...]:
    found = []
    for file in files:
        start = FileStart(file)
        if not file.size:
            found.append(file)
        elif options.format == "auto":
            format = next(format for format in FORMATS.values() if format.sniff(start, options))
            found.append(format.prepare(start, options))
        else:
            found.append(FORMATS[options.format].prepare(start, options))
    return tuple(found)


def choose_files(folder: str, paths: Sequence[str], format: str) -> list[str]:
    """Return the files of one format among those of a folder.

    Args:
        folder: the folder as the user named it.
        paths: all files in it.
        format: `CorpusOptions.format`. "auto" takes the one format that the names speak for; files
            without a suffix and .json files count only if there are no others.

    Raises:
        UsageError: there is no file, or there are names of several formats, or of containers.
    """
    strong, weak = _by_format(paths, _SUFFIXES), _by_format(paths, _WEAK_SUFFIXES)
    if format == "auto" and not strong and "text" not in weak:
        _refuse_containers(folder, paths)
    if format != "auto":
        accepted = FORMATS[format].stored_as or (format,)
    elif len(strong) > 1:
        examples = " and ".join(found[0] for found in strong.values())
        raise UsageError(
            f"{folder}: files of several formats are in this folder ({examples}). Pass --format "
            f"{' or '.join(strong)} to read those of one, or name files with globs"
        )
    else:
        accepted = tuple(strong) or (tuple(weak) if len(weak) == 1 else ("text",))
    chosen = {path for name in accepted for path in [*strong.get(name, []), *weak.get(name, [])]}
    if not chosen:
        formats = [FORMATS[name] for name in (FORMATS if format == "auto" else accepted)]
        suffixes = [suffix for kind in formats for suffix in (*kind.suffixes, *kind.weak_suffixes)]
        suffixes = [*filter(None, suffixes), *(["has no suffix"] if "" in suffixes else [])]
        raise UsageError(
            f"{folder}: no {'text' if format == 'auto' else format} files in this folder. A file "
            f"counts if its name ends in {_listed(suffixes)}, followed by "
            f"{_listed([kind.suffix for kind in COMPRESSIONS.values()])} if it is compressed. "
            f"Name other files with a glob, as in '{os.path.join(folder, '**', '*.md')}'"
        )
    return [path for path in paths if path in chosen]


def _refuse_containers(folder: str, paths: Sequence[str]) -> None:
    """Raise UsageError if there are containers: a .json file beside them describes them."""
    for path in paths:
        for container in CONTAINERS:
            if container.suffix and suffix_of(path) == container.suffix:
                raise UsageError(
                    f"{folder}: no text files in this folder, but {path}, whose name is that of "
                    f"{container.kind}. {container.advice}"
                )


def first_names(names: Sequence[str]) -> str:
    """Join the first three names, and count the rest."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _by_format(paths: Sequence[str], formats: Mapping[str, Format]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        if format := formats.get(suffix_of(path)):
            found.setdefault(format.name, []).append(path)
    return found


def _listed(words: Sequence[str]) -> str:
    return " or ".join([*([", ".join(words[:-1])] if words[1:] else []), words[-1]])
