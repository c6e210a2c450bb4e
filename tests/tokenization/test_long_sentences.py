"""Sentences of too many tokens become parts: all tokens in order, no word broken."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bertprep.cli import main
from bertprep.data import CONTINUES_WORD, TokenizedDocuments
from bertprep.errors import UsageError
from bertprep.options import CorpusOptions
from bertprep.tokenization.long_sentences import cut_long_sentences
from bertprep.vocab import Vocabulary

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "word", "##s", ",", "।")
WORD, MORE, COMMA, DANDA = 5, 6, 7, 8


VOCABULARY = Vocabulary(PIECES, {piece: i for i, piece in enumerate(PIECES)}, b"", "")


def tokenized(*documents: list[list[int]]) -> TokenizedDocuments:
    """Documents of sentences of ids; MORE continues a word."""
    lengths = [len(sentence) for document in documents for sentence in document]
    ids = [token for document in documents for sentence in document for token in sentence]
    tokens = np.array(ids, np.uint32)
    tokens[tokens == MORE] |= CONTINUES_WORD
    counts = [len(document) for document in documents]
    return TokenizedDocuments(
        tokens,
        np.cumsum([0, *lengths], dtype=np.int64),
        np.cumsum([0, *counts], dtype=np.int64),
    )


def lengths(documents: TokenizedDocuments) -> list[int]:
    return np.diff(documents.sentence_offsets).tolist()


@pytest.mark.parametrize(
    ("sentence", "most", "expected"),
    [
        ([WORD] * 8, 8, [8]),
        ([WORD] * 9, 8, [5, 4]),
        ([WORD] * 20, 8, [7, 7, 6]),
        ([WORD] * 3, 1, [1, 1, 1]),
        # Not inside a word: the nearest border, the earlier of two; the rest is shared out anew.
        ([WORD] * 4 + [MORE] * 2 + [WORD] * 4, 6, [6, 4]),
        ([WORD] * 3 + [WORD, MORE, MORE, MORE] + [WORD] * 3, 6, [3, 4, 3]),
        # Behind a mark, if it is near.
        ([WORD] * 6 + [COMMA] + [WORD] * 9, 10, [7, 9]),
        ([WORD] * 8 + [DANDA] + [WORD] * 7, 10, [9, 7]),
        ([WORD, COMMA] + [WORD] * 14, 10, [8, 8]),
        # A word that is longer is a part of its own.
        ([WORD, WORD] + [MORE] * 9 + [WORD], 4, [1, 10, 1]),
        ([WORD] + [MORE] * 9, 4, [10]),
    ],
)
def test_where_sentences_are_cut(sentence: list[int], most: int, expected: list[int]) -> None:
    documents, num_cut = cut_long_sentences(tokenized([sentence]), most, VOCABULARY)
    assert lengths(documents) == expected
    assert num_cut == (len(expected) > 1)


SENTENCE = st.lists(st.sampled_from([WORD, WORD, MORE, COMMA]), min_size=1, max_size=40)
DOCUMENTS = st.lists(st.lists(SENTENCE, min_size=1, max_size=4), min_size=1, max_size=4)


@given(DOCUMENTS, st.integers(1, 20))
def test_parts_hold_all_tokens_and_whole_words(documents: list[list[list[int]]], most: int) -> None:
    before = tokenized(*documents)
    after, num_cut = cut_long_sentences(before, most, VOCABULARY)
    assert after.tokens is before.tokens
    assert after.num_documents == before.num_documents
    assert min(lengths(after)) >= 1
    # All borders of before are borders of after, of documents too.
    borders = after.sentence_offsets.tolist()
    starts = before.sentence_offsets[before.document_offsets]
    assert starts.tolist() == after.sentence_offsets[after.document_offsets].tolist()
    assert set(before.sentence_offsets.tolist()) <= set(borders)
    num_longer = 0
    for start, end in pairwise(before.sentence_offsets.tolist()):
        inside = [border for border in borders if start < border < end]
        assert end - start > most or not inside
        assert not any(before.continues_word[border] for border in inside)
        for first, last in pairwise([start, *inside, end]):
            # Longer than all only where it is a single word.
            assert last - first <= most or before.continues_word[first + 1 : last].all()
        num_longer += bool(inside)
    assert num_cut == num_longer


def test_documents_without_long_sentences_are_handed_on() -> None:
    documents = tokenized([[WORD] * 5], [[WORD], [WORD, MORE]])
    assert cut_long_sentences(documents, 5, VOCABULARY) == (documents, 0)
    nothing = tokenized()
    assert cut_long_sentences(nothing, 1, VOCABULARY) == (nothing, 0)


def test_ten_million_tokens_in_a_sentence() -> None:
    tokens = np.full(10_000_000, WORD, np.uint32)
    one = TokenizedDocuments(tokens, np.array([0, len(tokens)]), np.array([0, 1]))
    documents, num_cut = cut_long_sentences(one, 128, VOCABULARY)
    assert num_cut == 1
    assert documents.num_sentences == 78_125
    assert set(lengths(documents)) == {128}


def test_the_limit_is_checked() -> None:
    with pytest.raises(UsageError, match="max_sentence_tokens must be at least 1, got 0"):
        CorpusOptions(max_sentence_tokens=0)


def test_the_command_cuts_instead_of_losing(sample_corpus: Path, tmp_path: Path) -> None:
    counts = {}
    for name, flags in (("plain", []), ("cut", ["--max-sentence-tokens", "14"])):
        command = ["create", sample_corpus / "english-a.txt", "--output", tmp_path / name]
        command += ["--vocab", sample_corpus / "vocab.txt", "--max-seq-length", "32", *flags]
        command += ["--num-partitions", "2", "--dupe-factor", "2"]
        result = CliRunner().invoke(main, [str(word) for word in command])
        assert result.exit_code == 0, result.output
        counts[name] = json.loads((tmp_path / name / "manifest.json").read_bytes())["counts"]
    assert f"sentences cut      {counts['cut']['cut_sentences']:,}" in result.stdout
    assert counts["cut"]["tokens"] == counts["plain"]["tokens"]
    assert counts["cut"]["sentences"] > counts["plain"]["sentences"] + 100
    assert counts["cut"]["truncated_tokens"] < counts["plain"]["truncated_tokens"] / 2
    assert "cut_sentences" not in counts["plain"]
