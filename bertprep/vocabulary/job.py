"""Options of `bertprep vocab` -> the job: everything checked and resolved before text is read.

The counts of the words depend on the job alone, so its plan decides whether a run resumes.
"""

import dataclasses
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertprep import __version__
from bertprep.corpus import Split, estimate_text_bytes, find_formats, find_inputs, plan_splits
from bertprep.data import InputFile, identify
from bertprep.errors import BertprepError, UsageError
from bertprep.options import STDOUT, CorpusOptions, TokenizerOptions, VocabOptions
from bertprep.terminal import message
from bertprep.vocab import SPECIAL_TOKENS

#: A split's words are merged before they are written: larger splits leave less to merge, smaller
#: ones keep more workers busy and lose less in a crash.
_MOST_SPLITS = 128
SPLIT_BYTES, _LARGEST_SPLIT_BYTES = 8 << 20, 512 << 20
#: Text per bucket, and the most buckets: merging one reads from every blob.
_BUCKET_BYTES, _MOST_BUCKETS = 16 << 20, 4096


@dataclass(frozen=True)
class VocabJob:
    """What every task of a run receives.

    Attributes:
        tokenizer: how text becomes words; `max_input_chars_per_word` limits the words counted.
        corpus: how text is read.
        num_buckets: parts that the words are divided into.
        work: folder of the blobs.
    """

    tokenizer: TokenizerOptions
    corpus: CorpusOptions
    num_buckets: int
    work: Path


def require_output(options: VocabOptions) -> None:
    """Raise UsageError if the output cannot or must not be written."""
    output = options.output
    if output == STDOUT:
        return
    if output.is_dir():
        file = output / "vocab.txt"
        raise UsageError(f"{output}: is a folder. Name a file in it: --output {file}")
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent}: no such folder. Create it, or name another --output")
    if output.exists() and not options.overwrite:
        raise UsageError(f"{output}: already exists. Name another --output, or pass --overwrite")


def make_job(options: VocabOptions, work: Path) -> tuple[VocabJob, list[Split], dict[str, Any]]:
    """Find the files of the corpus.

    Returns:
        The job, the splits of the files, and the plan: JSON values that the counts depend on.

    Raises:
        BertprepError: no file is found, one cannot be read, or all are empty.
    """
    files = _find_files(options, work)
    text_bytes = estimate_text_bytes(files)
    num_buckets = min(_MOST_BUCKETS, 1 + text_bytes // _BUCKET_BYTES)
    split_bytes = min(max(SPLIT_BYTES, text_bytes // _MOST_SPLITS), _LARGEST_SPLIT_BYTES)
    plan = {
        "version": __version__,
        "unicode": unicodedata.unidata_version,
        "inputs": identify(files),
        "tokenizer": dataclasses.asdict(options.tokenizer),
        "corpus": dataclasses.asdict(options.corpus),
        "num_buckets": num_buckets,
        "split_bytes": split_bytes,
    }
    if options.execution.engine == "spark":
        # Executors run in other folders. Messages still name a file as the user did.
        files = [
            file if file.remote else dataclasses.replace(file, spool=os.path.abspath(file.location))
            for file in files
        ]
    job = VocabJob(options.tokenizer, options.corpus, num_buckets, work.absolute())
    return job, plan_splits(files, split_bytes, options.corpus), plan


def _find_files(options: VocabOptions, work: Path) -> Sequence[InputFile]:
    """Find the files of the corpus, without vocabularies among them."""
    inputs = find_inputs(
        options.inputs,
        vocab=options.extend or options.output,
        output=options.output,
        spool=work / "stdin",
        format=options.corpus.format,
    )
    vocabularies = {file for file in inputs.files if _is_vocabulary(file)}
    files = tuple(file for file in inputs.files if file not in vocabularies)
    skipped = ", ".join(file.path for file in inputs.files if file in vocabularies)
    warn(options, *inputs.warnings, f"{skipped}: skipped, is a vocabulary" if skipped else None)
    if not any(file.size for file in files):
        raise BertprepError(f"{inputs_shown(options)}: all files are empty. Name files with text")
    found, note = find_formats(files, options.corpus)
    if note:
        say(options, note)
    return found


def _is_vocabulary(file: InputFile) -> bool:
    """Return whether a file is a vocabulary, which would raise the counts of its own pieces."""
    if file.remote:
        return False
    with open(file.location, "rb") as stream:
        return stream.readline(8).strip().decode("latin-1") in SPECIAL_TOKENS


def inputs_shown(options: VocabOptions) -> str:
    """Return the inputs as messages name them."""
    more = f" and {len(options.inputs) - 3:,} more" if len(options.inputs) > 3 else ""
    return " ".join(options.inputs[:3]) + more


def warn(options: VocabOptions, *texts: str | None) -> None:
    """Print each text as a warning, unless quiet; None prints nothing."""
    for text in texts:
        if text:
            say(options, f"Warning: {text}")


def say(options: VocabOptions, text: str) -> None:
    """Print one line on stderr, unless quiet."""
    if not options.quiet:
        message(text)
