"""Tokenized documents -> training instances, as the reference makes them, draw for draw.

`create_sentence_pairs` fills flat arrays: 32 bytes per instance and 8 bytes per mask; tokens are
not copied. The sequence that it returns is a view of the arrays, which `records` serializes.

    documents = tokenizer.tokenize_documents([["First sentence.", "Second one."], ["Another."]])
    for instance in create_sentence_pairs(documents, vocabulary, InstanceOptions(), seed=1):
        print(instance.token_ids, instance.masked_lm_positions)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from bertprep.data import CONTINUES_WORD, TokenizedDocuments
from bertprep.errors import BertprepError
from bertprep.kernels import instances as kernel
from bertprep.kernels import masking, mt19937
from bertprep.options import InstanceOptions
from bertprep.vocab import Vocabulary

#: Share of the longest target that an instance uses up on average; only sizes the first arrays.
_TYPICAL_SHARE = 0.6
#: An instance holds the index of its first token in 32 bits.
_MOST_TOKENS = 2**31 - 1


@dataclass(frozen=True)
class TrainingInstance:
    """One instance: `[CLS] A [SEP] B [SEP]` with its masks, as the reference's class of this name.

    Attributes:
        token_ids: ids of the tokens after masking.
        segment_ids: 0 up to and including the first [SEP], then 1.
        masked_lm_positions: positions of the masks, ascending.
        masked_lm_ids: ids at these positions before masking.
        is_random_next: whether B comes from a random document.
    """

    token_ids: list[int]
    segment_ids: list[int]
    masked_lm_positions: list[int]
    masked_lm_ids: list[int]
    is_random_next: bool


@dataclass(frozen=True, eq=False)
class TrainingInstances(Sequence[TrainingInstance]):
    """The instances of a set of documents, in the order in which the reference writes them.

    Attributes:
        documents: the documents; instances are slices of their tokens.
        arrays: kernels.instances.INSTANCE[num_instances], in the order of creation.
        masks: kernels.masking.MASK[num_masks].
        order: int32[num_instances]. Record k is arrays[order[k]].
        cls_id, sep_id: ids of [CLS] and [SEP].
        num_random_next: number of instances whose B comes from a random document.
        num_truncated: tokens removed by truncation, over all instances.
    """

    documents: TokenizedDocuments
    arrays: np.ndarray
    masks: np.ndarray
    order: np.ndarray
    cls_id: int
    sep_id: int
    num_random_next: int
    num_truncated: int

    @property
    def counts(self) -> dict[str, int]:
        """The manifest's counts of instances."""
        lengths = (self.arrays["a_length"], self.arrays["b_length"])
        return {
            "instances": len(self),
            "instance_tokens": sum(int(length.sum(dtype=np.int64)) for length in lengths),
            "truncated_tokens": self.num_truncated,
            "random_next": self.num_random_next,
            "masks": len(self.masks),
        }

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, index: int) -> TrainingInstance: ...
    @overload
    def __getitem__(self, index: slice) -> list[TrainingInstance]: ...

    def __getitem__(self, index: int | slice) -> TrainingInstance | list[TrainingInstance]:
        if isinstance(index, slice):
            return [self._view(int(k)) for k in self.order[index]]
        return self._view(int(self.order[index]))

    def __iter__(self) -> Iterator[TrainingInstance]:
        return (self._view(int(k)) for k in self.order)

    def _view(self, k: int) -> TrainingInstance:
        head = self.arrays[k]
        tokens = self.documents.tokens
        a = tokens[head["a_start"] : head["a_start"] + head["a_length"]] & ~CONTINUES_WORD
        b = tokens[head["b_start"] : head["b_start"] + head["b_length"]] & ~CONTINUES_WORD
        token_ids = [self.cls_id, *a.tolist(), self.sep_id, *b.tolist(), self.sep_id]
        masks = self.masks[head["first_mask"] : head["first_mask"] + head["num_masks"]]
        positions = masks["position"].tolist()
        labels = [token_ids[position] for position in positions]
        for position, token_id in zip(positions, masks["token_id"].tolist(), strict=True):
            token_ids[position] = token_id
        return TrainingInstance(
            token_ids=token_ids,
            segment_ids=[0] * (len(a) + 2) + [1] * (len(b) + 1),
            masked_lm_positions=positions,
            masked_lm_ids=labels,
            is_random_next=bool(head["label"]),
        )


def _settings(vocabulary: Vocabulary, options: InstanceOptions) -> masking.Settings:
    return masking.Settings(
        max_seq_length=options.max_seq_length,
        max_predictions=options.predictions,
        short_seq_below=_numerator(options.short_seq_prob),
        fix_quirks=int(options.quirks == "fix"),
        # A token that continues a word has the top bit set; without whole words any may start.
        starts_below=int(CONTINUES_WORD) << (not options.whole_word_mask),
        mask_id=vocabulary.mask_id,
        mask_below=_numerator(0.8),
        keep_below=_numerator(0.5),
    )


def _tables(vocabulary: Vocabulary, options: InstanceOptions) -> masking.Tables:
    lengths = range(options.max_seq_length + 1)
    return masking.Tables(
        budgets=np.array([options.num_to_predict(length) for length in lengths], np.int64),
        replacements=vocabulary.replacement_ids(ordinary_only=options.quirks == "fix"),
    )


