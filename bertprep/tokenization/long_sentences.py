"""Tokenized documents -> the same tokens in shorter sentences: `--max-sentence-tokens`.

A pair that is longer than a sequence is truncated later, and its tokens are lost. Here a long
sentence becomes parts of about the same size, each a sentence of its own from then on.
Cost: one pass over the sentence lengths if none is long; no token is copied.
"""

from functools import lru_cache

import numpy as np

from bertprep.data import TokenizedDocuments
from bertprep.kernels.long_sentences import cut_sentences
from bertprep.vocab import Vocabulary

#: Punctuation that ends a clause, in the scripts that have it.
_PAUSES = frozenset(",;:.!?…，、；：。！？،؛؟۔।॥")


def cut_long_sentences(
    documents: TokenizedDocuments, most: int, vocabulary: Vocabulary
) -> tuple[TokenizedDocuments, int]:
    """Cut sentences into parts of at most `most` tokens.

    A part ends after punctuation if that is within a quarter of a part from an even cut, and never
    inside a word: a word of more than `most` tokens is a part of its own, the only longer kind.

    Args:
        documents: the documents.
        most: tokens per sentence, at least 1.
        vocabulary: the vocabulary of the tokens.

    Returns:
        The documents, and the number of sentences that were cut.
    """
    if not np.any(np.diff(documents.sentence_offsets) > most):
        return documents, 0
    parts = np.empty(documents.num_sentences + 1, np.int64)
    ends = np.empty(0, np.int64)
    arguments = documents.tokens, documents.sentence_offsets, _pauses(vocabulary), most, parts
    cut_sentences(*arguments, ends)
    offsets = np.zeros(parts[-1] + 1, np.int64)
    cut_sentences(*arguments, offsets[1:])
    cut = TokenizedDocuments(documents.tokens, offsets, parts[documents.document_offsets])
    return cut, int(np.count_nonzero(np.diff(parts) > 1))


@lru_cache(1)
def _pauses(vocabulary: Vocabulary) -> np.ndarray:
    """bool[size of the vocabulary]. Return which pieces end a clause."""
    return np.array([token in _PAUSES for token in vocabulary.tokens], np.bool_)
