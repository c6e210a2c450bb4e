"""The few types that the stages hand on: flat arrays with offsets, no lists of lists.

Axes: num_documents, num_sentences, num_tokens, seq_length, max_predictions.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: Top bit of a token: it continues the word of the token before it. The other bits are its id.
CONTINUES_WORD = np.uint32(1 << 31)
#: A plan lists the files of a corpus up to so many.
_MOST_IDENTITIES = 1000


@dataclass(frozen=True)
class Feature:
    """A feature that every record of an objective has.

    Attributes:
        name: name in the original release ("v1").
        dtype: "int64" or "float32".
        length: number of values: "max_seq_length", "max_predictions" or a constant.
        below: exclusive upper bound of the values: "vocab_size", "max_seq_length" or a constant;
            None where there is no bound.
        v2_name: name in the TensorFlow Model Garden ("v2"), if it differs.
    """

    name: str
    dtype: str
    length: str | int
    below: str | int | None = None
    v2_name: str | None = None

    def stored_name(self, feature_names: str) -> str:
        """Return the name in the files: "v1" as in the original release, "v2" as in the Garden."""
        return self.v2_name if feature_names == "v2" and self.v2_name else self.name


@dataclass(frozen=True)
class PairLabel:
    """The label that an objective gives to a pair of segments.

    Attributes:
        feature: name of the feature that holds it.
        count: name of the manifest's count of records with label 1.
        meanings: what the labels 0 and 1 mean.
    """

    feature: str
    count: str
    meanings: tuple[str, str]


@dataclass(frozen=True)
class Objective:
    """A pretraining objective: what its records hold and which heads learn from them.

    Attributes:
        name: value of the `objective` option.
        features: in the order of a row's columns.
        heads: names of the model's heads that it trains.
        pair_label: label of the pair; None where an instance is no pair.
        create_instances: (documents, vocabulary, options, seed) -> TrainingInstances.
    """

    name: str
    features: tuple[Feature, ...]
    heads: tuple[str, ...]
    pair_label: PairLabel | None
    create_instances: Callable[..., Any] = field(repr=False)

    def stored_names(self, feature_names: str) -> dict[str, str]:
        """Return the name in the files of each feature, by its v1 name."""
        return {feature.name: feature.stored_name(feature_names) for feature in self.features}


@dataclass(frozen=True)
class Masking:
    """How tokens are chosen for prediction.

    Attributes:
        name: value of the `masking` option.
        whole_words: a word is masked whole or not at all.
    """

    name: str
    whole_words: bool


@dataclass(frozen=True)
class RemoteFile:
    """A file on an object store or a web server.

    Attributes:
        url: with all that it takes to get it, perhaps a password or a signature.
        size: bytes.
        version: what the store knows of its content (a tag, a checksum, a time), or nothing.
        has_ranges: parts of it can be asked for; some web servers only send the whole.
    """

    url: str
    size: int
    version: str = ""
    has_ranges: bool = True


@dataclass(frozen=True)
class InputFile:
    """A file of the corpus.

    Attributes:
        path: as it was named; "-" is stdin.
        size: bytes on disk.
        modified: nanoseconds since the epoch; 0 for stdin and remote files.
        compression: "none", "gzip", "bzip2", "xz" or "zstd", by the first bytes, not by the name.
        spool: where stdin was copied to; None for other files.
        format: the name of its format, a key of `corpus.formats.FORMATS`.
        text_bytes: about the bytes of its text, where the file tells; None is to be guessed.
        remote: where it is, if not on a disk; `path` is its URL without secrets.
    """

    path: str
    size: int
    modified: int
    compression: str
    spool: str | None = None
    format: str = "text"
    text_bytes: int | None = None
    remote: RemoteFile | None = None

    @property
    def can_be_split(self) -> bool:
        """Whether it can be read from the middle."""
        return self.compression == "none" and (self.remote is None or self.remote.has_ranges)

    @property
    def location(self) -> str:
        """The path to open where it is not remote; `path` is the one to show."""
        return self.path if self.spool is None else self.spool

    def identity(self) -> dict[str, Any]:
        """Return what a plan keeps of the file, as JSON values: other text has another identity."""
        known: dict[str, Any] = {"path": self.path, "bytes": self.size, "format": self.format}
        if self.remote is not None:
            return known | ({"version": self.remote.version} if self.remote.version else {})
        if self.spool is None:
            return known | {"modified_ns": self.modified}
        with open(self.spool, "rb") as stream:  # stdin has no time
            return known | {"sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def identify(files: Sequence[InputFile]) -> list[dict[str, Any]]:
    """Return what a plan keeps of the files of a corpus: each, or a digest of very many."""
    identities = [file.identity() for file in files]
    if len(files) <= _MOST_IDENTITIES:
        return identities
    digest = hashlib.sha256()
    for identity in identities:
        digest.update(json.dumps(identity).encode())
    return [
        {
            "path": f"{files[0].path} and {len(files) - 1:,} more",
            "bytes": sum(file.size for file in files),
            "sha256": digest.hexdigest(),
        }
    ]


@dataclass(frozen=True, eq=False)
class TokenizedDocuments:
    """Documents as WordPiece tokens.

    Attributes:
        tokens: uint32[num_tokens]. Id in the low 31 bits, CONTINUES_WORD in the top one.
        sentence_offsets: int64[num_sentences + 1]. Sentence s is tokens[offsets[s]:offsets[s + 1]].
        document_offsets: int64[num_documents + 1]. The same, of sentences.
    """

    tokens: np.ndarray
    sentence_offsets: np.ndarray
    document_offsets: np.ndarray

    @property
    def num_documents(self) -> int:
        return len(self.document_offsets) - 1

    @property
    def num_sentences(self) -> int:
        return len(self.sentence_offsets) - 1

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)

    @property
    def token_ids(self) -> np.ndarray:
        """int32[num_tokens]. The ids alone."""
        return (self.tokens & ~CONTINUES_WORD).astype(np.int32)

    @property
    def continues_word(self) -> np.ndarray:
        """bool[num_tokens]. True where a token continues the word before it."""
        return self.tokens >= CONTINUES_WORD


@dataclass(frozen=True, eq=False)
class HashedDocuments:
    """Tokenized documents with what they are dealt to partitions by.

    Attributes:
        documents: the documents.
        hashes: uint64[num_documents]. Keyed hash of each document's stripped lines.
    """

    documents: TokenizedDocuments
    hashes: np.ndarray


@dataclass(frozen=True)
class PartitionPlan:
    """Numbers that follow from the size of the corpus and what was asked for.

    Attributes:
        num_partitions: of the training documents; numbered from 0.
        shards_per_partition: files that a partition's instances go to in turn.
        num_eval_partitions: of the held-out documents; numbered behind the others, one shard each.
        eval_fraction: share of the documents that are held out.
    """

    num_partitions: int
    shards_per_partition: int
    num_eval_partitions: int
    eval_fraction: float

    @property
    def num_shards(self) -> int:
        return self.num_partitions * self.shards_per_partition

    @property
    def num_all_partitions(self) -> int:
        return self.num_partitions + self.num_eval_partitions


@dataclass(frozen=True)
class ShardSummary:
    """What the manifest says of a file.

    Attributes:
        name: relative to the output folder.
        records: number of records.
        bytes: size of the uncompressed record stream.
        crc32c: CRC32C of the uncompressed record stream.
    """

    name: str
    records: int
    bytes: int
    crc32c: int


def offsets_of(counts: np.ndarray) -> np.ndarray:
    """Return the start of each of some consecutive parts, and the end of the last.

    Args:
        counts: int[num_parts]. The sizes of the parts.

    Returns:
        int64[num_parts + 1].
    """
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def mix64(values: np.ndarray) -> np.ndarray:
    """Return uint64[n] in which every bit depends on every bit of the value (splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
