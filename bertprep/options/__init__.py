"""The options of each stage: frozen, checked once, with the defaults that the flags show.

Nothing below `cli` sees a flag; a stage takes the one object that is its own. A page a command.
"""

from bertprep.options.create import (
    LONGEST_SEQUENCE,
    CorpusOptions,
    CreateOptions,
    InstanceOptions,
    RecordOptions,
    TokenizerOptions,
    available_cores,
)
from bertprep.options.engine import EngineOptions
from bertprep.options.export import ExportOptions
from bertprep.options.inspect import InspectOptions
from bertprep.options.pretrain import PretrainOptions, TrainingOptions, UpdateOptions

__all__ = [
    "LONGEST_SEQUENCE",
    "CorpusOptions",
    "CreateOptions",
    "EngineOptions",
    "ExportOptions",
    "InspectOptions",
    "InstanceOptions",
    "PretrainOptions",
    "RecordOptions",
    "TokenizerOptions",
    "TrainingOptions",
    "UpdateOptions",
    "available_cores",
]
