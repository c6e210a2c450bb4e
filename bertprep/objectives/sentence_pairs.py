"""Tokenized documents -> training instances, as the reference makes them, draw for draw.

`create_training_instances` fills flat arrays (32 bytes an instance, 8 bytes a mask; the tokens
stay where they are); the sequence that it returns is a view on them, which `records` writes.

    documents = tokenizer.tokenize_documents([["First sentence.", "Second one."], ["Another."]])
    for instance in create_training_instances(documents, vocabulary, InstanceOptions()):
        print(instance.token_ids, instance.masked_lm_positions)
"""

import numpy as np

from bertprep.data import TokenizedDocuments, TrainingInstance, TrainingInstances
from bertprep.errors import BertprepError
from bertprep.kernels import instances as kernel
from bertprep.kernels import mt19937
from bertprep.options import InstanceOptions
from bertprep.vocab import Vocabulary

#: Share of the longest target that an instance uses up on average; only sizes the first arrays.
_TYPICAL_SHARE = 0.6
#: An instance knows where it starts by 32 bits.
_MOST_TOKENS = 2**31 - 1


def _settings(vocabulary: Vocabulary, options: InstanceOptions) -> np.ndarray:
    unit = mt19937.RANDOM_UNIT
    settings = np.zeros(kernel.NUM_TO_PREDICT + options.max_seq_length + 1, np.int64)
    settings[kernel.MAX_SEQ_LENGTH] = options.max_seq_length
    settings[kernel.MAX_PREDICTIONS] = options.predictions
    settings[kernel.SHORT_SEQ_BELOW] = _numerator(options.short_seq_prob)
    settings[kernel.FIX_QUIRKS] = options.quirks == "fix"
    settings[kernel.WHOLE_WORD_MASK] = options.whole_word_mask
    settings[kernel.MASK_ID] = vocabulary.mask_id
    settings[kernel.MASK_BELOW] = _numerator(0.8)
    settings[kernel.KEEP_BELOW] = unit // 2
    settings[kernel.NUM_TO_PREDICT :] = [
        options.num_to_predict(num_tokens) for num_tokens in range(options.max_seq_length + 1)
    ]
    return settings


def _numerator(probability: float) -> int:
    """The smallest n so that `random() < probability` is `numerator < n`."""
    scaled = probability * mt19937.RANDOM_UNIT  # exact: a power of two
    return int(scaled) + (scaled != int(scaled))


def create_training_instances(
    documents: TokenizedDocuments,
    vocabulary: Vocabulary,
    options: InstanceOptions,
    *,
    seed: int | None = None,
) -> TrainingInstances:
    """Makes sentence pairs with masks from all documents, `dupe_factor` times.

    Args:
        documents: the documents of one partition; none of them is empty.
        seed: of `random.Random`; `options.random_seed` unless given.

    Raises:
        BertprepError: `quirks="fix"` with a single document, which has no other to draw from; or
            more tokens than can be numbered.

    Source: create_training_instances of google-research/bert.
    """
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
    rng = mt19937.seeded(options.random_seed if seed is None else seed)
    shuffled = np.arange(documents.num_documents, dtype=np.int32)
    mt19937.shuffle_order(rng, shuffled)

    settings = _settings(vocabulary, options)
    replacements = vocabulary.replacement_ids(ordinary_only=options.quirks == "fix")
    scratch = np.zeros(kernel.SCRATCH_ROWS * options.max_seq_length, np.int32)
    typical = max(1, int(_TYPICAL_SHARE * options.max_seq_length))
    capacity = options.dupe_factor * (documents.num_tokens // typical + documents.num_documents)
    arrays = np.empty(capacity, kernel.INSTANCE)
    masks = np.empty(capacity * options.predictions, kernel.MASK)
    progress = np.zeros(kernel.PROGRESS_SIZE, np.int64)
    for _ in range(options.dupe_factor):
        progress[kernel.NEXT_DOCUMENT] = 0
        while True:
            kernel.fill_instances(
                rng,
                documents.tokens,
                documents.sentence_offsets,
                documents.document_offsets,
                shuffled,
                settings,
                replacements,
                scratch,
                arrays,
                masks,
                progress,
            )
            at = progress[kernel.NEXT_DOCUMENT]
            if at == len(shuffled):
                break
            # The next document may not fit: room for it, and half as much again for the rest.
            most = int(np.diff(documents.document_offsets)[shuffled[at]])
            arrays = _enlarged(arrays, most)
            masks = _enlarged(masks, most * options.predictions)
    order = np.arange(progress[kernel.NUM_INSTANCES], dtype=np.int32)
    mt19937.shuffle_order(rng, order)
    return TrainingInstances(
        documents=documents,
        arrays=arrays[: len(order)],
        masks=masks[: progress[kernel.NUM_MASKS]],
        order=order,
        cls_id=vocabulary.cls_id,
        sep_id=vocabulary.sep_id,
        num_random_next=int(progress[kernel.NUM_RANDOM_NEXT]),
        num_truncated=int(progress[kernel.NUM_TRUNCATED]),
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
    """Masks one pair `[CLS] A [SEP] B [SEP]`; a whole document goes faster through
    `create_training_instances`.

    Args:
        tokens_a, tokens_b: uint32[num_tokens >= 1]. Tokens as in `TokenizedDocuments`.
        rng: a generator, from `bertprep.seeded(seed)`; it moves on as the reference's would.

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
    masks = np.empty(options.predictions, kernel.MASK)
    arrays["num_masks"] = kernel.mask_instance(
        rng,
        tokens,
        arrays,
        _settings(vocabulary, options),
        vocabulary.replacement_ids(ordinary_only=options.quirks == "fix"),
        np.zeros(kernel.SCRATCH_ROWS * options.max_seq_length, np.int32),
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
