"""What is printed about a run: a line before it, the page of `--dry-run`, the summary after it.

Numbers that are extrapolated from a sample are rounded to three digits and marked "about"; times
are rounded to what they are worth. Widths are terminal columns, two for a wide character.
"""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from bertprep.create.job import Job
from bertprep.create.review.estimate import Estimate
from bertprep.create.review.sample import Sample, SampledBlock
from bertprep.create.review.text_problems import Evidence
from bertprep.create.review.vocabulary_fit import find_unknown_words
from bertprep.create.worker import tools_of
from bertprep.options import Place
from bertprep.storage.plans import Plan
from bertprep.terminal import count_of, in_bytes, printable, table, truncated, wrapped
from bertprep.vocab import Vocabulary

_MIN_WIDTH, _MAX_WIDTH = 60, 100
_NUM_SHOWN = 3


def about(number: float, is_exact: bool) -> str:
    """Return a count as text: `1,471`, or `about 160,000`."""
    if is_exact:
        return f"{number:,.0f}"
    digits = len(str(round(number)))
    return f"about {round(number, 3 - digits) if digits > 3 else round(number):,.0f}"


def in_time(seconds: float) -> str:
    """Return an estimated time as text: `about 40 s`."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 95:
        return f"about {round(seconds, -1):.0f} s"
    if seconds < 95 * 60:
        return f"about {seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"about {seconds / 3600:.1f} hours"
    return f"about {seconds / 86400:.1f} days"


def forecast_line(job: Job, estimate: Estimate) -> str:
    """Return the line before a run."""
    documents = about(estimate.documents, estimate.is_exact)
    noun = "document" if documents in ("1", "about 1") else "documents"
    return (
        f"{_input(job, estimate)}: {documents} {noun} -> "
        f"{about(estimate.records, estimate.has_exact_records)} records, "
        f"{in_bytes(estimate.shard_bytes)}, in {in_time(estimate.seconds)}"
    )


def forecast_page(
    evidence: Evidence, estimate: Estimate, findings: Mapping[str, str], output: str
) -> str:
    """Return the page of `--dry-run`.

    Args:
        findings: warnings by the name of their check.
        output: state of the output.
    """
    width = min(max(shutil.get_terminal_size().columns, _MIN_WIDTH), _MAX_WIDTH)
    job, sample = evidence.job, evidence.sampled
    rows = {
        **_input_rows(evidence, estimate),
        **_record_rows(job, estimate),
        "output": output,
    }
    indent = max(map(len, rows)) + 2
    lines = []
    for name, value in rows.items():
        lines += wrapped(value, width, f"{name:<{indent}}", " " * indent)
    lines += ["", *_warning_lines(findings.values(), width)]
    shown = _choose_sentences(sample)
    if shown:
        lines += ["", "tokenization of sample sentences"]
    for sampled, sentence in shown:
        lines += _tokenized(sampled, sentence, tools_of(job).vocabulary, width)
    return "\n".join(lines)


def _warning_lines(warnings: Collection[str], width: int) -> list[str]:
    if not warnings:
        return ["no problems found"]
    return [line for text in warnings for line in wrapped(text, width, "Warning: ", "  ")]


def _input_rows(evidence: Evidence, estimate: Estimate) -> dict[str, str]:
    job, sample, exact = evidence.job, evidence.sampled, estimate.is_exact
    documents = sample.documents
    read = "read completely" if exact else f"{in_bytes(sample.num_bytes)} sampled"
    rows = {"input": f"{_input(job, estimate)}; {read}"}
    if not documents.num_documents:
        return rows
    sentences = documents.num_sentences
    longest, sentence = sample.longest_sentence
    longest_size = np.diff(longest.documents.sentence_offsets)[sentence]
    largest, block, first = _largest_document(sample)
    line_block, line = _longest_line(sample)
    per_document = sentences / documents.num_documents
    per_sentence = documents.num_tokens / sentences
    per_word = documents.num_tokens / max(1, int(np.count_nonzero(~documents.continues_word)))
    return rows | {
        "documents": about(estimate.documents, exact),
        "sentences": f"{about(estimate.sentences, exact)}; {per_document:.1f} per document",
        "tokens": f"{about(estimate.tokens, exact)}; {per_sentence:.1f} per sentence, "
        f"{per_word:.2f} per word",
        "largest document": f"{largest:,} tokens{_location(block, first)}",
        "longest sentence": f"{longest_size:,} tokens{_location(longest, sentence)}",
        "longest line": f"{len(line_block.lines[line]):,} characters ({line_block.where(line)})",
        "[UNK]": f"{_share(evidence.counts['unknown_tokens'], documents.num_tokens)} of the tokens"
        f"{find_unknown_words(evidence).examples}",
    }


def _record_rows(job: Job, estimate: Estimate) -> dict[str, str]:
    partitions = job.partitions
    text_bytes = in_bytes(estimate.text_bytes / partitions.num_all_partitions)
    held_out = partitions.num_eval_partitions
    of_these = f", {held_out} of them held out" if held_out else ""
    workers = count_of(job.num_workers, "worker")
    size, disk = in_bytes(estimate.shard_bytes), in_bytes(estimate.disk_bytes)
    return {
        "partitions": f"{partitions.num_all_partitions:,}{of_these}; {text_bytes} of text each",
        "shards": f"{partitions.num_shards + held_out:,}",
        "records": about(estimate.records, estimate.has_exact_records),
        "size": f"{size}; the run needs {disk} of disk space",
        "memory": f"about {in_bytes(round(estimate.memory_bytes, -7))} with {workers}",
        "time": f"{in_time(estimate.seconds)} with {workers}",
    }


def _input(job: Job, estimate: Estimate) -> str:
    """Return the kind and size of the input: `4 files of text (gzip), 181.2 KB`."""
    files = job.files
    compressions = sorted({file.compression for file in files} - {"none"})
    kinds = f" ({', '.join(compressions)})" if compressions else ""
    size = in_bytes(sum(file.size for file in files))
    more = f" (about {in_bytes(estimate.text_bytes)} of text)" if compressions else ""
    formats = " and ".join(sorted({file.format for file in files}))
    return f"{count_of(len(files), 'file')} of {formats}{kinds}, {size}{more}"


def _location(sampled: SampledBlock, sentence: int) -> str:
    where = sampled.where_sentence(sentence)
    return f" ({where})" if where else ""


def _largest_document(sample: Sample) -> tuple[int, SampledBlock, int]:
    """Return its tokens, its block, and the number of its first sentence there."""
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


def _choose_sentences(sample: Sample) -> list[tuple[SampledBlock, int]]:
    """Return some sentences from the start, the middle and the end."""
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
    """Return a sentence with its location, its text and its pieces, a line each."""
    line = int(sampled.sentence_lines[sentence])
    documents = sampled.documents
    first, last = documents.sentence_offsets[sentence : sentence + 2]
    ids = documents.token_ids[first : min(last, first + width)]
    pieces = " ".join(vocabulary.tokens[i] for i in ids)
    text = " ".join(sampled.lines[line].split())
    shown = [truncated(printable(part), width - 4) for part in (text, pieces)]
    return [f"  {sampled.where(line)}", *(f"    {part}" for part in shown)]


@dataclass(frozen=True)
class Summary:
    """Result of a run.

    Attributes:
        state: "new", "resumed", or "complete" if nothing was left to do.
        counts: counts of the manifest.
        num_shards: number of shards, held-out ones included.
        bytes: bytes of the uncompressed records in all shards.
        seconds: wall time.
    """

    state: str
    counts: dict[str, int]
    num_shards: int
    bytes: int
    seconds: float

    @classmethod
    def of(cls, state: str, manifest: Plan, seconds: float) -> "Summary":
        """Return the summary of a data set."""
        shards = [*manifest["shards"], *manifest["eval_shards"]]
        size = sum(shard["bytes"] for shard in shards)
        return cls(state, manifest["counts"], len(shards), size, seconds)

    def text(self, output: Place) -> str:
        """Return the summary as text, one line per figure."""
        counts = self.counts
        if self.state == "complete":
            return f"{output} is already complete: {counts['instances']:,} instances"
        tokens, placed = counts["tokens"], counts["instance_tokens"]
        truncated_tokens, instances = counts["truncated_tokens"], counts["instances"]
        rows: dict[str, str | None] = {
            "documents": f"{counts['documents']:,}",
            "held out": f"{held_out:,}" if (held_out := counts["eval_documents"]) else None,
            "sentences": f"{counts['sentences']:,}",
            "lines split": self._number("split_lines"),
            "sentences cut": self._number("cut_sentences"),
            "tokens": f"{tokens:,}",
            "words": None,
            "not segmented": None,
            "[UNK]": f"{_share(counts['unknown_tokens'], tokens)} of the tokens",
            "truncated": f"{_share(truncated_tokens, truncated_tokens + placed)} of the tokens of "
            "all pairs",
            "instances": f"{instances:,}",
            "random next": f"{_share(counts['random_next'], instances)} of the instances",
            "masked": f"{_share(counts['masks'], placed + 3 * instances)} of the tokens",
            "largest partition": f"{counts['largest_partition_tokens']:,} tokens",
            "written": f"{count_of(self.num_shards, 'shard')}, {in_bytes(self.bytes)} of records",
            "time": f"{self.seconds:,.1f} s",
        }
        if "words" in counts:
            per_word = tokens / max(1, counts["words"])
            rows["words"] = f"{counts['words']:,}; {per_word:.2f} tokens per word"
        if "unaligned_lines" in counts:
            share = _share(counts["unaligned_lines"], counts["segmented_lines"])
            rows["not segmented"] = f"{share} of the lines"
        return "\n".join(table((name, value) for name, value in rows.items() if value))

    def _number(self, count: str) -> str | None:
        return f"{self.counts[count]:,}" if count in self.counts else None


def _share(part: int, whole: int) -> str:
    return f"{part / max(1, whole):.2%}"
