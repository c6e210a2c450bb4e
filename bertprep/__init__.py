"""bertprep: raw text to BERT pretraining records, equal to the reference record for record.

The public names; everything else may change.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

try:
    __version__ = version("bertprep")
except PackageNotFoundError:  # a checkout on the path, not installed
    __version__ = "0+unknown"

_HOMES = {
    "BasicTokenizer": "bertprep.tokenization",
    "BertprepError": "bertprep.errors",
    "CorpusOptions": "bertprep.options",
    "FastTokenizer": "bertprep.tokenization",
    "FullTokenizer": "bertprep.tokenization",
    "InstanceOptions": "bertprep.options",
    "TokenizedDocuments": "bertprep.data",
    "TokenizerOptions": "bertprep.options",
    "TrainingInstance": "bertprep.objectives.sentence_pairs",
    "TrainingInstances": "bertprep.objectives.sentence_pairs",
    "Vocabulary": "bertprep.vocab",
    "WordpieceTokenizer": "bertprep.tokenization",
    "create_masked_lm_predictions": "bertprep.objectives.sentence_pairs",
    "create_training_instances": "bertprep.objectives",
    "seeded": "bertprep.kernels.mt19937",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from bertprep.data import TokenizedDocuments
    from bertprep.errors import BertprepError
    from bertprep.kernels.mt19937 import seeded
    from bertprep.objectives import create_training_instances
    from bertprep.objectives.sentence_pairs import (
        TrainingInstance,
        TrainingInstances,
        create_masked_lm_predictions,
    )
    from bertprep.options import CorpusOptions, InstanceOptions, TokenizerOptions
    from bertprep.tokenization import (
        BasicTokenizer,
        FastTokenizer,
        FullTokenizer,
        WordpieceTokenizer,
    )
    from bertprep.vocab import Vocabulary


def __getattr__(name: str) -> Any:
    # On first use: `bertprep --help` need not wait for numba.
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'bertprep' has no attribute {name!r}")