def _numerator(probability: float) -> int:
    """Return the smallest n for which `random() < probability` is `numerator < n`."""
    scaled = probability * mt19937.RANDOM_UNIT  # exact: a power of two
    return int(scaled) + (scaled != int(scaled))


def create_sentence_pairs(
    documents: TokenizedDocuments, vocabulary: Vocabulary, options: InstanceOptions, seed: int
) -> TrainingInstances:
    """Create masked sentence pairs; see `objectives.create_training_instances`."""
    if options.quirks == "fix" and documents.num_documents == 1:
        raise BertprepError(
            "with quirks=fix the random next sentence comes from another document, but this "
            "partition has a single one: use fewer partitions or shards, or --quirks keep"
        )
    if documents.num_tokens > _MOST_TOKENS:
        raise BertprepError(
            f"a partition holds {_MOST_TOKENS:,} tokens at most, this one has "
            f"{documents.num_tokens:,}: use more partitions"
        )
    for offsets in (documents.document_offsets, documents.sentence_offsets):
        if not np.diff(offsets).all():
            raise BertprepError("each document needs a sentence, and each sentence a token")
    rng = mt19937.seeded(seed)
    shuffled = np.arange(documents.num_documents, dtype=np.int32)
    mt19937.shuffle_order(rng, shuffled)

    settings, tables = _settings(vocabulary, options), _tables(vocabulary, options)
    inputs = kernel.Documents(
        documents.tokens, documents.sentence_offsets, documents.document_offsets, shuffled
    )
    scratch = np.zeros(masking.SCRATCH_ROWS * options.max_seq_length, np.int32)
    typical = max(1, int(_TYPICAL_SHARE * options.max_seq_length))
    capacity = options.dupe_factor * (documents.num_tokens // typical + documents.num_documents)
    arrays = np.empty(capacity, kernel.INSTANCE)
    masks = np.empty(capacity * options.predictions, masking.MASK)
    progress = np.zeros(1, kernel.PROGRESS)
    for _ in range(options.dupe_factor):
        progress["next_document"] = 0
        while True:
            kernel.fill_instances(rng, inputs, settings, tables, scratch, arrays, masks, progress)
            at = progress["next_document"][0]
            if at == len(shuffled):
                break
            # The next document may not fit: make room for it, and half as much again.
            most = int(np.diff(documents.document_offsets)[shuffled[at]])
            arrays = _enlarged(arrays, most)
            masks = _enlarged(masks, most * options.predictions)
    made = progress[0]
    order = np.arange(made["num_instances"], dtype=np.int32)
    mt19937.shuffle_order(rng, order)
    return TrainingInstances(
        documents=documents,
        arrays=arrays[: len(order)],
        masks=masks[: made["num_masks"]],
        order=order,
        cls_id=vocabulary.cls_id,
        sep_id=vocabulary.sep_id,
        num_random_next=int(made["num_random"]),
        num_truncated=int(made["num_truncated"]),
    )


def _enlarged(array: np.ndarray, more: int) -> np.ndarray:
    enlarged = np.empty(len(array) + len(array) // 2 + more, array.dtype)
    enlarged[: len(array)] = array
    return enlarged


def create_masked_lm_predictions(
    tokens_a: np.ndarray,
    tokens_b: np.ndarray,
    vocabulary: Vocabulary,
    options: InstanceOptions,
    rng: np.ndarray,
) -> TrainingInstance:
    """Mask one pair `[CLS] A [SEP] B [SEP]`; for documents, `create_training_instances` is faster.

    Args:
        tokens_a, tokens_b: uint32[num_tokens >= 1]. Tokens as in `TokenizedDocuments`.
        rng: a generator of `bertprep.seeded(seed)`; it advances as the reference's would.

    Raises:
        BertprepError: the pair is longer than `max_seq_length`.

    Source: create_masked_lm_predictions of google-research/bert.
    """
    num_tokens = len(tokens_a) + len(tokens_b) + 3
    if not (len(tokens_a) and len(tokens_b) and num_tokens <= options.max_seq_length):
        raise BertprepError(
            f"a pair must have a token in each segment and at most {options.max_seq_length} "
            f"tokens with [CLS] and both [SEP], got {len(tokens_a)} and {len(tokens_b)}"
        )
    tokens = np.concatenate([tokens_a, tokens_b]).astype(np.uint32)
    arrays = np.zeros(1, kernel.INSTANCE)
    arrays["a_length"], arrays["b_length"] = len(tokens_a), len(tokens_b)
    arrays["b_start"] = len(tokens_a)
    masks = np.empty(options.predictions, masking.MASK)
    arrays["num_masks"] = options.num_to_predict(num_tokens)
    masking.mask_instance(
        rng,
        tokens,
        arrays,
        _settings(vocabulary, options),
        _tables(vocabulary, options).replacements,
        np.zeros(masking.SCRATCH_ROWS * options.max_seq_length, np.int32),
        masks,
    )
    offsets = np.array([0, len(tokens_a), len(tokens)], np.int64)
    documents = TokenizedDocuments(tokens, offsets, np.array([0, 2], np.int64))
    view = TrainingInstances(
        documents,
        arrays,
        masks,
        np.arange(1, dtype=np.int32),
        vocabulary.cls_id,
        vocabulary.sep_id,
        0,
        0,
    )
    return view[0]
