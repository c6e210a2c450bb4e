"""Every byte and every rule of a data set -> its faults, in the order of the files.

    for line in Verification(options):
        print(line)

Workers check all frames and records; this module checks the files and the counts of the manifest,
and puts everything in order. 600 MB/s per core; memory does not grow with the data.
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
from bertprep.terminal import count_of, in_bytes, message

_SPECIALS_PER_RECORD = 3
_COMPRESSED = {"gzip": "compressed with gzip", "none": "not compressed"}


@dataclass(frozen=True)
class Fault:
    """A fault of a data set.

    Attributes:
        path: the file.
        problem: what was found.
        record: index in the file, from 0; None for a fault of the whole file.
        byte: start of the record's frame in the uncompressed stream.
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
    """Verifies a data set; yields a line per fault while it is read, and a summary.

    Args:
        options: `paths`, `vocab`, `json`, `workers` and `quiet` are used.

    Attributes (complete after the last line):
        num_faults, num_records: faults and records found.
        num_bytes: size of the uncompressed records.
    """

    def __init__(self, options: InspectOptions) -> None:
        self.num_faults = self.num_records = self.num_bytes = 0
        self._options = options
        self._data_set = find_data_set(options.paths, options.vocab)
        self._counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[str]:
        """Yield the faults and then the summary."""
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
        records = count_of(self.num_records, "record")
        shards = count_of(len(self._data_set.shards), "shard")
        found = "no faults, as the manifest says" if self._data_set.plan else "no faults"
        if self.num_faults:
            found = count_of(self.num_faults, "fault")
        return f"{self._data_set.name}: {records} in {shards}, {in_bytes(self.num_bytes)}: {found}"

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
            yield from self._count_faults()

    def _note(self) -> None:
        """Print what is no fault but worth knowing."""
        data_set = self._data_set
        if self._options.quiet:
            return
        if data_set.plan is None:
            packed = [shard.path for shard in data_set.shards if shard.compression == "gzip"]
            unnamed = [path for path in packed if not path.endswith((".gz", ".gzip"))]
            if unnamed:
                more = f" (and {len(unnamed) - 1:,} more)" if len(unnamed) > 1 else ""
                message(
                    f"Note: {unnamed[0]}{more} is compressed with gzip, although its name does not "
                    "say so: readers need compression_type='GZIP'"
                )
            message(
                "Note: without a manifest, whole words and the number of masks are not checked; "
                "bertprep inspect --stats measures both"
            )

    def _shard_faults(self, part: Part[Checked], *, is_sound: bool) -> Iterator[Fault]:
        """Yield the differences between a shard, read to its end, and the manifest.

        The sums of a shard with faults differ anyway.
        """
        path, summary = part.shard.path, part.shard.summary
        if summary is None:
            if part.num_records == 0:
                yield Fault(path, "no records: the file is empty")
        elif part.num_records != summary.records:
            yield Fault(path, f"{part.num_records:,} records, {_differs(f'{summary.records:,}')}")
        elif is_sound and part.num_bytes != summary.bytes:
            differs = _differs(f"{summary.bytes:,}")
            yield Fault(path, f"{part.num_bytes:,} bytes of records, {differs}")
        elif is_sound and part.crc32c != summary.crc32c:
            differs = _differs(f"{summary.crc32c:08x}")
            what = f"the CRC32C of its records is {part.crc32c:08x}, {differs}"
            yield Fault(path, f"{what}: records and their own CRCs have been changed")

    def _count_faults(self) -> Iterator[Fault]:
        """Yield the counts of the manifests that differ, if all their shards were read."""
        homes = self._data_set.homes
        if self._data_set.plan is None or not all(home.is_whole for home in homes):
            return
        specials = _SPECIALS_PER_RECORD * self.num_records
        found = {**self._counts, "instances": self.num_records}
        found["instance_tokens"] = found.pop("tokens", 0) - specials
        for name, count in found.items():
            promised = sum(home.manifest["counts"][name] for home in homes)
            if count != promised:
                path = str(homes[0].folder / MANIFEST_NAME)
                yield Fault(path, f"{name} is {promised:,}, the records have {count:,}")


def _differs(promised: str) -> str:
    return f"the manifest says {promised}"


def _file_faults(data_set: DataSet) -> Iterator[Fault]:
    """Yield files that are missing, unknown, or not what the manifest says."""
    for folder in data_set.unfinished:
        yield Fault(
            str(folder / PLAN_NAME),
            f"there is no {MANIFEST_NAME}: the data set is incomplete. Run the same bertprep "
            "create command again to resume it",
        )
    for home in data_set.homes:
        for path in home.missing:
            yield Fault(path, "missing, but listed in the manifest")
        for path in home.strangers if home.is_whole else ():
            yield Fault(path, "not listed in the manifest; readers may take it for records")
    plan, vocabulary = data_set.plan, data_set.vocabulary
    promised = plan["vocabulary"]["sha256"] if plan else ""
    if plan and vocabulary and vocabulary.sha256 != promised:
        differs = _differs(f"{promised[:8]}…")
        yield Fault(
            str(data_set.vocabulary_path),
            "not the vocabulary that the records were made with (its SHA-256 is "
            f"{vocabulary.sha256[:8]}…, {differs})",
        )
    usual = plan["records"]["compression"] if plan else None
    for shard in data_set.shards:
        says_gzip = shard.path.endswith((".gz", ".gzip"))
        if shard.size and usual not in (None, shard.compression):
            yield Fault(shard.path, f"{_COMPRESSED[shard.compression]}, {_differs(str(usual))}")
        elif says_gzip and shard.size and shard.compression == "none":
            yield Fault(shard.path, "not compressed, although its name says gzip")


def _schema(data_set: DataSet) -> RecordSchema:
    try:
        return read_schema(data_set)
    except FrameError:
        # The first frame of each shard is damaged: look for a later one.
        schemas = (find_schema(shard) for shard in data_set.shards)
        found = next((schema for schema in schemas if schema is not None), None)
        if found is None:
            raise
        return found
