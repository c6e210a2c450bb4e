"""From counted words to pieces: the compiled merges beside the plain ones, and the alphabet."""

import random
from collections.abc import Mapping

import numpy as np
import plain_vocabulary
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertprep.vocabulary import training
from bertprep.vocabulary.training import Alphabet, Trainer, choose_alphabet, choose_min_count
from bertprep.vocabulary.words import Words


def trainer_of(
    counts: Mapping[str, int], alphabet: Alphabet, num_pieces: int, min_frequency: int, least: int
) -> Trainer:
    words = Words.of(counts)
    room = len(words), words.num_bytes + len(words)
    trainer = Trainer(alphabet, room, num_pieces, least, min_frequency)
    trainer.add(words)
    return trainer


def trained(
    counts: Mapping[str, int], num_pieces: int = 100, min_frequency: int = 1, least: int = 1
) -> list[str]:
    alphabet = Alphabet(tuple(sorted(set("".join(counts)))), 0)
    return trainer_of(counts, alphabet, num_pieces, min_frequency, least).train(num_pieces)


def test_the_most_frequent_pair_becomes_a_piece() -> None:
    assert trained({"the": 5, "then": 2, "hen": 4})[:3] == ["th", "the", "he"]


def test_of_equal_pairs_the_older_pieces_go_first() -> None:
    assert trained({"ba": 1, "ab": 1, "ac": 1}) == ["ab", "ac", "ba"]


def test_a_run_of_one_letter_is_merged_from_the_left() -> None:
    # x aa aa a: from the right it would be x a aa aa, and the next pair another one.
    assert trained({"xaaaaa": 1, "xaab": 3}, num_pieces=3) == ["##aa", "xaa", "xaab"]


def test_pairs_that_stand_too_seldom_are_not_merged() -> None:
    assert trained({"ab": 3, "cd": 2}, min_frequency=3) == ["ab"]


def test_rare_words_teach_nothing() -> None:
    assert trained({"ab": 3, "cd": 2}, least=3) == ["ab"]


def test_words_with_a_character_outside_the_alphabet_teach_nothing() -> None:
    alphabet = Alphabet(("a", "b"), 1)
    trainer = trainer_of({"abx": 9, "xab": 9, "ba": 1}, alphabet, 9, 1, 1)
    assert trainer.train(9) == ["ba"]


COUNTS = st.dictionaries(st.text("abcé", min_size=1, max_size=9), st.integers(1, 5), min_size=1)


@given(counts=COUNTS, min_frequency=st.integers(1, 4), num_pieces=st.integers(1, 60))
@settings(max_examples=150, deadline=None)
def test_pieces_are_those_of_the_plain_twin(
    counts: dict[str, int], min_frequency: int, num_pieces: int
) -> None:
    alphabet = Alphabet(tuple(sorted(set("".join(counts)))), 0)
    expected = plain_vocabulary.train_pieces(counts, alphabet.pieces, num_pieces, min_frequency)
    trainer = trainer_of(counts, alphabet, num_pieces, min_frequency, 1)
    assert trainer.train(num_pieces) == expected


def many_words(num_words: int) -> dict[str, int]:
    rng = random.Random(3)
    stems = ["".join(rng.choices("abcdefghij", k=rng.randint(1, 5))) for _ in range(200)]
    return {"".join(rng.choices(stems, k=2)): rng.randint(1, 40) for _ in range(num_words)}


def test_many_words_with_room_that_has_to_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_FIRST_ROWS", 3)
    monkeypatch.setattr(training, "_MERGES_AT_A_TIME", 7)
    counts = many_words(300)
    alphabet = Alphabet(tuple("abcdefghij"), 0)
    found = trainer_of(counts, alphabet, 400, 2, 1).train(400)
    assert found == plain_vocabulary.train_pieces(counts, alphabet.pieces, 400, 2)
    assert len(found) > 250


def test_neither_the_order_of_the_words_nor_buckets_change_anything() -> None:
    counts = many_words(400)
    alphabet = Alphabet(tuple("abcdefghij"), 0)
    expected = trained(counts, 300)
    shuffled = list(counts.items())
    random.Random(1).shuffle(shuffled)
    trainer = Trainer(alphabet, (400, 10_000), 300, 1, 1)
    for first in range(0, 400, 150):
        trainer.add(Words.of(dict(shuffled[first : first + 150])))
    assert trainer.train(300) == expected


def test_training_goes_on_where_it_stopped() -> None:
    counts = many_words(200)
    trainer = trainer_of(counts, Alphabet(tuple("abcdefghij"), 0), 200, 1, 1)
    advanced: list[int] = []
    pieces = trainer.train(70, advanced.append) + trainer.train(0) + trainer.train(130)
    assert pieces == trained(counts, 200)
    assert sum(advanced) == 70


def test_more_pieces_than_there_is_room_for_are_not_made() -> None:
    trainer = trainer_of(many_words(200), Alphabet(tuple("abcdefghij"), 0), 10, 1, 1)
    assert len(trainer.train(100)) == 20


def totals_of(text: str) -> np.ndarray:
    totals = np.zeros(0x110000, np.int64)
    for character in text:
        totals[ord(character)] += 1
    return totals


def test_letters_have_a_form_that_continues_and_ideographs_and_punctuation_have_none() -> None:
    alphabet = choose_alphabet(totals_of("ab,中é€"), 1, None)
    assert alphabet.pieces == [",", "a", "b", "é", "€", "中", "##a", "##b", "##é", "##€"]

    alphabet = choose_alphabet(totals_of(",中"), 1, None, splits_ideographs=False)
    assert alphabet.pieces == [",", "中", "##中"]


def test_the_alphabet_is_what_is_frequent_enough() -> None:
    totals = totals_of("cccbbaaad")
    assert choose_alphabet(totals, 2, None) == Alphabet(("a", "b", "c"), 1)
    assert choose_alphabet(totals, 1, 2) == Alphabet(("a", "c"), 2)
    assert choose_alphabet(totals_of("ba"), 1, 1) == Alphabet(("a",), 1)


def test_words_are_left_out_from_the_rarest_on_until_they_fit() -> None:
    positions = np.array([0, 50, 20, 10, 5])
    assert choose_min_count(positions, 85) == 1
    assert choose_min_count(positions, 84) == 2
    assert choose_min_count(positions, 15) == 3
    assert choose_min_count(positions, 5) == 4
    assert choose_min_count(positions, 1) == 4
