"""What is read and where it goes: files that are text, and a place that may be written to."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bertprep.corpus import find_formats, find_inputs
from bertprep.data import InputFile
from bertprep.errors import BertprepError, UsageError
from bertprep.options import VocabOptions
from bertprep.vocabulary.run import say, warn

STDOUT = Path("-")


def require_place(options: VocabOptions) -> None:
    """Raises UsageError where the output cannot be written, or must not be."""
    output = options.output
    if output == STDOUT:
        return
    if output.is_dir():
        file = output / "vocab.txt"
        raise UsageError(f"{output}: is a folder. Name a file in it: --output {file}")
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent}: no such folder. Make it, or name another --output")
    if output.exists() and not options.overwrite:
        raise UsageError(f"{output}: is there already: name another --output, or pass --overwrite")


@contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """A folder beside the output, whose disk a corpus larger than memory needs; gone afterwards."""
    place = None if output == STDOUT else output.parent
    with tempfile.TemporaryDirectory(prefix=".bertprep-vocab-", dir=place) as folder:
        yield Path(folder)


def find_files(options: VocabOptions, work: Path) -> tuple[InputFile, ...]:
    """The files of the corpus, without vocabularies that lie among them.

    Raises:
        BertprepError: there is none, one cannot be read, or all are empty.
    """
    inputs = find_inputs(
        options.inputs,
        vocab=options.extend or options.output,
        output=options.output,
        spool=work / "stdin",
        format=options.corpus.format,
    )
    files = tuple(file for file in inputs.files if not _is_vocabulary(file))
    left_out = ", ".join(file.path for file in inputs.files if file not in files)
    note = f"{left_out}: a vocabulary, and not text: left out" if left_out else None
    warn(options, *inputs.warnings, note)
    if not any(file.size for file in files):
        raise BertprepError(f"{named(options)}: there is no text, only empty files: name others")
    found, told = find_formats(files, options.corpus)
    if told:
        say(options, told)
    return found


def _is_vocabulary(file: InputFile) -> bool:
    """One lies in many a corpus's folder, and would make its own pieces more frequent."""
    if file.remote:
        return False
    with open(file.location, "rb") as stream:
        return stream.read(6) in (b"[PAD]\n", b"[PAD]\r")


def named(options: VocabOptions) -> str:
    """The inputs, as a message names them."""
    more = f" and {len(options.inputs) - 3:,} more" if len(options.inputs) > 3 else ""
    return " ".join(options.inputs[:3]) + more
