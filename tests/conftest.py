"""Fixtures of many tests: the corpus that comes with the repository, and its vocabulary."""

from pathlib import Path

import pytest

from bertprep.vocab import Vocabulary


@pytest.fixture(scope="session")
def sample_corpus() -> Path:
    """The folder of the sample corpus."""
    return Path(__file__).parents[1] / "sample_corpus"


@pytest.fixture(scope="session")
def sample_vocabulary(sample_corpus: Path) -> Vocabulary:
    """Its vocabulary, which is uncased."""
    return Vocabulary.load(sample_corpus / "vocab.txt")
