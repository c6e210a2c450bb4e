"""Tokenized documents -> training instances, told slowly: the twin of the instance kernels.

Every function draws from a plain `Random` in the order of the published algorithm, so a right
kernel gives equal instances, not merely similar ones. A few thousand a second, all in memory.

Example:
    >>> documents = [[["one", "two"], ["three"]], [["four"], ["five", "##six"]]]
    >>> vocab_words = ["[PAD]", "[MASK]", "one", "two", "three", "four", "five", "##six"]
    >>> options = Options(max_seq_length=16, max_predictions_per_seq=2, masked_lm_prob=0.15,
    ...     short_seq_prob=0.1, dupe_factor=1, whole_word_mask=True, quirks="keep")
    >>> create_training_instances(documents, vocab_words, Random(1), **options)[0].tokens
    ['[CLS]', 'five', '##six', '[SEP]', 'one', '[MASK]', 'three', '[SEP]']

Source: create_training_instances in google-research/bert's create_pretraining_data.py.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, groupby
from pathlib import Path
from random import Random
from typing import Any, Literal, TypedDict, Unpack

Document = list[list[str]]  # A document is sentences, a sentence is WordPiece tokens.
_SPECIAL = re.compile(r"\[(PAD|UNK|CLS|SEP|MASK|unused[0-9]+)\]")


class Options(TypedDict):
    """Keyword arguments of the functions below, each of which reads those it needs."""

    max_seq_length: int  # In tokens, [CLS] and [SEP] included; at least 5.
    max_predictions_per_seq: int
    masked_lm_prob: float  # A share of the tokens, in [0, 1].
    short_seq_prob: float  # In [0, 1].
    dupe_factor: int
    whole_word_mask: bool
    quirks: Literal["keep", "fix"]


@dataclass
class TrainingInstance:
    """One sentence pair, masked. The labels are the tokens that stood at the masked positions."""

    tokens: list[str]
    segment_ids: list[int]
    is_random_next: bool
    masked_lm_positions: list[int]
    masked_lm_labels: list[str]


def read_documents(paths: Iterable[Path], tokenize: Callable[[str], list[str]]) -> list[Document]:
    """Reads files of one sentence a line; an empty line, or the end of a file, ends a document."""
    documents = []
    for path in paths:
        # Reference quirk: TensorFlow's line reader drops every carriage return, inside lines too.
        text = Path(path).read_bytes().replace(b"\r", b"").decode("utf-8")
        for _, lines in groupby(text.split("\n"), lambda line: line.strip() != ""):
            # A lone U+200B is no empty line, but has no tokens: it neither adds nor ends anything.
            if document := [tokens for line in lines if (tokens := tokenize(line.strip()))]:
                documents.append(document)
    return documents


def create_training_instances(
    documents: Sequence[Document], vocab_words: list[str], rng: Random, **options: Unpack[Options]
) -> list[TrainingInstance]:
    """Creates the shuffled instances of a partition; `vocab_words` are distinct, in file order."""
    if options["quirks"] == "fix" and len(documents) == 1:
        raise ValueError("quirks='fix' needs two documents to draw a next sentence from, got 1")
    documents = list(documents)
    rng.shuffle(documents)
    instances: list[TrainingInstance] = []
    for index in [*range(len(documents))] * options["dupe_factor"]:
        instances += create_instances_from_document(documents, index, vocab_words, rng, **options)
    rng.shuffle(instances)
    return instances


def create_instances_from_document(
    documents: Sequence[Document],
    document_index: int,
    vocab_words: list[str],
    rng: Random,
    **options: Unpack[Options],
) -> list[TrainingInstance]:
    """Goes through one document once, pairing and masking chunk by chunk."""
    document = documents[document_index]
    max_num_tokens = options["max_seq_length"] - 3  # [CLS], [SEP], [SEP]
    target = max_num_tokens
    if rng.random() < options["short_seq_prob"]:
        target = rng.randint(2, max_num_tokens)

    instances, start = [], 0
    while start < len(document):
        end = _chunk_end(document, start, target)
        a_end = start + (rng.randint(1, end - start - 1) if end - start > 1 else 1)
        tokens_a = list(chain(*document[start:a_end]))
        is_random_next = a_end == end or rng.random() < 0.5
        if is_random_next:
            other = documents[_other_document(len(documents), document_index, rng, **options)]
            first = rng.randint(0, len(other) - 1)
            last = _chunk_end(other, first, target - len(tokens_a))
            tokens_b = list(chain(*other[first:last]))
            start = a_end  # The sentences after A were not used: the next chunk begins with them.
        else:
            tokens_b = list(chain(*document[a_end:end]))
            start = end

        while len(tokens_a) + len(tokens_b) > max_num_tokens:
            longer = tokens_a if len(tokens_a) > len(tokens_b) else tokens_b
            longer.pop(0 if rng.random() < 0.5 else -1)

        pair = ["[CLS]", *tokens_a, "[SEP]", *tokens_b, "[SEP]"]
        segment_ids = [0] * (len(tokens_a) + 2) + [1] * (len(tokens_b) + 1)
        masked, positions, labels = create_masked_lm_predictions(pair, vocab_words, rng, **options)
        instances.append(TrainingInstance(masked, segment_ids, is_random_next, positions, labels))
    return instances


def create_masked_lm_predictions(
    tokens: Sequence[str], vocab_words: list[str], rng: Random, **options: Unpack[Options]
) -> tuple[list[str], list[int], list[str]]:
    """Masks a sequence; returns its new tokens, the masked positions in order and their labels."""
    candidates = _candidates(tokens, **options)
    rng.shuffle(candidates)
    # Reference quirk: the share is taken of all tokens, [CLS] and [SEP] included.
    num_to_predict = max(1, round(len(tokens) * options["masked_lm_prob"]))
    num_to_predict = min(num_to_predict, options["max_predictions_per_seq"])
    words = vocab_words  # Reference quirk: special tokens such as [CLS] and [PAD] included.
    if options["quirks"] == "fix":
        words = [word for word in vocab_words if not _SPECIAL.fullmatch(word)]

    masked, positions = list(tokens), list[int]()
    for candidate in candidates:
        if len(positions) + len(candidate) > num_to_predict:
            continue  # Once the number is reached, so do all that follow.
        positions += candidate
        for position in candidate:
            if rng.random() < 0.8:
                masked[position] = "[MASK]"
            elif rng.random() >= 0.5:
                masked[position] = words[rng.randint(0, len(words) - 1)]
    positions.sort()
    return masked, positions, [tokens[position] for position in positions]


def features(
    instance: TrainingInstance,
    token_to_id: Mapping[str, int],
    max_seq_length: int,
    max_predictions_per_seq: int,
) -> dict[str, list[Any]]:
    """Turns an instance into the seven features of a v1 record, padded with 0 to fixed lengths."""
    pad_tokens = [0] * (max_seq_length - len(instance.tokens))
    pad_masks = [0] * (max_predictions_per_seq - len(instance.masked_lm_labels))
    return {
        "input_ids": [token_to_id[token] for token in instance.tokens] + pad_tokens,
        "input_mask": [1] * len(instance.tokens) + pad_tokens,
        "segment_ids": instance.segment_ids + pad_tokens,
        "masked_lm_positions": instance.masked_lm_positions + pad_masks,
        "masked_lm_ids": [token_to_id[label] for label in instance.masked_lm_labels] + pad_masks,
        "masked_lm_weights": [1.0] * len(instance.masked_lm_labels) + [0.0] * len(pad_masks),
        "next_sentence_labels": [int(instance.is_random_next)],
    }


def _chunk_end(document: Document, start: int, target: int) -> int:
    """Returns the end, exclusive, of the fewest sentences (at least one) with `target` tokens."""
    num_tokens = accumulate(len(sentence) for sentence in document[start:])
    ends = (end for end, total in enumerate(num_tokens, start + 1) if total >= target)
    return next(ends, len(document))


def _other_document(num_documents: int, own: int, rng: Random, **options: Unpack[Options]) -> int:
    if options["quirks"] == "fix":
        drawn = rng.randint(0, num_documents - 2)
        return drawn + (drawn >= own)
    # Reference quirk: after ten draws of the document itself it serves as its own "random" one.
    for _ in range(10):
        drawn = rng.randint(0, num_documents - 1)
        if drawn != own:
            break
    return drawn


def _candidates(tokens: Sequence[str], **options: Unpack[Options]) -> list[list[int]]:
    """Groups the positions that are masked together: single tokens, or whole words."""
    candidates: list[list[int]] = []
    for position, token in enumerate(tokens):
        if token in ("[CLS]", "[SEP]"):
            continue
        joins = options["whole_word_mask"] and token.startswith("##") and candidates
        # Reference quirk: when B was cut inside a word, its first piece joins the last word of A.
        if joins and (options["quirks"] == "keep" or candidates[-1][-1] == position - 1):
            candidates[-1].append(position)
        else:
            candidates.append([position])
    return candidates
