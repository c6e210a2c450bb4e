"""The checks of `create`: what may be a mistake in the corpus and costs days when it is one.

A check is an entry of CHECKS: its name, its limit, and a function that returns a warning or None.
It is evaluated on a sample before the work, and on the counts of each stage after it. A warning
says what was found, where, and what to type. Limits are such that good text, whatever its language,
has no warnings.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bertprep.create.review.sample import SampledBlock
from bertprep.create.review.text_problems import (
    Evidence,
    find_markup,
    find_misread,
    find_replaced,
)
from bertprep.create.review.vocabulary_fit import (
    find_casing,
    find_lost_marks,
    find_unknown,
    find_unreachable,
)
from bertprep.terminal import count_of, in_bytes
from bertprep.tokenization.characters import LOST_MARKS_SHARE

#: A full stop inside a line, of any script, and the start of another sentence.
_NEXT_SENTENCE = re.compile(
    r"[.!?\u0964\u06d4\u061f][\"')\]\u201d\u00bb]*\s+\S|[\u3002\uff01\uff1f]\S"
)
#: Files of one document each are usual, unless they are fewer and larger than this.
_FEW_FILES = 10
_LONG_DOCUMENT_BYTES = 100_000
#: Fewer sentences say nothing about their lengths.
_MIN_SENTENCES = 10
#: Share of sentences beyond --max-seq-length from which on they are reported.
_MANY_LONG_SENTENCES = 0.05


@dataclass(frozen=True)
class Check:
    """A possible mistake.

    Attributes:
        name: name of the finding.
        find: returns a warning, or None.
        limit: share from which on it is reported; `find` knows of what.
        needs_sample: the counts of a stage say nothing about it.
    """

    name: str
    find: Callable[[Evidence, float], str | None]
    limit: float = 0.0
    needs_sample: bool = False


def _documents(evidence: Evidence, _: float) -> str | None:
    single = (
        "the corpus is a single document, so random next sentences come from the same document. "
        f"{_single_advice(evidence)}"
    )
    if evidence.sample is None or evidence.sample.is_whole:
        if evidence.counts["documents"] == 1:
            return single
        if evidence.sample is None:
            return None
    blocks = evidence.sample.blocks
    largest = max(blocks, key=lambda sampled: sampled.num_bytes)
    if largest.large_document:
        line, size = largest.large_document
        return (
            f"{largest.where(line)}: the document that starts here is {in_bytes(size)} long, so "
            "most random next sentences of its partition come from the same document. If empty "
            "lines between documents are missing, add them"
        )
    if not all(map(_is_file, blocks)):
        return None
    files = sum(file.size > 0 for file in evidence.job.files)
    is_large = sum(sampled.num_bytes for sampled in blocks) > _LONG_DOCUMENT_BYTES * len(blocks)
    if files == 1:
        return single
    if files >= _FEW_FILES or not is_large:
        return None
    return (
        f"the text has no empty lines, so each of its {files} files is one document "
        f"(for example {blocks[0].block.file.path}, {in_bytes(blocks[0].num_bytes)}). Put an empty "
        "line between documents"
    )


def _single_advice(evidence: Evidence) -> str:
    """Return how to have more documents, by how they are stored."""
    options = evidence.job.options.corpus
    formats = {file.format for file in evidence.job.files if file.size}
    if formats == {"paragraphs"} and options.document_break == "file":
        return (
            "With --document-break file each file is one: name more files, or leave the option out "
            "and put an empty line between documents"
        )
    if formats <= {"jsonl", "parquet"}:
        if options.rows == "lines":
            return "Put an empty row between documents, or leave out --rows lines"
        return "Each row is a document: put each document in a row of its own"
    return "Put an empty line between documents"


def _is_file(sampled: SampledBlock) -> bool:
    """Return whether a block is a whole file and one document."""
    file, documents = sampled.block.file, sampled.documents.num_documents
    is_plain_text = file.format == "text" and file.compression == "none"
    return documents == 1 and is_plain_text and sampled.num_bytes == file.size


def _one_sentence(evidence: Evidence, limit: float) -> str | None:
    counts = evidence.counts
    share = counts["one_sentence"] / max(1, counts["documents"])
    if counts["documents"] < 2 or share < limit:
        return None
    where = ""
    if evidence.sample:
        where = evidence.sample.example(
            lambda documents: documents.document_offsets[:-1][
                np.diff(documents.document_offsets) == 1
            ]
        )
    which = "every document has" if share == 1 else f"{min(share, 0.99):.0%} of the documents have"
    effect = "no instance has" if share == 1 else "their instances never have"
    return f"{which} one sentence{where}, so {effect} a true next sentence. {_advice(evidence)}"


def _advice(evidence: Evidence) -> str:
    """Return what to do where documents have one sentence each, by how they are stored."""
    formats = {file.format for file in evidence.job.files if file.size}
    if formats <= {"jsonl", "parquet"}:
        return (
            "If a row is one line of a document, and an empty row ends it, pass --rows lines; if a "
            "row is a document of several sentences, pass --split-sentences"
        )
    sampled = evidence.sample
    lines = [line for _, _, line in evidence.lines() if line.strip()] if sampled else []
    if lines and 2 * sum(bool(_NEXT_SENTENCE.search(line)) for line in lines) > len(lines):
        return "The lines are paragraphs of several sentences: pass --split-sentences"
    return "Put empty lines between documents, not between sentences"


def _one_token(evidence: Evidence, limit: float) -> str | None:
    sizes = np.diff(evidence.sampled.documents.sentence_offsets)
    share = np.count_nonzero(sizes == 1) / len(sizes)
    if share < limit or len(sizes) < _MIN_SENTENCES:
        return None
    where = evidence.sampled.example(
        lambda documents: np.flatnonzero(np.diff(documents.sentence_offsets) == 1)
    )
    return (
        f"{share:.0%} of the lines are a single token{where}, and each line is a sentence. If the "
        "text has one word per line, join the words of a sentence"
    )


def _truncated(evidence: Evidence, limit: float) -> str | None:
    truncated = evidence.counts["truncated_tokens"]
    share = truncated / max(1, truncated + evidence.counts["instance_tokens"])
    long_share, lines = 0.0, ""
    if evidence.sample:
        sizes = np.diff(evidence.sample.documents.sentence_offsets)
        room = evidence.job.options.instances.max_seq_length - 3
        long_share = np.count_nonzero(sizes > room) / len(sizes)
        sampled, sentence = evidence.sample.longest_sentence
        where = ", ".join(
            filter(None, [f"{sizes.max():,} tokens", sampled.where_sentence(sentence)])
        )
        lines = (
            f"{long_share:.0%} of the lines are longer than the {room} tokens that fit in an "
            f"instance (longest: {where}), and "
        )
    if long_share < _MANY_LONG_SENTENCES and share <= limit:
        return None
    return (
        f"{lines if long_share >= 0.005 else ''}{share:.0%} of the tokens are truncated to "
        "--max-seq-length. If the lines are paragraphs, pass --split-sentences"
    )


def _invalid_lines(evidence: Evidence, _: float) -> str | None:
    if not evidence.counts["invalid_lines"]:
        return None
    mode = evidence.job.options.corpus.encoding_errors
    done = "replaced" if mode == "replace" else "skipped"
    lines = count_of(evidence.counts["invalid_lines"], "line")
    return f"{lines} had invalid UTF-8 or NUL bytes: {done} (--encoding-errors {mode})"


def _any(count: str, noun: str, text: str) -> Callable[[Evidence, float], str | None]:
    """Return a function that reports a count unless it is 0."""

    def find(evidence: Evidence, _: float) -> str | None:
        number = evidence.counts[count]
        return f"{count_of(number, noun)} {text}" if number else None

    return find


def _empty_partitions(evidence: Evidence, _: float) -> str | None:
    number = evidence.counts["empty_partitions"]
    if not number:
        return None
    return (
        f"{number} of {evidence.job.partitions.num_all_partitions} partitions have no "
        "documents, so their shards are empty. Use fewer partitions"
    )


def _words(evidence: Evidence, limit: float) -> str | None:
    counts = evidence.counts
    if not counts["words"]:
        return None
    if not counts["joined_tokens"]:
        return (
            "no ideographs were joined into words. Does the text contain any? With --segmented, "
            "spaces must separate words, not characters"
        )
    mean = counts["tokens"] / counts["words"]
    if mean <= limit:
        return None
    return (
        f"words have {mean:.1f} tokens on average. If the text has no spaces between words, as "
        "--segmented requires, pass --word-segmenter instead"
    )


#: In the order of the messages: errors in the text first, since others may follow from them.
CHECKS = (
    # Accents, quotes and dashes are more frequent than one in 20,000 characters.
    Check("misread", find_misread, 1 / 20_000, needs_sample=True),
    Check("replaced", find_replaced, 0.001, needs_sample=True),
    Check("markup", find_markup, 0.01, needs_sample=True),
    Check("invalid_lines", _invalid_lines),
    Check(
        "skipped_documents",
        _any("skipped_documents", "document", "could not be read: skipped (--on-error skip)"),
    ),
    Check(
        "unsplit_lines",
        _any("unsplit_lines", "line", "not split because sentencex failed on them"),
    ),
    Check("documents", _documents),
    Check("one_sentence", _one_sentence, 0.8),
    Check("one_token", _one_token, 0.3, needs_sample=True),
    Check("truncated", _truncated, 0.25),
    Check("unreachable", find_unreachable, needs_sample=True),
    Check("casing", find_casing, needs_sample=True),
    Check("accents", find_lost_marks, LOST_MARKS_SHARE, needs_sample=True),
    Check("unknown", find_unknown, 0.01),
    Check("empty_partitions", _empty_partitions),
    # Tokens per word; Chinese has 1.3 to 1.7.
    Check("words", _words, 3.0),
    Check(
        "unaligned_lines",
        _any(
            "unaligned_lines",
            "line",
            "masked by character because the words of --word-segmenter do not match the line",
        ),
    ),
)
