"""What a person should know of a run: before it, of the documents, and of the finished records.

What cannot be meant is raised; what may be meant, and costs days when it is not, is a warning.
"""

import shutil
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from bertprep.create.building import BuiltPartition
from bertprep.create.job import Job
from bertprep.create.tokenizing import TextCounts
from bertprep.data import InputFile
from bertprep.errors import BertprepError
from bertprep.options import CreateOptions, Place, TokenizerOptions
from bertprep.options.segmenters import segmenter_versions
from bertprep.terminal import count_of, in_bytes, table
from bertprep.tokenization.plain import require_pieces
from bertprep.vocab import Vocabulary

_MANY_UNKNOWN = 0.01
_MANY_CUT = 0.25
#: Chinese has 1.3 to 1.7.
_LONG_WORD_TOKENS = 3


@dataclass(frozen=True)
class Summary:
    """What a run made.

    Attributes:
        state: "new", "resumed", or "complete" when there was nothing left to do.
        counts: the manifest's: of documents, tokens, instances, masks and others.
        bytes: of all shards' uncompressed records.
        seconds: wall time.
    """

    state: str
    counts: dict[str, int]
    num_shards: int
    bytes: int
    seconds: float

    def text(self, output: Place) -> str:
        """The summary that a person reads, a line a figure."""
        counts = self.counts
        if self.state == "complete":
            return f"{output} is complete already: {counts['instances']:,} instances"
        placed, cut = counts["instance_tokens"], counts["truncated_tokens"]
        rows = [
            ("documents", f"{counts['documents']:,}"),
            ("sentences", f"{counts['sentences']:,}"),
            ("tokens", f"{counts['tokens']:,}"),
            ("[UNK]", _share(counts["unknown_tokens"], counts["tokens"])),
            ("cut away", f"{_share(cut, cut + placed)} of the tokens of all pairs"),
            ("instances", f"{counts['instances']:,}"),
            ("random next", _share(counts["random_next"], counts["instances"])),
            ("masked", _share(counts["masks"], placed + 3 * counts["instances"])),
            ("largest partition", f"{counts['largest_partition_tokens']:,} tokens"),
            ("written", f"{count_of(self.num_shards, 'shard')}, {in_bytes(self.bytes)} of records"),
            ("time", f"{self.seconds:,.1f} s"),
        ]
        if "words" in counts:
            mean = counts["tokens"] / max(1, counts["words"])
            rows.insert(3, ("words", f"{counts['words']:,}, {mean:.2f} tokens each"))
        if "unaligned_lines" in counts:
            share = _share(counts["unaligned_lines"], counts["segmented_lines"])
            rows.insert(4, ("not segmented", f"{share} of the lines"))
        if counts["eval_documents"]:
            rows.insert(1, ("held out", f"{counts['eval_documents']:,}"))
        behind = [name for name, _ in rows].index("sentences") + 1
        if "cut_sentences" in counts:
            rows.insert(
                behind, ("cut", f"{count_of(counts['cut_sentences'], 'sentence')}, into parts")
            )
        if "split_lines" in counts:
            rows.insert(
                behind, ("split", f"{count_of(counts['split_lines'], 'line')}, into sentences")
            )
        return "\n".join(table(rows))


def require_text(options: CreateOptions, files: Sequence[InputFile]) -> None:
    """Raises BertprepError where all files are empty."""
    if not any(file.size for file in files):
        raise BertprepError(f"{_named(options)}: there is no text, only empty files: name others")


def require_tokenizer(options: TokenizerOptions, vocabulary: Vocabulary) -> None:
    """Raises UsageError where a token or a library that the options name is not there."""
    require_pieces(vocabulary, options.never_split)
    if options.word_segmenter:
        segmenter_versions(options.word_segmenter)


def count_text(options: CreateOptions, found: TextCounts) -> dict[str, int]:
    """The manifest's counts of what was done to the text, where that was asked for."""
    names = []
    if options.corpus.split_sentences:
        names += ["split_lines", "unsplit_lines"]
    if options.corpus.max_sentence_tokens:
        names += ["cut_sentences"]
    if found.segmented_lines:
        names += ["segmented_lines", "unaligned_lines"]
    return {name: getattr(found, name) for name in names}


