"""Which files of a folder are the corpus, by their names."""

import os
from collections.abc import Sequence

from bertprep.errors import UsageError

PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
_FORMATS = {
    ".txt": "text",
    ".text": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
#: Names that many a file has beside a corpus too (LICENSE, state.json): they give way to others.
_WEAK_FORMATS = {"": "text", ".json": "jsonl"}
_NAMES = {
    "text": ".txt, .text or have no suffix",
    "jsonl": ".jsonl, .ndjson or .json",
    "parquet": ".parquet",
}
#: What the files of a format are named like.
_ALIKE = {"paragraphs": ("text",), "wikiextractor": ("text", "jsonl")}


def suffix_of(path: str) -> str:
    """The last suffix of a name, in lower case, without those of compression."""
    stem, suffix = os.path.splitext(os.path.basename(path).lower())
    return os.path.splitext(stem)[1] if suffix in PACKED_SUFFIXES else suffix


def named_format(path: str) -> str | None:
    """The format that a name speaks for; None where it does not, or not clearly."""
    return _FORMATS.get(suffix_of(path))


def some_of(names: Sequence[str]) -> str:
    """Join the first names; a folder named twice must not fill the screen."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def choose_files(folder: str, paths: Sequence[str], format: str) -> list[str]:
    """Take the files of one format from those of a folder.

    Args:
        folder: as it was named.
        paths: all files in it.
        format: `CorpusOptions.format`. "auto" takes what there is: where there are several, names
            without a suffix and .json give way, and what is left over is asked about.

    Raises:
        UsageError: there are none, or names of several formats.
    """
    strong: dict[str, list[str]] = {}
    weak: dict[str, list[str]] = {}
    for path in paths:
        suffix = suffix_of(path)
        if suffix in _FORMATS:
            strong.setdefault(_FORMATS[suffix], []).append(path)
        elif suffix in _WEAK_FORMATS:
            weak.setdefault(_WEAK_FORMATS[suffix], []).append(path)
    wanted = _ALIKE.get(format, (format,))
    if format == "auto":
        wanted = tuple(strong) or tuple(weak)
        if len(strong) > 1:
            some = " and ".join(found[0] for found in strong.values())
            raise UsageError(
                f"{folder}: files of several formats are in this folder ({some}). Pass --format "
                f"{' or '.join(strong)} to read those of one, or name files with globs"
            )
        if not strong and len(weak) > 1:
            wanted = ("text",)
    chosen = {path for kind in wanted for path in [*strong.get(kind, []), *weak.get(kind, [])]}
    if not chosen:
        kinds = _NAMES if format == "auto" else {kind: _NAMES[kind] for kind in wanted}
        raise UsageError(
            f"{folder}: no text files in this folder. Those count whose names end in "
            f"{', '.join(kinds.values())}, also with .gz, .bz2, .xz or .zst behind; "
            f"name others with a glob, as in '{os.path.join(folder, '**', '*.md')}'"
        )
    return [path for path in paths if path in chosen]
