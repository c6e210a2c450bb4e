"""The vocabulary's training told plainly: every pair is counted anew before every merge."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise


def train_pieces(
    counts: Mapping[str, int], alphabet: Sequence[str], num_pieces: int, min_frequency: int
) -> list[str]:
    """Return the pieces after the alphabet, by rank: the slow twin of `training.Trainer`."""
    pieces = {piece: number for number, piece in enumerate(alphabet)}
    words: list[tuple[list[int], int]] = []
    for word, count in counts.items():
        spelled = [c if not i else "##" + c for i, c in enumerate(word)]
        if all(piece in pieces for piece in spelled):
            words.append(([pieces[piece] for piece in spelled], count))
    while len(pieces) < len(alphabet) + num_pieces:
        pairs: Counter[tuple[int, int]] = Counter()
        for spelled_word, count in words:
            for pair in pairwise(spelled_word):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < min_frequency:
            break
        names = list(pieces)
        name = names[best[0]] + names[best[1]].removeprefix("##")
        merged = pieces.setdefault(name, len(pieces))
        words = [(_merged(word, best, merged), count) for word, count in words]
    return list(pieces)[len(alphabet) :]


def _merged(word: list[int], pair: tuple[int, int], piece: int) -> list[int]:
    """The word with the pair merged wherever it stands, from left to right."""
    merged: list[int] = []
    at = 0
    while at < len(word):
        if tuple(word[at : at + 2]) == pair:
            merged.append(piece)
            at += 2
        else:
            merged.append(word[at])
            at += 1
    return merged
