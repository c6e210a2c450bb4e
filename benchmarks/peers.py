"""Tokenizers of BERT's WordPiece under one roof: ours, and the ones that it is measured against.

Each gets its text in the form that it likes best, made beforehand, and leaves flat ids in memory.
One thread each; normalisation as in the uncased release, words up to 200 characters or bytes.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

# Read when the libraries are first used.
os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}

import numpy as np
import processes
from corpora import Text, first_bytes

from bertprep.options import CorpusOptions, TokenizerOptions
from bertprep.tokenization import FastTokenizer
from bertprep.vocab import Vocabulary

_BATCH_LINES = 1_000
_BLOCK_BYTES = 8 << 20
_LONGEST_WORD = 200


class NotComparableError(Exception):
    """Why a peer cannot take part, in words."""


@dataclass(frozen=True)
class Peer:
    """A tokenizer that is ready.

    Attributes:
        tokenize: goes through the whole text once.
        ids_of: the ids of each of some lines.
    """

    name: str
    tokenize: Callable[[], None]
    ids_of: Callable[[list[str]], list[list[int]]]


def lines_of(text: Text) -> list[str]:
    """The sentences of a text."""
    return [line for line in text.data.decode().split("\n") if line.strip()]


def _tokens(text: Text) -> list[str]:
    """The vocabulary for builders that want every piece once, and none empty: ids as they are."""
    seen: set[str] = set()
    tokens = []
    for number, token in enumerate(Vocabulary.load(text.vocab).tokens):
        usable = token not in ("", "##") and token not in seen
        seen.add(token)
        tokens.append(token if usable else f"[never{number}]")
    return tokens


def ours(text: Text) -> Peer:
    """FastTokenizer, on blocks as `create` reads them; the documents' hashes are made too."""
    vocabulary = Vocabulary.load(text.vocab)
    tokenizer = FastTokenizer(vocabulary, TokenizerOptions(), corpus=CorpusOptions())
    blocks, rest = [], text.data
    while rest:
        blocks.append(first_bytes(rest, _BLOCK_BYTES))
        rest = rest[len(blocks[-1]) :]

    def tokenize() -> None:
        for block in blocks:
            tokenizer.tokenize_text(block)

    def ids_of(lines: list[str]) -> list[list[int]]:
        # A document each, so that a line without a token can be told from the others.
        found = []
        for line in lines:
            found.append(tokenizer.tokenize_documents([[line]]).token_ids.tolist())
        together = tokenizer.tokenize_documents([lines])
        ids = together.token_ids.tolist()
        spans = pairwise(together.sentence_offsets.tolist())
        if [ids[start:end] for start, end in spans] != [line for line in found if line]:
            raise SystemExit("FastTokenizer: a line has other ids among other lines")
        return found

    return Peer("bertprep", tokenize, ids_of)


def tensorflow_text(text: Text) -> Peer:
    """FastBertTokenizer, lower-casing as ours, on batches that are tensors already."""
    with processes.silent_stderr():  # TensorFlow's greetings
        import tensorflow as tf
        import tensorflow_text

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tokenizer = tensorflow_text.FastBertTokenizer(
        _tokens(text), max_bytes_per_word=_LONGEST_WORD, lower_case_nfd_strip_accents=True
    )
    lines = lines_of(text)
    batches = [tf.constant(lines[i : i + _BATCH_LINES]) for i in range(0, len(lines), _BATCH_LINES)]

    def tokenize() -> None:
        for batch in batches:
            tokenizer.tokenize(batch).flat_values.numpy()

    return Peer(
        "tensorflow-text FastBertTokenizer",
        tokenize,
        lambda lines: tokenizer.tokenize(tf.constant(lines)).to_list(),
    )


def hugging_face(text: Text) -> Peer:
    """What BertWordPieceTokenizer is made of, without its special tokens and offsets."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    ids = {token: number for number, token in enumerate(_tokens(text))}
    model = models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=_LONGEST_WORD)
    tokenizer: Any = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    lines = lines_of(text)
    batches = [lines[i : i + _BATCH_LINES] for i in range(0, len(lines), _BATCH_LINES)]
    # The newer call leaves out the offsets, which nobody asks for here.
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)

    def tokenize() -> None:
        for batch in batches:
            encode(batch, add_special_tokens=False)

    return Peer(
        "Hugging Face tokenizers",
        tokenize,
        lambda lines: [list(found.ids) for found in encode(lines, add_special_tokens=False)],
    )


#: BlingFire brings its own models, of these sizes.
_BLINGFIRE_MODELS = {30522: "bert_base_tok.bin", 21128: "bert_chinese.bin"}


def blingfire(text: Text) -> Peer:
    """BlingFire's text_to_ids, line by line, with its own copy of the published vocabulary."""
    import blingfire as library

    name = _BLINGFIRE_MODELS.get(len(_tokens(text)))
    if name is None:
        raise NotComparableError("it has no model with this vocabulary")
    model = library.load_model(os.path.join(os.path.dirname(library.__file__), name))
    lines = lines_of(text)

    def encode(line: str) -> np.ndarray:
        # A token takes a byte of text, or more.
        ids: np.ndarray = library.text_to_ids(model, line, 4 * len(line), 100, True)
        return ids

    def tokenize() -> None:
        for line in lines:
            encode(line)

    return Peer("BlingFire", tokenize, lambda lines: [encode(line).tolist() for line in lines])


PEERS = (tensorflow_text, hugging_face, blingfire)
