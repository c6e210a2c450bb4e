"""Tokenized documents -> the same tokens in shorter sentences: `--max-sentence-tokens`.

What is longer than a sequence is cut away later, token by token, and lost. Here such a sentence
becomes parts of about the same size instead, each a sentence of its own to all that follows.
Cost: a look at the sentences' lengths where none is long; no token is copied.
"""

from functools import lru_cache

import numpy as np

from bertprep.data import TokenizedDocuments
from bertprep.kernels.long_sentences import cut_sentences
from bertprep.vocab import Vocabulary

#: Marks behind which a clause ends, in the scripts that have some.
_PAUSES = frozenset(",;:.!?…，、；：。！？،؛؟۔।॥")


def cut_long_sentences(
    documents: TokenizedDocuments, most: int, vocabulary: Vocabulary
) -> tuple[TokenizedDocuments, int]:
    """Cuts sentences into parts of at most `most` tokens.

    A part ends behind a mark where one is near an even cut, by a quarter of the part, and never
    inside a word: a word of more than `most` tokens is a part of its own, the only longer ones.

    Args:
        most: tokens of a sentence, at least 1.
        vocabulary: of the tokens.

    Returns:
        The documents, and how many sentences were cut.
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
    """bool[size of the vocabulary]. The pieces that are marks."""
    return np.array([token in _PAUSES for token in vocabulary.tokens], np.bool_)
