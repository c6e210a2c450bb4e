"""A raw corpus -> a WordPiece vocabulary, new or with a published one's slots filled.

    files -> splits -> words with counts, in buckets -> alphabet, merges -> vocab.txt
    corpus   corpus    count.py, counter.py             train.py | extend.py

The words are those that the tokenizer will look up, so that the vocabulary fits what `create` does.
The bytes follow from the corpus and the options, never from the workers.
"""

from bertprep.vocabulary.command import make_vocabulary

__all__ = ["make_vocabulary"]
