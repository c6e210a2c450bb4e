"""Every byte and every rule of a data set -> the faults, in the order of the files.

Workers check every frame and record; here the files and what the manifest says of them are looked
at, and all is put in order. 600 MB/s a core; memory does not grow.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from bertprep.inspection.scan import Part, scan
from bertprep.options import InspectOptions
from bertprep.records import DataSet, FrameError, RecordSchema, find_data_set, read_schema
from bertprep.records.checks import Checked, CheckJob, check_range
from bertprep.records.columns import find_schema
from bertprep.storage.plans import MANIFEST_NAME, PLAN_NAME
from bertprep.terminal import in_bytes, message

_SPECIALS_OF_A_RECORD = 3
_IS = {"gzip": "is compressed with gzip", "none": "is not compressed"}


@dataclass(frozen=True)
class Fault:
    """Something that should not be.

    Attributes:
        path: the file.
        problem: what was found.
        record: index in the file, from 0; None where it is of the whole file.
        byte: of the record's frame in the uncompressed stream.
    """

    path: str
    problem: str
    record: int | None = None
    byte: int | None = None

    def __str__(self) -> str:
        where = "" if self.record is None else f"record {self.record} at byte {self.byte}: "
        return f"{self.path}: {where}{self.problem}"

    def as_json(self) -> str:
        values = {"file": self.path, "record": self.record, "byte": self.byte}
        return json.dumps(values | {"problem": self.problem}, ensure_ascii=False)


class Verification:
    """A data set, verified line by line as it is read.

    Args:
        options: what to verify.

    Attributes (complete when the iterator has ended):
        num_faults, num_records, num_bytes: found; bytes are of the uncompressed records.
    """

    def __init__(self, options: InspectOptions) -> None:
        self.num_faults = self.num_records = self.num_bytes = 0
        self._options = options
        self._data_set = find_data_set(options.paths, options.vocab)
        self._counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[str]:
        """The faults and then a summary, a line each."""
        for fault in self._faults():
            self.num_faults += 1
            yield fault.as_json() if self._options.json else str(fault)
        counts = {
            "faults": self.num_faults,
            "records": self.num_records,
            "shards": len(self._data_set.shards),
            "bytes": self.num_bytes,
        }
        yield json.dumps(counts) if self._options.json else self._summary()

    def _summary(self) -> str:
        faults = f"{self.num_faults:,} fault{'s' * (self.num_faults != 1)}"
        num_shards = len(self._data_set.shards)
        what = "whole and as the manifest says" if self._data_set.plan else "every record is legal"
        return (
            f"{self._data_set.name}: {self.num_records:,} records in {num_shards:,} "
            f"shard{'s' * (num_shards != 1)}, {in_bytes(self.num_bytes)}: "
            f"{faults if self.num_faults else what}"
        )

    def _faults(self) -> Iterator[Fault]:
        data_set = self._data_set
        yield from _file_faults(data_set)
        schema = _schema(data_set)
        job = CheckJob.of(data_set, schema)
        self._note()
        parts = scan(
            data_set,
            schema,
            partial(check_range, job),
            stage="verify",
            workers=self._options.workers,
            quiet=self._options.quiet,
        )
        before = self.num_faults
        for part in parts:
            for record, byte, problem in part.result.faults:
                yield Fault(part.shard.path, problem, part.first_record + record, byte)
            self._counts.update(part.result.counts)
            if part.num_records is not None:
                self.num_records += part.num_records
                self.num_bytes += part.num_bytes or 0
                yield from self._shard_faults(part, is_sound=self.num_faults == before)
                before = self.num_faults
        if not self.num_faults:
            yield from self._total_faults()

    def _note(self) -> None:
        """What is no fault, and still good to know."""
        data_set = self._data_set
        if self._options.quiet:
            return
        if data_set.plan is None:
            packed = [shard.path for shard in data_set.shards if shard.compression == "gzip"]
            unnamed = [path for path in packed if not path.endswith((".gz", ".gzip"))]
            if unnamed:
                more = f" (and {len(unnamed) - 1:,} more)" if len(unnamed) > 1 else ""
                message(
                    f"Note: {unnamed[0]}{more} is gzip, though its name does not say so: readers "
                    "must be told (compression_type='GZIP')"
                )
            message(
                "Note: without a manifest nothing is promised of whole words and the number of "
                "masks; bertprep inspect --stats measures both"
            )

    def _shard_faults(self, part: Part[Checked], *, is_sound: bool) -> Iterator[Fault]:
        """What a manifest says of a shard that has been read to its end.

        Of one that has faults, sums are no news.
        """
        shard, summary = part.shard, part.shard.summary
        if summary is None:
            if part.num_records == 0:
                yield Fault(shard.path, "it is empty: it holds no record")
            return
        if part.num_records != summary.records:
            what = f"{part.num_records:,} records, and the manifest says {summary.records:,}"
            yield Fault(shard.path, what)
        elif is_sound and part.num_bytes != summary.bytes:
            what = f"{part.num_bytes:,} bytes of records, and the manifest says {summary.bytes:,}"
            yield Fault(shard.path, what)
        elif is_sound and part.crc32c != summary.crc32c:
            yield Fault(
                shard.path,
                f"the CRC32C of its records is {part.crc32c:08x}, and the manifest says "
                f"{summary.crc32c:08x}: records were changed, and their CRCs with them",
            )

    def _total_faults(self) -> Iterator[Fault]:
        """What the manifests count, where all their shards were read and nothing else is wrong."""
        homes = self._data_set.homes
        if self._data_set.plan is None or not all(home.is_whole for home in homes):
            return
        found = dict(self._counts)
        found["instances"] = self.num_records
        specials = _SPECIALS_OF_A_RECORD * self.num_records
        found["instance_tokens"] = found.pop("tokens", 0) - specials
        for name, count in found.items():
            promised = sum(home.manifest["counts"][name] for home in homes)
            if count != promised:
                path = str(homes[0].folder / MANIFEST_NAME)
                yield Fault(path, f"{name} is {promised:,}, and the records have {count:,}")


def _file_faults(data_set: DataSet) -> Iterator[Fault]:
    """Files that are missing, too many, or not what the manifest says."""
    for folder in data_set.unfinished:
        yield Fault(
            str(folder / PLAN_NAME),
            f"no {MANIFEST_NAME} stands beside it: the run was not finished. Give its command "
            "again: it goes on from here",
        )
    for home in data_set.homes:
        for path in home.missing:
            yield Fault(path, "it is missing: the manifest lists it")
        for path in home.strangers if home.is_whole else ():
            yield Fault(path, "the manifest does not list it, and a reader may take it for records")
    plan, vocabulary = data_set.plan, data_set.vocabulary
    promised = plan["vocabulary"]["sha256"] if plan else ""
    if plan and vocabulary and vocabulary.sha256 != promised:
        yield Fault(
            str(data_set.vocabulary_path),
            "it is not the vocabulary that the records were made with (its SHA-256 is "
            f"{vocabulary.sha256[:8]}…, and the manifest says {promised[:8]}…)",
        )
    usual = plan["records"]["compression"] if plan else None
    for shard in data_set.shards:
        says_gzip = shard.path.endswith((".gz", ".gzip"))
        if shard.size and usual not in (None, shard.compression):
            yield Fault(shard.path, f"it {_IS[shard.compression]}, and the manifest says {usual}")
        elif says_gzip and shard.size and shard.compression == "none":
            yield Fault(shard.path, "it is not compressed, and its name says gzip")


def _schema(data_set: DataSet) -> RecordSchema:
    try:
        return read_schema(data_set)
    except FrameError:
        # The first frame of each shard is damaged: look for one behind it.
        schemas = (find_schema(shard) for shard in data_set.shards)
        found = next((schema for schema in schemas if schema is not None), None)
        if found is None:
            raise
        return found
