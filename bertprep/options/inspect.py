"""Options of `bertprep inspect`."""

import re
from dataclasses import dataclass
from pathlib import Path

from bertprep.options.fields import Options, option, require


@dataclass(frozen=True)
class InspectOptions(Options):
    """All options of `bertprep inspect`. Without a mode it shows records."""

    paths: tuple[str, ...] = option(
        ..., "Record files, globs or folders.", group="Selection", argument="PATH..."
    )
    vocab: Path | None = option(
        None,
        "Vocabulary file.",
        group="Selection",
        flags=("--vocab", "--vocab-file"),
        shown_default="the one beside the records",
    )
    num: int = option(
        3,
        "Number of records, or of differences, to show.",
        group="Selection",
        flags=("--num", "-n"),
        at_least=1,
    )
    skip: int = option(0, "Number of records to skip.", group="Selection", at_least=0)
    index: str | None = option(
        None,
        "Show one record: a shard (its name, or its index) and the index of the record in it, "
        "both from 0.",
        group="Selection",
        metavar="SHARD:K",
    )
    sample: int | None = option(
        None, "Show N records drawn at random.", group="Selection", at_least=1
    )
    seed: int = option(0, "Random seed of --sample.", group="Selection", at_least=0)
    find: str | None = option(
        None, "Show only records with this piece or word.", group="Selection", metavar="TOKEN"
    )
    raw: bool = option(False, "Show the features as they are stored.", group="Selection")
    stats: bool = option(
        False,
        "Measure all records and compare with what the algorithm leads to expect.",
        group="Mode",
    )
    verify: bool = option(
        False, "Check every byte and every rule. Exit status 1 if one is broken.", group="Mode"
    )
    report: Path | None = option(
        None, "Write an HTML page with charts.", group="Mode", metavar="FILE"
    )
    compare: str | None = option(
        None,
        "Compare with the records in PATH. Exit status 1 if they differ.",
        group="Mode",
        metavar="PATH",
    )
    json: bool = option(
        False, "Print JSON: an object per record or fault, or one for the whole.", group="Output"
    )
    workers: int | None = option(
        None,
        "Number of worker processes.",
        group="Execution",
        flags=("--workers", "-j"),
        shown_default="all cores",
        at_least=1,
    )
    quiet: bool = option(
        False, "Print results only: no progress, no notes.", group="Output", flags=("--quiet", "-q")
    )

    def check(self) -> None:
        require(bool(self.paths), "no records: name files, globs, or a folder")
        modes = [name for name in ("stats", "verify", "report", "compare") if getattr(self, name)]
        require(len(modes) <= 1, f"--{' and --'.join(modes)} are one at a time")
        chosen = [name for name in ("index", "sample", "find") if getattr(self, name) is not None]
        if modes:
            shown = [*chosen, *(["raw"] if self.raw else []), *(["skip"] if self.skip else [])]
            require(not shown, f"--{modes[0]} takes all records, and no --{' or --'.join(shown)}")
        require(len(chosen) <= 1, f"--{' and --'.join(chosen)} are one at a time")
        require(
            self.index is None or re.fullmatch(r".+:[0-9]+", self.index) is not None,
            f"index must be SHARD:K with a number for K, as in 0:17, got {self.index}",
        )
        require(not (self.report and self.json), "--report is a page, and takes no --json")
