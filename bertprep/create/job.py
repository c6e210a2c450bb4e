"""What every task of a run knows, and what is made of it once a process."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bertprep.corpus.sentences import SentenceSplitter
from bertprep.data import PartitionPlan
from bertprep.errors import BertprepError
from bertprep.options import CreateOptions
from bertprep.records.serializer import RecordLayout
from bertprep.tokenization import FastTokenizer
from bertprep.vocab import Vocabulary

#: Bytes of text that are tokenized at a time.
BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class Job:
    """What every task of a run knows.

    Attributes:
        vocabulary_sha256: of the file that `options` name, as it was when the run began.
        blob_bytes: text that goes into one blob.
        folder, work: of the output.
        url: where finished shards are uploaded to; None if they stay in `folder`.
    """

    options: CreateOptions
    partitions: PartitionPlan
    vocabulary_sha256: str
    blob_bytes: int
    folder: Path
    work: Path
    url: str | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """As it was when the run began; a file that has changed since is a BertprepError."""
        return _vocabulary(self.options.vocab, self.vocabulary_sha256)

    @property
    def tokenizer(self) -> FastTokenizer:
        """The process's own."""
        return _tokenizer(self.options, self.vocabulary_sha256)

    @property
    def splitter(self) -> SentenceSplitter | None:
        """Of sentences; None where a line is one."""
        return _splitter(self.options)

    @property
    def layout(self) -> RecordLayout:
        """Of the records."""
        return _layout(self.options, self.vocabulary_sha256)


@lru_cache(1)
def _vocabulary(path: Path, sha256: str) -> Vocabulary:
    vocabulary = Vocabulary.load(path)
    if vocabulary.sha256 != sha256:
        raise BertprepError(f"{path}: the vocabulary has changed since this run began: start again")
    return vocabulary


@lru_cache(1)
def _tokenizer(options: CreateOptions, sha256: str) -> FastTokenizer:
    return FastTokenizer(
        _vocabulary(options.vocab, sha256),
        options.tokenizer,
        corpus=options.corpus,
        seed=options.instances.random_seed,
    )


@lru_cache(1)
def _splitter(options: CreateOptions) -> SentenceSplitter | None:
    return SentenceSplitter(options.corpus) if options.corpus.split_sentences else None


@lru_cache(1)
def _layout(options: CreateOptions, sha256: str) -> RecordLayout:
    return RecordLayout.of(_vocabulary(options.vocab, sha256), options.instances, options.records)
