"""Words in buckets -> a new vocabulary: alphabet, merges, no line that the tokenizer never uses.

Merging leaves pieces behind that only led to longer ones: with 30,522 lines, one in fifteen. The
tokenizer takes the longest piece that fits, so it never comes to them. They are dropped, more pairs
are merged, and again, until each line is used; 0.4 % fewer tokens are needed for the same text.
"""

from collections.abc import Sequence

import numpy as np

from bertprep.errors import UsageError
from bertprep.options import VocabOptions
from bertprep.terminal import progress
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary
from bertprep.vocabulary.count import Bucket, read_buckets
from bertprep.vocabulary.measure import Figures
from bertprep.vocabulary.report import describe_new
from bertprep.vocabulary.run import Run, say, warn
from bertprep.vocabulary.train import Alphabet, Trainer, choose_alphabet, least_count

#: Positions of the words that are learned from (see `train.py`): 400 MB.
_MOST_POSITIONS = 16 << 20
#: Each round drops a tenth of what the one before has added, or less.
_MOST_ROUNDS = 20


def new_vocabulary(run: Run, buckets: Sequence[Bucket], num_too_long: int) -> tuple[bytes, str]:
    """Makes a vocabulary of the words in the buckets.

    Args:
        num_too_long: words of the corpus that are in no bucket, and [UNK] whatever the pieces.

    Returns:
        The file's bytes, and the report on them.

    Raises:
        UsageError: the alphabet has no room.
    """
    options = run.options
    totals: np.ndarray = np.zeros(0x110000, np.int64)
    for bucket in buckets:
        totals[bucket.characters] += bucket.totals
    alphabet = choose_alphabet(totals, options.min_frequency, options.limit_alphabet)
    _require_size(options, alphabet)
    pieces, figures = _fill(run, buckets, alphabet)
    num_lines = _reserved(options) + len(alphabet.pieces) + len(pieces)
    if num_lines < options.lines:
        warn(
            run.options,
            f"the corpus gives {num_lines:,} lines of the {options.lines:,} asked for, since no "
            f"other piece would stand {options.min_frequency:,} times in it: use more text, or "
            "pass a lower --min-frequency or --size",
        )
    # The filling comes last and is never used: the figures hold without it.
    data = file_of(options, [*alphabet.pieces, *pieces])
    figures.words += num_too_long
    return data, describe_new(options, Vocabulary.parse(data), alphabet.num_left_out, figures)


def _fill(run: Run, buckets: Sequence[Bucket], alphabet: Alphabet) -> tuple[list[str], Figures]:
    """The pieces behind the alphabet by rank, all of them in use; and how they split the words."""
    options = run.options
    wanted = options.lines - _reserved(options) - len(alphabet.pieces)
    trainer = _trainer(run, buckets, alphabet, wanted)
    made: list[str] = []
    dropped: set[str] = set()
    with progress("train", wanted, quiet=options.quiet, unit="pieces") as bar:
        for _ in range(_MOST_ROUNDS):
            missing = wanted - (len(made) - len(dropped))
            more = trainer.train(missing, bar.advance if not made else None)
            made += more
            pieces = [piece for piece in made if piece not in dropped]
            data = file_of(options, [*alphabet.pieces, *pieces])
            figures = run.measure(buckets, data)
            first, least = _reserved(options) + len(alphabet.pieces), options.min_frequency
            usage = figures.usage[first : first + len(pieces)]
            rare = [piece for piece, used in zip(pieces, usage, strict=True) if used < least]
            if not rare:
                break
            dropped.update(rare)
    return pieces, figures


def _trainer(run: Run, buckets: Sequence[Bucket], alphabet: Alphabet, wanted: int) -> Trainer:
    positions: np.ndarray = np.sum([bucket.positions for bucket in buckets], axis=0)
    least = least_count(positions, _MOST_POSITIONS)
    if least > 1:
        say(run.options, f"learning from the words that stand {least:,} times or more")
    num_words = sum(bucket.num_words for bucket in buckets)
    room = num_words, int(positions[least:].sum())
    trainer = Trainer(alphabet, room, wanted, least, run.options.min_frequency)
    for words in read_buckets(run.work, buckets):
        trainer.add(words)
    return trainer


def file_of(options: VocabOptions, pieces: list[str]) -> bytes:
    """The lines: special tokens, unused ones, pieces, and what fills up to a multiple."""
    filling = -(_reserved(options) + len(pieces)) % options.pad_to_multiple
    unused = [f"[unused{number}]" for number in range(options.unused + filling)]
    lines = [*SPECIAL_TOKENS, *unused[: options.unused], *pieces, *unused[options.unused :]]
    return "".join(f"{line}\n" for line in lines).encode()


def _reserved(options: VocabOptions) -> int:
    return len(SPECIAL_TOKENS) + options.unused


def _require_size(options: VocabOptions, alphabet: Alphabet) -> None:
    least = _reserved(options) + len(alphabet.pieces)
    if options.lines < least:
        raise UsageError(
            f"--size {options.lines} is too small: the corpus has {len(alphabet.characters):,} "
            f"characters, which with their ## forms, {len(SPECIAL_TOKENS)} special and "
            f"{options.unused} unused tokens take {least:,} lines. Pass --size {least} or more, or "
            "keep fewer characters with --limit-alphabet"
        )
