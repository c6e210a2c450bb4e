"""Next sentence prediction, the objective of the original release.

An instance is `[CLS] A [SEP] B [SEP]`: B follows A in its document, or comes from a random one.
"""

from typing import TYPE_CHECKING

from bertprep.data import Feature, Objective, PairLabel, TokenizedDocuments
from bertprep.options import InstanceOptions
from bertprep.vocab import Vocabulary

if TYPE_CHECKING:
    from bertprep.objectives.sentence_pairs import TrainingInstances


def _create_instances(
    documents: TokenizedDocuments, vocabulary: Vocabulary, options: InstanceOptions, seed: int
) -> "TrainingInstances":
    from bertprep.objectives.sentence_pairs import create_sentence_pairs  # imports numba

    return create_sentence_pairs(documents, vocabulary, options, seed)


NSP = Objective(
    name="nsp",
    features=(
        Feature("input_ids", "int64", "max_seq_length", "vocab_size", "input_word_ids"),
        Feature("input_mask", "int64", "max_seq_length", 2),
        Feature("segment_ids", "int64", "max_seq_length", 2, "input_type_ids"),
        Feature("masked_lm_positions", "int64", "max_predictions", "max_seq_length"),
        Feature("masked_lm_ids", "int64", "max_predictions", "vocab_size"),
        Feature("masked_lm_weights", "float32", "max_predictions"),
        Feature("next_sentence_labels", "int64", 1, 2),
    ),
    heads=("masked_lm", "next_sentence"),
    pair_label=PairLabel("next_sentence_labels", "random_next", ("B follows A", "B is random")),
    create_instances=_create_instances,
)
