"""The few types that the stages hand on: flat arrays with offsets, no lists of lists.

Axes: num_documents, num_sentences, num_tokens, seq_length, max_predictions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

#: Top bit of a token: it continues the word of the token before it. The other bits are its id.
CONTINUES_WORD = np.uint32(1 << 31)

#: The features of a record under the reference's names ("v1"). L is max_seq_length, P is
#: max_predictions_per_seq: int64[L] three times, int64[P] twice, float32[P], int64[1].
FEATURES = (
    "input_ids",
    "input_mask",
    "segment_ids",
    "masked_lm_positions",
    "masked_lm_ids",
    "masked_lm_weights",
    "next_sentence_labels",
)
_V2_NAMES = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}


def stored_name(feature: str, feature_names: str) -> str:
    """What one of FEATURES is called in the files: "v1" as here, "v2" as in the Model Garden."""
    return _V2_NAMES.get(feature, feature) if feature_names == "v2" else feature


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
        format: "text", "paragraphs", "jsonl", "parquet", "wikiextractor", "wikiextractor-json".
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
class TrainingInstance:
    """One instance: `[CLS] A [SEP] B [SEP]` with its masks, as the reference's class of this name.

    Attributes:
        token_ids: the ids, masks in place.
        segment_ids: 0 up to and with the first [SEP], then 1.
        masked_lm_positions: ascending.
        masked_lm_ids: the ids that stood at the masks.
        is_random_next: B comes from elsewhere.
    """

    token_ids: list[int]
    segment_ids: list[int]
    masked_lm_positions: list[int]
    masked_lm_ids: list[int]
    is_random_next: bool


@dataclass(frozen=True, eq=False)
class TrainingInstances(Sequence[TrainingInstance]):
    """The instances of a set of documents, in the order in which the reference writes them.

    Attributes:
        documents: whose tokens the instances are slices of.
        arrays: kernels.instances.INSTANCE[num_instances], in the order of making.
        masks: kernels.instances.MASK[num_masks].
        order: int32[num_instances]. Record k is arrays[order[k]].
        cls_id, sep_id: ids of [CLS] and [SEP].
        num_random_next: instances whose B comes from elsewhere.
        num_truncated: tokens cut away, over all instances.
    """

    documents: TokenizedDocuments
    arrays: np.ndarray
    masks: np.ndarray
    order: np.ndarray
    cls_id: int
    sep_id: int
    num_random_next: int
    num_truncated: int

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, index: int) -> TrainingInstance: ...
    @overload
    def __getitem__(self, index: slice) -> list[TrainingInstance]: ...

    def __getitem__(self, index: int | slice) -> TrainingInstance | list[TrainingInstance]:
        if isinstance(index, slice):
            return [self._view(int(k)) for k in self.order[index]]
        return self._view(int(self.order[index]))

    def __iter__(self) -> Iterator[TrainingInstance]:
        return (self._view(int(k)) for k in self.order)

    def _view(self, k: int) -> TrainingInstance:
        head = self.arrays[k]
        tokens = self.documents.tokens
        a = tokens[head["a_start"] : head["a_start"] + head["a_length"]] & ~CONTINUES_WORD
        b = tokens[head["b_start"] : head["b_start"] + head["b_length"]] & ~CONTINUES_WORD
        token_ids = [self.cls_id, *a.tolist(), self.sep_id, *b.tolist(), self.sep_id]
        masks = self.masks[head["first_mask"] : head["first_mask"] + head["num_masks"]]
        positions = masks["position"].tolist()
        labels = [token_ids[position] for position in positions]
        for position, token_id in zip(positions, masks["token_id"].tolist(), strict=True):
            token_ids[position] = token_id
        return TrainingInstance(
            token_ids=token_ids,
            segment_ids=[0] * (len(a) + 2) + [1] * (len(b) + 1),
            masked_lm_positions=positions,
            masked_lm_ids=labels,
            is_random_next=bool(head["is_random_next"]),
        )


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
