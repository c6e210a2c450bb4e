"""Options of `bertprep vocab`."""

from dataclasses import dataclass
from pathlib import Path

from bertprep.options.engine import EngineOptions
from bertprep.options.fields import Options, option, part, require
from bertprep.options.text import CorpusOptions, TokenizerOptions

DEFAULT_SIZE = 30522
#: The `output` that is stdout.
STDOUT = Path("-")
#: [PAD], [UNK], [CLS], [SEP] and [MASK].
_NUM_SPECIALS = 5
_MOST_PIECES = 2**21


@dataclass(frozen=True)
class VocabOptions(Options):
    """All options of `bertprep vocab`.

    Attributes:
        inputs: files, globs, folders; "-" is stdin.
        output: "-" is stdout.
        size: None is 30522; with `extend`, all slots.
    """

    inputs: tuple[str, ...] = option(
        ...,
        "Files, globs, folders, URLs of these, or - for stdin.",
        group="Corpus",
        argument="CORPUS...",
    )
    output: Path = option(
        ...,
        "Vocabulary file to write; - for stdout.",
        group="Output",
        flags=("--output", "-o"),
        metavar="FILE",
    )
    size: int | None = option(
        None,
        "Number of lines, special tokens included; with --extend, maximum number of lines to fill.",
        group="Vocabulary",
        shown_default="30522; with --extend, all",
    )
    extend: Path | None = option(
        None,
        "Fill the [unusedN] lines of this vocabulary with words of the corpus.",
        group="Vocabulary",
        metavar="VOCAB",
    )
    unused: int = option(
        0, "Number of [unusedN] lines after the special tokens.", group="Vocabulary", at_least=0
    )
    min_frequency: int = option(
        2, "Minimum count of a character, pair or new word.", group="Vocabulary", at_least=1
    )
    limit_alphabet: int | None = option(
        None,
        "Keep only the N most frequent characters.",
        group="Vocabulary",
        shown_default="all",
        at_least=1,
    )
    pad_to_multiple: int = option(
        1,
        "Add [unusedN] lines until the number of lines is a multiple of N.",
        group="Vocabulary",
        at_least=1,
    )
    workers: int | None = option(
        None,
        "Number of worker processes.",
        group="Execution",
        flags=("--workers", "-j"),
        shown_default="all cores",
        at_least=1,
    )
    work_folder: Path | None = option(
        None,
        "Folder for word counts, from which an interrupted run resumes.",
        group="Execution",
        shown_default="beside the output",
    )
    overwrite: bool = option(False, "Replace the output file.", group="Output")
    quiet: bool = option(
        False,
        "Print errors only: no progress, no warnings, no report.",
        group="Output",
        flags=("--quiet", "-q"),
    )
    tokenizer: TokenizerOptions = part(
        TokenizerOptions, without=("segmented", "word_segmenter", "never_split")
    )
    corpus: CorpusOptions = part(CorpusOptions, without=("split_sentences", "max_sentence_tokens"))
    execution: EngineOptions = part(EngineOptions)

    def check(self) -> None:
        require(bool(self.inputs), "no input: name files, globs, folders, or - for stdin")
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
                f"size, the number of lines to fill, must be at least 1, got {self.size}",
            )
            return
        if self.size is None:
            object.__setattr__(self, "size", DEFAULT_SIZE)
        require(self.unused <= _MOST_PIECES, f"unused must be 0 or more, got {self.unused}")
        least = _NUM_SPECIALS + self.unused + 1
        require(
            least <= self.lines <= _MOST_PIECES,
            f"size must be between {least:,} (the special and the unused tokens, and a character) "
            f"and {_MOST_PIECES:,}, got {self.lines}",
        )

    @property
    def lines(self) -> int:
        """Return the `size` of a new vocabulary after the checks."""
        assert self.size is not None
        return self.size
