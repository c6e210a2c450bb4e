"""The options of `bertprep inspect`."""

import re
from dataclasses import dataclass
from pathlib import Path

from bertprep.options.checks import require


@dataclass(frozen=True)
class InspectOptions:
    """All of `bertprep inspect`. Without a mode (stats, verify, report, compare) it shows records.

    Attributes:
        paths: record files, globs, folders.
        vocab: the vocabulary file; None takes the one beside the records.
        num: records to show.
        skip: records to pass over first.
        index: the one record to show, "SHARD:K": a shard's name, or its place among the shards,
            and a record's place in it, both from 0.
        sample: records to show that are drawn at random; None shows them in order.
        seed: of the sample.
        find: show records with this piece or word only.
        json: one JSON object a record, or one for the whole of a mode.
        raw: features as they are stored.
        stats: measure the records.
        verify: check every byte and every rule.
        report: the HTML page to write.
        compare: another data set to compare this one with.
        workers: processes; None is all cores.
        quiet: no progress, no notes.
    """

    paths: tuple[str, ...]
    vocab: Path | None = None
    num: int = 3
    skip: int = 0
    index: str | None = None
    sample: int | None = None
    seed: int = 0
    find: str | None = None
    json: bool = False
    raw: bool = False
    stats: bool = False
    verify: bool = False
    report: Path | None = None
    compare: str | None = None
    workers: int | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        require(bool(self.paths), "no records: name files, globs, or a folder")
        require(self.num >= 1, f"num must be at least 1, got {self.num}")
        require(self.skip >= 0, f"skip must be 0 or more, got {self.skip}")
        require(self.seed >= 0, f"seed must be 0 or more, got {self.seed}")
        for name in ("sample", "workers"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
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
