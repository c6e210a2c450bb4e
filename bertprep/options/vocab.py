"""The options of `bertprep vocab`."""

from dataclasses import dataclass, field
from pathlib import Path

from bertprep.options.checks import require
from bertprep.options.engine import EngineOptions
from bertprep.options.text import CorpusOptions, TokenizerOptions

DEFAULT_SIZE = 30522
#: The `output` that is stdout.
STDOUT = Path("-")
#: [PAD], [UNK], [CLS], [SEP] and [MASK].
_NUM_SPECIALS = 5
_MOST_PIECES = 2**21


@dataclass(frozen=True)
class VocabOptions:
    """All of `bertprep vocab`.

    Attributes:
        inputs: files, globs, folders; "-" is stdin.
        output: the file to write; "-" is stdout.
        size: lines of the vocabulary, specials counted; with `extend`, slots to fill at most. None
            is 30522, and with `extend` all slots.
        extend: a vocabulary whose `[unusedN]` lines are filled, instead of making a new one.
        unused: `[unusedN]` lines behind the special tokens.
        min_frequency: characters, pairs and, with `extend`, words that stand less often in the
            corpus get no line.
        limit_alphabet: the most frequent characters that are kept; None keeps all.
        pad_to_multiple: `[unusedN]` lines are added until the lines are a multiple of it.
        workers: processes; None is all cores.
        work_folder: where the counts of the words are kept until the end; None is the folder of
            `output`, for stdout a temporary one.
        overwrite: replace `output`.
        quiet: no progress, no warnings.
    """

    inputs: tuple[str, ...]
    output: Path
    size: int | None = None
    extend: Path | None = None
    unused: int = 0
    min_frequency: int = 2
    limit_alphabet: int | None = None
    pad_to_multiple: int = 1
    workers: int | None = None
    work_folder: Path | None = None
    overwrite: bool = False
    quiet: bool = False
    tokenizer: TokenizerOptions = field(default_factory=TokenizerOptions)
    corpus: CorpusOptions = field(default_factory=CorpusOptions)
    execution: EngineOptions = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        require(bool(self.inputs), "no input: name files, globs, folders, or - for stdin")
        for name in ("min_frequency", "limit_alphabet", "pad_to_multiple", "workers"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        self.execution.check_workers(self.workers)
        require(
            self.execution.engine == "local"
            or self.output != STDOUT
            or self.work_folder is not None,
            "with --engine spark, words are counted in a folder that all machines share: pass "
            "--work-folder, or an --output file",
        )
        if self.extend is not None:
            for name, none in (("unused", 0), ("limit_alphabet", None), ("pad_to_multiple", 1)):
                require(
                    getattr(self, name) == none,
                    f"--{name.replace('_', '-')} is for a new vocabulary: one that is extended "
                    "keeps its lines",
                )
            require(
                self.size is None or self.size >= 1,
                f"size, the slots to fill, must be at least 1, got {self.size}",
            )
            return
        if self.size is None:
            object.__setattr__(self, "size", DEFAULT_SIZE)
        require(0 <= self.unused <= _MOST_PIECES, f"unused must be 0 or more, got {self.unused}")
        least = _NUM_SPECIALS + self.unused + 1
        require(
            least <= self.lines <= _MOST_PIECES,
            f"size must be between {least:,} (the special and the unused tokens, and a character) "
            f"and {_MOST_PIECES:,}, got {self.lines}",
        )

    @property
    def lines(self) -> int:
        """`size` of a new vocabulary as the number that it is after the checks."""
        assert self.size is not None
        return self.size
