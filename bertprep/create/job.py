"""Options -> a `Job`: everything that is checked and resolved before anything is written.

The stages read the job and decide nothing that follows from the options. What only the text can
show, such as a corpus without documents, is checked by the functions at the end of this page.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bertprep.corpus import estimate_text_bytes, find_formats, find_inputs
from bertprep.create.partitions import plan_partitions
from bertprep.data import InputFile, PartitionPlan
from bertprep.errors import BertprepError
from bertprep.options import CreateOptions, InstanceOptions, available_cores
from bertprep.records.manifest import make_plan
from bertprep.storage.plans import Plan
from bertprep.terminal import count_of, in_bytes
from bertprep.tokenization.plain import require_pieces
from bertprep.vocab import Vocabulary

#: Bytes of text that are tokenized at a time.
BLOCK_BYTES = 8 << 20
#: A corpus of more blobs than this gets larger ones: each build task reads from all of them.
_MOST_BLOBS = 4096
_LARGEST_BLOB_BYTES = 8 * BLOCK_BYTES


@dataclass(frozen=True, eq=False)
class Job:
    """A run of `create` whose options were checked.

    Attributes:
        options: options of the command.
        files: files of the corpus.
        text_bytes: estimated bytes of text in the files.
        partitions: number of partitions and shards.
        blob_bytes: bytes of text that go into one blob.
        vocabulary_sha256: digest of the vocabulary file when the run started.
        plan: everything that the records follow from, as JSON values.
        folder: folder in which the shards are written.
        work: folder of unfinished files.
        url: where finished shards are uploaded to; None if they stay in `folder`.
        notes: lines to print before the work.
    """

    options: CreateOptions
    files: tuple[InputFile, ...]
    text_bytes: int
    partitions: PartitionPlan
    blob_bytes: int
    vocabulary_sha256: str
    plan: Plan
    folder: Path
    work: Path
    url: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def num_workers(self) -> int:
        """Number of worker processes."""
        return self.options.workers or available_cores()

    @property
    def of_tasks(self) -> "Job":
        """What every task receives: without the files, which may be many."""
        return replace(self, files=(), plan={})

    def is_held_out(self, partition: int) -> bool:
        """Return whether the documents of a partition are held out."""
        return partition >= self.partitions.num_partitions

    def instance_options(self, partition: int) -> InstanceOptions:
        """Return the options of a partition: its seed, and one pass over held-out documents."""
        options = self.options.instances
        seed = options.random_seed + partition
        if self.is_held_out(partition):
            return replace(options, random_seed=seed, dupe_factor=1)
        return replace(options, random_seed=seed)


def make_job(options: CreateOptions, folder: Path, work: Path, url: str | None = None) -> Job:
    """Find the corpus, and check and resolve all options.

    Args:
        folder: folder in which the shards are written.
        work: folder of unfinished files; standard input is copied to it.
        url: where finished shards are uploaded to, if anywhere.

    Raises:
        BertprepError: an option, a file or the vocabulary cannot be used.
    """
    vocabulary = Vocabulary.load(options.vocab)
    require_pieces(vocabulary, options.tokenizer.never_split)
    vocabulary.replacement_ids(ordinary_only=options.instances.quirks == "fix")
    files, notes = _find_files(options, work / "stdin")
    text_bytes = estimate_text_bytes(files)
    partitions = plan_partitions(
        text_bytes,
        num_shards=options.num_shards,
        num_partitions=options.num_partitions,
        eval_fraction=options.eval_fraction,
    )
    job = Job(
        options=options,
        files=files,
        text_bytes=text_bytes,
        partitions=partitions,
        blob_bytes=min(max(BLOCK_BYTES, text_bytes // _MOST_BLOBS), _LARGEST_BLOB_BYTES),
        vocabulary_sha256=vocabulary.sha256,
        plan=make_plan(options, vocabulary, files, partitions),
        folder=folder,
        work=work,
        url=url,
        notes=notes,
    )
    return _with_absolute_paths(job) if options.execution.engine == "spark" else job


def _find_files(
    options: CreateOptions, spool: Path
) -> tuple[tuple[InputFile, ...], tuple[str, ...]]:
    inputs = find_inputs(
        options.inputs,
        vocab=options.vocab,
        output=options.output,
        spool=spool,
        format=options.corpus.format,
    )
    if not any(file.size for file in inputs.files):
        raise BertprepError(f"{_inputs_of(options)}: all input files are empty. Name other files")
    files, found = find_formats(inputs.files, options.corpus)
    notes = [f"Warning: {text}" for text in inputs.warnings]
    return files, tuple([*notes, found] if found else notes)


def _with_absolute_paths(job: Job) -> Job:
    """Return a job whose paths mean the same to a process in another folder of another machine.

    In the plan and in messages, a file keeps the name that it was given by.
    """
    return replace(
        job,
        options=replace(job.options, vocab=job.options.vocab.absolute()),
        folder=job.folder.absolute(),
        work=job.work.absolute(),
        files=tuple(
            file if file.remote else replace(file, spool=os.path.abspath(file.location))
            for file in job.files
        ),
    )


def require_space(job: Job, needed: float) -> None:
    """Raise BertprepError if less than `needed` bytes are free for the output."""
    if not job.options.check_disk:
        return
    existing = next(path for path in (job.folder, *job.folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise BertprepError(
            f"{job.folder}: about {in_bytes(needed)} will be written, but only {in_bytes(free)} "
            "are free. Choose another --output, lower --dupe-factor, or pass --no-check-disk"
        )


def require_documents(job: Job, counts: Mapping[str, int]) -> None:
    """Raise BertprepError if the corpus has no documents."""
    if counts["documents"]:
        return
    cause = "all lines are blank or have no tokens"
    if skipped := counts["skipped_documents"]:
        cause = f"{count_of(skipped, 'document')} could not be read, the others have no tokens"
    raise BertprepError(f"{_inputs_of(job.options)}: no documents: {cause}. Name other files")


def require_held_out(job: Job, counts: Mapping[str, int]) -> None:
    """Raise BertprepError if too few or all of the documents are held out."""
    if not job.partitions.num_eval_partitions:
        return
    fraction = f"--eval-fraction {job.options.eval_fraction}"
    documents, held_out = count_of(counts["documents"], "document"), counts["held_out"]
    if held_out < 2:
        raise BertprepError(
            f"{fraction} holds out {held_out} of {documents}; at least 2 are needed. Pass a "
            "larger fraction, or leave it out"
        )
    if held_out == counts["documents"]:
        raise BertprepError(
            f"{fraction} holds out all {documents}. Pass a smaller fraction, or leave it out"
        )


def _inputs_of(options: CreateOptions) -> str:
    more = f" and {len(options.inputs) - 3:,} more" if len(options.inputs) > 3 else ""
    return " ".join(options.inputs[:3]) + more