def require_space(wanted: float, folder: Path) -> None:
    """Raises BertprepError where what will be written is more than is free.

    Args:
        wanted: an estimate, in bytes.
        folder: it, or one above it, is there.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if wanted > free:
        raise BertprepError(
            f"{folder}: about {in_bytes(wanted)} will be written and {in_bytes(free)} are free: "
            "name another --output, lower --dupe-factor, or pass --no-check-disk"
        )


def require_documents(options: CreateOptions, found: TextCounts) -> None:
    """Raises BertprepError where there are none."""
    if found.documents:
        return
    cause = "all lines are blank or without a token"
    if found.skipped_documents:
        skipped = count_of(found.skipped_documents, "document")
        cause = f"{skipped} could not be read, and the others have no token"
    raise BertprepError(f"{_named(options)}: no documents, since {cause}: name other files")


def review_documents(job: Job, found: TextCounts, said: Set[str] = frozenset()) -> list[str]:
    """Warnings of the tokenized documents; raises BertprepError where they are too few.

    Args:
        said: names of the preflight's findings, which are not said again.
    """
    options = job.options
    require_documents(options, found)
    num_documents, held_out = found.documents, found.held_out
    if job.partitions.num_eval_partitions and held_out < 2:
        raise BertprepError(
            f"--eval-fraction {options.eval_fraction} holds out {count_of(held_out, 'document')} "
            f"of {num_documents:,}, and two is the least: pass a larger share, or none"
        )
    if held_out == num_documents:
        raise BertprepError(
            f"--eval-fraction {options.eval_fraction} holds out all {num_documents:,} documents: "
            "pass a smaller share, or none"
        )
    warnings = []
    if mended := found.mended_lines:
        done = "replaced" if options.corpus.encoding_errors == "replace" else "left out"
        which = "1 line was" if mended == 1 else f"{mended:,} lines were"
        warnings.append(f"{which} not UTF-8 or had NUL bytes: {done}")
    if skipped := found.skipped_documents:
        warnings.append(
            f"{count_of(skipped, 'document')} could not be read: left out (--on-error skip)"
        )
    if unsplit := found.unsplit_lines:
        warnings.append(f"{count_of(unsplit, 'line')} left whole, since sentencex failed on them")
    if num_documents == 1 and not said & {"single_document", "giant_document"}:
        warnings.append(
            "the corpus is a single document, so every random next sentence comes from it too: "
            "put an empty line between documents"
        )
    if 1 < num_documents == found.one_sentence and "one_sentence" not in said:
        warnings.append(
            "every document has one sentence, so no instance has a true next sentence: an empty "
            "line belongs between documents, not between sentences"
        )
    return warnings


def review_records(
    counts: dict[str, int], built: Mapping[int, BuiltPartition], said: Set[str] = frozenset()
) -> list[str]:
    """Warnings of the finished records; `said` as for `review_documents`."""
    warnings = []
    empty = sorted(p for p, result in built.items() if not result.counts["documents"])
    if empty:
        warnings.append(
            f"{len(empty)} of {len(built)} partitions have no documents, and empty shards "
            f"(partition {empty[0]} for one): fewer partitions would do"
        )
    unknown = counts["unknown_tokens"] / max(1, counts["tokens"])
    if unknown > _MANY_UNKNOWN and "unknown" not in said:
        warnings.append(
            f"{unknown:.1%} of the tokens are [UNK]: does the vocabulary fit the language, and "
            "--lowercase its casing?"
        )
    warnings += _review_words(counts)
    cut = counts["truncated_tokens"]
    share = cut / max(1, cut + counts["instance_tokens"])
    if share > _MANY_CUT and "cut" not in said:
        warnings.append(
            f"{share:.0%} of the tokens were cut away to fit --max-seq-length: are the lines "
            "sentences, and not whole paragraphs? --split-sentences splits those"
        )
    return warnings


def _review_words(counts: dict[str, int]) -> list[str]:
    """Warnings of the words of unspaced scripts, where they were asked for."""
    if "words" not in counts:
        return []
    warnings = []
    mean = counts["tokens"] / max(1, counts["words"])
    if not counts["joined_tokens"]:
        warnings.append(
            "no ideograph was joined to a word: has the text any, and with --segmented, are there "
            "blanks between words, not between characters?"
        )
    elif mean > _LONG_WORD_TOKENS:
        warnings.append(
            f"words have {mean:.1f} tokens on average: are there blanks between words, as "
            "--segmented says? If not, pass --word-segmenter"
        )
    if unaligned := counts.get("unaligned_lines"):
        warnings.append(
            f"{unaligned:,} of {counts['segmented_lines']:,} lines are masked by characters: the "
            "words of --word-segmenter do not join to them"
        )
    return warnings


def _named(options: CreateOptions) -> str:
    more = f" and {len(options.inputs) - 3:,} more" if len(options.inputs) > 3 else ""
    return " ".join(options.inputs[:3]) + more


def _share(part: int, whole: int) -> str:
    return f"{part / max(1, whole):.2%}"
