"""The registries of pretraining objectives and of maskings.

    objective = OBJECTIVES["nsp"]
    objective.features, objective.heads, objective.pair_label
    create_training_instances(documents, vocabulary, options)

An objective is a page and an entry here; a masking is an entry. Importing this page loads no
compiler: kernels are imported when instances are created.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from bertprep.data import Masking, Objective, TokenizedDocuments
from bertprep.objectives.nsp import NSP
from bertprep.options import InstanceOptions
from bertprep.vocab import Vocabulary

if TYPE_CHECKING:
    from bertprep.objectives.sentence_pairs import TrainingInstances

OBJECTIVES: Mapping[str, Objective] = {objective.name: objective for objective in (NSP,)}

MASKINGS: Mapping[str, Masking] = {
    masking.name: masking
    for masking in (
        Masking("whole-word", whole_words=True),
        Masking("wordpiece", whole_words=False),
    )
}


def find_objective(names: Collection[str]) -> Objective:
    """Return the objective whose records have features of these names.

    Args:
        names: names of a record's features, in either release's spelling.

    Returns:
        The one with the fewest features missing and, among those, the most features present.
    """

    def fit(objective: Objective) -> tuple[int, int]:
        stored = [{feature.name, feature.v2_name} for feature in objective.features]
        present = sum(not spellings.isdisjoint(names) for spellings in stored)
        return present - len(stored), present

    return max(OBJECTIVES.values(), key=fit)


def create_training_instances(
    documents: TokenizedDocuments,
    vocabulary: Vocabulary,
    options: InstanceOptions,
    *,
    seed: int | None = None,
) -> "TrainingInstances":
    """Create the instances of all documents, `dupe_factor` times.

    Args:
        documents: the documents of one partition; none of them is empty.
        seed: seed of `random.Random`; None takes `options.random_seed`.

    Raises:
        BertprepError: `quirks="fix"` with a single document, which leaves no other to draw the
            random segment from; or more tokens than a partition can hold.

    Source: create_training_instances of google-research/bert.
    """
    seed = options.random_seed if seed is None else seed
    return OBJECTIVES[options.objective].create_instances(documents, vocabulary, options, seed)  # type: ignore[no-any-return]
