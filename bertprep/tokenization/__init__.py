"""Text -> WordPiece tokens: readable plain classes, and a compiled tokenizer for the corpus."""

from bertprep.data import HashedDocuments
from bertprep.tokenization.fast import FastTokenizer
from bertprep.tokenization.plain import BasicTokenizer, FullTokenizer, WordpieceTokenizer

__all__ = [
    "BasicTokenizer",
    "FastTokenizer",
    "FullTokenizer",
    "HashedDocuments",
    "WordpieceTokenizer",
]
