"""What was foreseen -> the line before a run, and the page of `--dry-run`.

Numbers that come from a sample are rounded to three digits and said to be about right; times are
as rough as they are known. Widths are columns of a terminal, two for a wide character.
"""

import shutil
from collections.abc import Sequence

import numpy as np

from bertprep.create.job import Job
from bertprep.create.review.checks import Finding, Review
from bertprep.create.review.estimate import Estimate, num_workers
from bertprep.create.review.sample import Sample, SampledBlock
from bertprep.create.review.vocabulary_fit import some_counted
from bertprep.data import InputFile
from bertprep.terminal import in_bytes, printable, truncated, wrapped
from bertprep.vocab import Vocabulary

_NARROWEST, _WIDEST = 60, 100
_NUM_SHOWN = 3


def about(number: float, is_exact: bool) -> str:
    """A count for people: `1,471`, or `about 160,000`."""
    if is_exact:
        return f"{number:,.0f}"
    digits = len(str(round(number)))
    return f"about {round(number, 3 - digits) if digits > 3 else round(number):,.0f}"


def in_time(seconds: float) -> str:
    """A time that is only guessed at: `about 40 s`."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 95:
        return f"about {round(seconds, -1):.0f} s"
    if seconds < 95 * 60:
        return f"about {seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"about {seconds / 3600:.1f} hours"
    return f"about {seconds / 86400:.1f} days"


def short_line(files: Sequence[InputFile], estimate: Estimate, job: Job) -> str:
    """The line before a run."""
    exact = estimate.is_exact
    documents = _counted(about(estimate.documents, exact), "document")
    records = about(estimate.records, _records_are_exact(estimate, job))
    return (
        f"{_input(files, estimate)}: {documents} -> {records} records, "
        f"{in_bytes(estimate.shard_bytes)}, in {in_time(estimate.seconds)}"
    )


def full_page(
    job: Job,
    files: Sequence[InputFile],
    sample: Sample,
    estimate: Estimate,
    review: Review,
    findings: Sequence[Finding],
    output: str,
) -> str:
    """The page of `--dry-run`.

    Args:
        output: what would become of the output folder.
    """
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    rows = [
        *_rows_of_text(files, sample, estimate, review),
        *_rows_of_records(job, estimate),
        ("output", output),
    ]
    names = max(len(name) for name, _ in rows) + 2
    lines = []
    for name, value in rows:
        lines += wrapped(value, width, f"{name:<{names}}", " " * names)
    lines.append("")
    for finding in findings:
        lines += wrapped(finding.text, width, "Warning: ", "  ")
    if not findings:
        lines.append("nothing to warn of")
    shown = _sentences(sample)
    if shown:
        lines += ["", "as it will be tokenized"]
    for sampled, sentence in shown:
        lines += _tokenized(sampled, sentence, job.vocabulary, width)
    return "\n".join(lines)


def _rows_of_text(
    files: Sequence[InputFile], sample: Sample, estimate: Estimate, review: Review
) -> list[tuple[str, str]]:
    exact, documents = estimate.is_exact, sample.documents
    looked_at = "all of it was read" if exact else f"{in_bytes(sample.num_bytes)} were read"
    rows = [("input", f"{_input(files, estimate)}; {looked_at}")]
    if not documents.num_documents:
        return rows
    sentences = documents.num_sentences
    sizes = np.diff(documents.sentence_offsets)
    words = int(np.count_nonzero(~documents.continues_word))
    longest, number = review.longest_sentence()
    line_block, line = _longest_line(sample)
    tokens, largest, first = _largest_document(sample)
    unknown = f"{review.fit.share_unknown:.2%}"
    if review.fit.share_unknown and review.fit.unknown.words:
        unknown += (
            f", such as {some_counted(review.fit.unknown.words)} ({review.fit.unknown.where})"
        )
    rows += [
        ("documents", about(estimate.documents, exact)),
        (
            "sentences",
            f"{about(estimate.sentences, exact)}; {sentences / documents.num_documents:.1f} a "
            "document",
        ),
        (
            "tokens",
            f"{about(estimate.tokens, exact)}; {documents.num_tokens / sentences:.1f} a sentence, "
            f"{documents.num_tokens / max(1, words):.2f} a word",
        ),
        ("largest document", f"{tokens:,} tokens{_at(largest, first)}"),
        ("longest sentence", f"{sizes.max():,} tokens{_at(longest, number)}"),
        (
            "longest line",
            f"{len(line_block.lines[line]):,} characters ({line_block.where(line)})",
        ),
        ("[UNK]", unknown),
    ]
    return rows


def _rows_of_records(job: Job, estimate: Estimate) -> list[tuple[str, str]]:
    partitions = job.partitions
    of_text = in_bytes(estimate.text_bytes / partitions.num_all_partitions)
    held_out = partitions.num_eval_partitions
    more = f", {held_out} of them held out" if held_out else ""
    workers = num_workers(job.options)
    with_workers = f"with {workers} worker{'s' * (workers != 1)}"
    return [
        ("partitions", f"{partitions.num_all_partitions:,}{more}; {of_text} of text each"),
        ("shards", f"{partitions.num_shards + held_out:,}"),
        ("records", about(estimate.records, _records_are_exact(estimate, job))),
        (
            "size",
            f"{in_bytes(estimate.shard_bytes)}, {in_bytes(estimate.disk_bytes)} while it works",
        ),
        ("memory", f"about {in_bytes(round(estimate.memory_bytes, -7))} {with_workers}"),
        ("time", f"{in_time(estimate.seconds)} {with_workers}"),
    ]


def _records_are_exact(estimate: Estimate, job: Job) -> bool:
    """One partition of documents that were all looked at is the sample itself."""
    return (
        estimate.is_exact
        and job.partitions.num_all_partitions == 1
        and estimate.dupes == job.options.instances.dupe_factor
    )


def _input(files: Sequence[InputFile], estimate: Estimate) -> str:
    """`4 files of text (gzip), 181.2 KB`."""
    packed = sorted({file.compression for file in files} - {"none"})
    kinds = f" ({', '.join(packed)})" if packed else ""
    size = in_bytes(sum(file.size for file in files))
    more = f" (about {in_bytes(estimate.text_bytes)} of text)" if packed else ""
    formats = sorted({file.format for file in files})
    number = _counted(f"{len(files):,}", "file")
    return f"{number} of {' and '.join(formats)}{kinds}, {size}{more}"


def _counted(number: str, noun: str) -> str:
    is_one = number.removeprefix("about ") == "1"
    return f"{number} {noun}" if is_one else f"{number} {noun}s"


def _at(sampled: SampledBlock, sentence: int) -> str:
    if not len(sampled.sentence_lines):
        return ""
    return f" ({sampled.where(int(sampled.sentence_lines[sentence]))})"


def _largest_document(sample: Sample) -> tuple[int, SampledBlock, int]:
    """Its tokens, the block that it is in, and the number of its first sentence there."""
    best = (0, sample.blocks[0], 0)
    for sampled in sample.blocks:
        first_sentences = sampled.documents.document_offsets
        sizes = np.diff(sampled.documents.sentence_offsets[first_sentences])
        if len(sizes) and sizes.max() > best[0]:
            best = (int(sizes.max()), sampled, int(first_sentences[np.argmax(sizes)]))
    return best


def _longest_line(sample: Sample) -> tuple[SampledBlock, int]:
    sampled = max(sample.blocks, key=lambda sampled: max(map(len, sampled.lines)))
    return sampled, max(range(len(sampled.lines)), key=lambda i: len(sampled.lines[i]))


def _sentences(sample: Sample) -> list[tuple[SampledBlock, int]]:
    """Some sentences from the start, the middle and the end."""
    known = [sampled for sampled in sample.blocks if len(sampled.sentence_lines)]
    if not known:
        return []
    chosen = []
    for k in range(_NUM_SHOWN):
        sampled = known[k * (len(known) - 1) // (_NUM_SHOWN - 1)]
        sentence = k * (sampled.documents.num_sentences - 1) // (_NUM_SHOWN - 1)
        chosen.append((sampled, sentence))
    return list(dict.fromkeys(chosen))


def _tokenized(
    sampled: SampledBlock, sentence: int, vocabulary: Vocabulary, width: int
) -> list[str]:
    """A sentence as it stands in the text, and below it its pieces."""
    line = int(sampled.sentence_lines[sentence])
    documents = sampled.documents
    first, last = documents.sentence_offsets[sentence : sentence + 2]
    ids = documents.token_ids[first : min(last, first + width)]
    pieces = " ".join(vocabulary.tokens[i] for i in ids)
    text = " ".join(sampled.lines[line].split())
    shown = [truncated(printable(part), width - 4) for part in (text, pieces)]
    return [f"  {sampled.where(line)}", *(f"    {part}" for part in shown)]
