"""The checks of `create`: what may be a mistake in the corpus and costs days when it is one.

A check is an entry of CHECKS: its name, its limit, and functions that evaluate it on a sample
before the work, and on the counts of a stage after it. Each function returns a warning or None; a
warning says what was found, where, and what to type. Limits are such that good text, whatever its
language, has no warnings.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bertprep.create.job import Job
from bertprep.create.review.sample import Sample, SampledBlock
from bertprep.create.review.text_problems import (
    Evidence,
    find_markup,
    find_misread,
    find_replaced,
)
from bertprep.create.review.vocabulary_fit import (
    UNKNOWN_ADVICE,
    find_casing,
    find_lost_marks,
    find_unknown,
)
from bertprep.terminal import count_of, in_bytes

#: Files of one document each are usual, unless they are fewer and larger than this.
_FEW_FILES = 10
_LONG_DOCUMENT_BYTES = 100_000
#: Fewer sentences say nothing about their lengths.
_MIN_SENTENCES = 10
#: Share of sentences beyond --max-seq-length from which on they are reported.
_MANY_LONG_SENTENCES = 0.05

_SINGLE_DOCUMENT = (
    "the corpus is a single document, so random next sentences come from the same document. Put "
    "an empty line between documents"
)
_ONE_SENTENCE_ADVICE = "Put empty lines between documents, not between sentences"
_TRUNCATION_ADVICE = "If the lines are paragraphs, pass --split-sentences"


@dataclass(frozen=True)
class Check:
    """A possible mistake.

    Attributes:
        name: name of the finding.
        limit: share from which on it is reported; the functions know of what.
        sample: evaluates a sample.
        counts: evaluates the counts of the tokenized text or of the records; counts that a stage
            does not have are 0.
    """

    name: str
    limit: float = 0.0
    sample: Callable[[Evidence, float], str | None] | None = None
    counts: Callable[[Job, Counter[str], float], str | None] | None = None


def _documents(evidence: Evidence, _: float) -> str | None:
    blocks = evidence.sample.blocks
    largest = max(blocks, key=lambda sampled: sampled.num_bytes)
    if largest.large_document:
        line, size = largest.large_document
        return (
            f"{largest.where(line)}: the document that starts here is {in_bytes(size)} long, so "
            "most random next sentences of its partition come from the same document. If empty "
            "lines between documents are missing, add them"
        )
    if evidence.sample.is_whole and evidence.sample.documents.num_documents == 1:
        return _SINGLE_DOCUMENT
    if not all(map(_is_file, blocks)):
        return None
    files = sum(file.size > 0 for file in evidence.job.files)
    if files == 1:
        return _SINGLE_DOCUMENT
    is_large = sum(sampled.num_bytes for sampled in blocks) > _LONG_DOCUMENT_BYTES * len(blocks)
    if files >= _FEW_FILES or not is_large:
        return None
    return (
        f"the text has no empty lines, so each of its {files} files is one document "
        f"(for example {blocks[0].block.file.path}, {in_bytes(blocks[0].num_bytes)}). Put an empty "
        "line between documents"
    )


def _is_file(sampled: SampledBlock) -> bool:
    """Return whether a block is a whole file and one document."""
    file, documents = sampled.block.file, sampled.documents.num_documents
    is_plain_text = file.format == "text" and file.compression == "none"
    return documents == 1 and is_plain_text and sampled.num_bytes == file.size


def _single_document(_: Job, counts: Counter[str], __: float) -> str | None:
    return _SINGLE_DOCUMENT if counts["documents"] == 1 else None


def _one_sentence(evidence: Evidence, limit: float) -> str | None:
    sizes = np.diff(evidence.sample.documents.document_offsets)
    share = np.count_nonzero(sizes == 1) / len(sizes)
    if len(sizes) == 1 or share < limit:
        return None
    where = _example(*_first_single_sentence(evidence.sample))
    if share == 1:
        return f"{_every_document(where)}. {_ONE_SENTENCE_ADVICE}"
    return (
        f"{min(share, 0.99):.0%} of the documents have one sentence{where}, so their instances "
        f"never have an actual next sentence. {_ONE_SENTENCE_ADVICE}"
    )


def _every_document(where: str) -> str:
    return f"every document has one sentence{where}, so no instance has an actual next sentence"


def _first_single_sentence(sample: Sample) -> tuple[SampledBlock, int]:
    for sampled in sample.blocks:
        offsets = sampled.documents.document_offsets
        single = np.flatnonzero(np.diff(offsets) == 1)
        if len(single):
            return sampled, int(offsets[single[0]])
    raise AssertionError("no document has one sentence")


def _all_one_sentence(_: Job, counts: Counter[str], __: float) -> str | None:
    if not 1 < counts["documents"] == counts["one_sentence"]:
        return None
    return f"{_every_document('')}. {_ONE_SENTENCE_ADVICE}"


def _one_token(evidence: Evidence, limit: float) -> str | None:
    sizes = np.diff(evidence.sample.documents.sentence_offsets)
    share = np.count_nonzero(sizes == 1) / len(sizes)
    if share < limit or len(sizes) < _MIN_SENTENCES:
        return None
    where = _example(*evidence.sample.find_sentence(1))
    return (
        f"{share:.0%} of the lines are a single token{where}, and each line is a sentence. If the "
        "text has one word per line, join the words of a sentence"
    )


def _truncated(evidence: Evidence, limit: float) -> str | None:
    sizes = np.diff(evidence.sample.documents.sentence_offsets)
    room = evidence.job.options.instances.max_seq_length - 3
    long_share = np.count_nonzero(sizes > room) / len(sizes)
    truncated = evidence.records.truncated_share
    if long_share < _MANY_LONG_SENTENCES and truncated < limit:
        return None
    longest = int(sizes.max())
    sampled, sentence = evidence.sample.find_sentence(longest)
    where = ", ".join(filter(None, [f"{longest:,} tokens", sampled.where_sentence(sentence)]))
    lines = (
        f"{long_share:.0%} of the lines are longer than the {room} tokens that fit in an instance "
        f"(longest: {where}), and "
        if long_share >= 0.005
        else ""
    )
    return (
        f"{lines}{truncated:.0%} of the tokens will be truncated to --max-seq-length. "
        f"{_TRUNCATION_ADVICE}"
    )


def _truncated_records(_: Job, counts: Counter[str], limit: float) -> str | None:
    truncated = counts["truncated_tokens"]
    share = truncated / max(1, truncated + counts["instance_tokens"])
    if share <= limit:
        return None
    return f"{share:.0%} of the tokens were truncated to --max-seq-length. {_TRUNCATION_ADVICE}"


def _unknown_records(_: Job, counts: Counter[str], limit: float) -> str | None:
    share = counts["unknown_tokens"] / max(1, counts["tokens"])
    return f"{share:.1%} of the tokens are [UNK]: {UNKNOWN_ADVICE}" if share > limit else None


def _invalid_lines(job: Job, counts: Counter[str], _: float) -> str | None:
    if not counts["invalid_lines"]:
        return None
    mode = job.options.corpus.encoding_errors
    done = "replaced" if mode == "replace" else "skipped"
    lines = count_of(counts["invalid_lines"], "line")
    return f"{lines} had invalid UTF-8 or NUL bytes: {done} (--encoding-errors {mode})"


def _any(count: str, noun: str, text: str) -> Callable[[Job, Counter[str], float], str | None]:
    """Return a function that reports a count unless it is 0."""

    def report(_: Job, counts: Counter[str], __: float) -> str | None:
        return f"{count_of(counts[count], noun)} {text}" if counts[count] else None

    return report


def _empty_partitions(job: Job, counts: Counter[str], _: float) -> str | None:
    if not counts["empty_partitions"]:
        return None
    return (
        f"{counts['empty_partitions']} of {job.partitions.num_all_partitions} partitions have no "
        "documents, so their shards are empty. Use fewer partitions"
    )


def _words(_: Job, counts: Counter[str], limit: float) -> str | None:
    if "words" not in counts:
        return None
    if not counts["joined_tokens"]:
        return (
            "no ideographs were joined into words. Does the text contain any? With --segmented, "
            "spaces must separate words, not characters"
        )
    mean = counts["tokens"] / max(1, counts["words"])
    if mean <= limit:
        return None
    return (
        f"words have {mean:.1f} tokens on average. If the text has no spaces between words, as "
        "--segmented requires, pass --word-segmenter instead"
    )


def _example(sampled: SampledBlock, sentence: int) -> str:
    where = sampled.where_sentence(sentence)
    return f" (for example {where})" if where else ""


#: In the order of the messages: errors in the text first, since others may follow from them.
CHECKS = (
    # Accents, quotes and dashes are more frequent than one in 20,000 characters.
    Check("misread", 1 / 20_000, sample=find_misread),
    Check("replaced", 0.001, sample=find_replaced),
    Check("markup", 0.01, sample=find_markup),
    Check("invalid_lines", counts=_invalid_lines),
    Check(
        "skipped_documents",
        counts=_any(
            "skipped_documents", "document", "could not be read: skipped (--on-error skip)"
        ),
    ),
    Check(
        "unsplit_lines",
        counts=_any("unsplit_lines", "line", "not split because sentencex failed on them"),
    ),
    Check("documents", sample=_documents, counts=_single_document),
    Check("one_sentence", 0.8, sample=_one_sentence, counts=_all_one_sentence),
    Check("one_token", 0.3, sample=_one_token),
    Check("truncated", 0.25, sample=_truncated, counts=_truncated_records),
    Check("casing", sample=find_casing),
    Check("accents", 0.005, sample=find_lost_marks),
    Check("unknown", 0.01, sample=find_unknown, counts=_unknown_records),
    Check("empty_partitions", counts=_empty_partitions),
    # Tokens per word; Chinese has 1.3 to 1.7.
    Check("words", 3.0, counts=_words),
    Check(
        "unaligned_lines",
        counts=_any(
            "unaligned_lines",
            "line",
            "masked by character because the words of --word-segmenter do not match the line",
        ),
    ),
)
