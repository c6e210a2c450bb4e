"""Settings and fixtures of all tests: no output or limit of a test depends on time."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bertprep import terminal
from bertprep.vocab import Vocabulary

settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Progress on a file or a pipe is a line each 30 s: how many there are says how fast the machine is.
terminal._PLAIN_LINE_SECONDS = math.inf


@pytest.fixture(scope="session")
def sample_corpus() -> Path:
    """The folder of the sample corpus."""
    return Path(__file__).parents[1] / "sample_corpus"


@pytest.fixture(scope="session")
def sample_vocabulary(sample_corpus: Path) -> Vocabulary:
    """Its vocabulary, which is uncased."""
    return Vocabulary.load(sample_corpus / "vocab.txt")
