"""The options of each stage: frozen, checked once, with the defaults that the flags show.

Nothing below `cli` sees a flag; a stage takes the one object that is its own. A page a command.
"""

from bertprep.options.create import (
    LONGEST_SEQUENCE,
    CreateOptions,
    InstanceOptions,
    RecordOptions,
    available_cores,
)
from bertprep.options.engine import ENGINES, EngineOptions
from bertprep.options.export import ExportOptions
from bertprep.options.inspect import InspectOptions
from bertprep.options.places import (
    Place,
    is_url,
    place,
    plain_name,
    shown_url,
    without_credentials,
)
from bertprep.options.pretrain import PretrainOptions, TrainingOptions, UpdateOptions
from bertprep.options.text import (
    FORMATS,
    CorpusOptions,
    TokenizerOptions,
    differing_options,
    flags_of,
)
from bertprep.options.vocab import STDOUT, VocabOptions

__all__ = [
    "ENGINES",
    "FORMATS",
    "LONGEST_SEQUENCE",
    "STDOUT",
    "CorpusOptions",
    "CreateOptions",
    "EngineOptions",
    "ExportOptions",
    "InspectOptions",
    "InstanceOptions",
    "Place",
    "PretrainOptions",
    "RecordOptions",
    "TokenizerOptions",
    "TrainingOptions",
    "UpdateOptions",
    "VocabOptions",
    "available_cores",
    "differing_options",
    "flags_of",
    "is_url",
    "place",
    "plain_name",
    "shown_url",
    "without_credentials",
]
