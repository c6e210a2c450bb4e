"""A data set that is built here and lives on an object store.

    with RemoteFolder("s3://bucket/run", work_folder=None) as folder:      # as an OutputFolder

Shards are built in a folder of this machine, uploaded whole under their final names, and removed
here; `manifest.json` comes last. What is half done stands in the work folder, so that the same
command on the same machine goes on from it. A store has no locks: the work folder is locked.
"""

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.options import Place, shown_url
from bertprep.storage import (
    FIRST_TRIES,
    list_sizes,
    put_bytes,
    put_file,
    read_whole,
    remove,
    require_system,
    run_in_subprocess,
    size_of,
)
from bertprep.storage.files import write_whole
from bertprep.storage.output_folder import (
    OutputFolder,
    parse_document,
    refuse_another,
    refuse_records,
    refuse_vocabulary,
    shard_names,
)
from bertprep.storage.plans import MANIFEST_NAME, PLAN_NAME, VOCABULARY_NAME, Plan, encode

#: Nothing can be put there, or nobody else would see it.
_NO_STORES = ("http", "https", "memory")
_REQUESTS_AT_ONCE = 16


def inside(url: str, name: str) -> str:
    """The URL of a file in the folder of a URL."""
    return f"{url.rstrip('/')}/{name}"


@dataclass(frozen=True)
class _Found:
    """What stands at a URL: files with their sizes, and the documents among them."""

    sizes: dict[str, int]
    plan: bytes | None
    manifest: bytes | None
    vocabulary_sha256: str | None


class RemoteFolder(OutputFolder):
    """One run's hold on a work folder, and the data set at a URL that is made there.

    Args:
        work_folder: None takes one in the system's temporary folder, named after the URL.

    Raises:
        UsageError: nothing can be written to such a URL.
    """

    def __init__(self, url: str, work_folder: Path | None) -> None:
        self._has_default = work_folder is None
        super().__init__(work_folder or _default_folder(url))
        self._url = url
        self._name = shown_url(url)
        self._manifest: dict[str, Any] = {}
        self._old: Plan | None = None
        self._found = _Found({}, None, None, None)
        if url.partition("://")[0].lower() in _NO_STORES:
            raise UsageError(
                f"{self._name}: records cannot be kept there: name an --output on an object store, "
                "as s3://bucket/folder, or a folder"
            )
        if not url.partition("://")[2].strip("/"):
            raise UsageError(f"{self._name}: name a folder there, as s3://bucket/folder")
        require_system(url)

    @property
    def url(self) -> str | None:
        """Where finished shards go."""
        return self._url

    def __enter__(self) -> "RemoteFolder":
        if self._has_default:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.path.lstat()
            # The name can be guessed, and everybody can write to the folder above.
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                raise UsageError(f"{self.path}: belongs to somebody else. Pass a --work-folder")
        super().__enter__()
        return self

    def require_folder(self) -> None:
        """Nothing is asked of a URL."""

    def foresee(self, plan: Plan, *, overwrite: bool) -> str:
        """What `begin` would find at the URL; as OutputFolder does."""
        self._look_around(plan, overwrite=overwrite)
        if self._old is None:
            return "new"
        if self._old != plan:
            return "other"
        is_whole = self._manifest and _has_all(self._manifest, self._found.sizes)
        return "complete" if is_whole else "resumed"

    def _look_around(self, plan: Plan, *, overwrite: bool) -> None:
        """Sees what stands there; raises UsageError where it may not be touched."""
        found = run_in_subprocess(_look_around, self._url, FIRST_TRIES)
        manifest = parse_document(inside(self._name, MANIFEST_NAME), found.manifest, "plan")
        old = parse_document(inside(self._name, PLAN_NAME), found.plan, "partitions")
        self._found, self._manifest = found, manifest or {}
        self._old = old or (manifest and manifest["plan"])
        if self._old is None:
            records = sorted(name for name in found.sizes if name.startswith("tf_examples."))
            refuse_records([inside(self._name, name) for name in records])
            where = inside(self._name, VOCABULARY_NAME)
            refuse_vocabulary(where, found.vocabulary_sha256, plan)
        elif self._old != plan:
            refuse_another(self._name, self._old, plan, overwrite=overwrite)

    def begin(self, plan: Plan, *, overwrite: bool) -> str:
        """Writes the plan at the URL and here, or finds it written; as OutputFolder does."""
        state = self.foresee(plan, overwrite=overwrite)
        if state == "complete":
            super()._abandon()  # what a run left here that was killed at its very end
            return state
        if state == "other":
            run_in_subprocess(_remove_listed, self._url, self._old, plan["vocabulary"]["sha256"])
        elif self._manifest:
            run_in_subprocess(remove, inside(self._url, MANIFEST_NAME))
        begun = self._begin_here(plan, overwrite=True)
        if state in ("new", "other") or self._found.plan is None:
            try:
                run_in_subprocess(put_bytes, encode(plan), inside(self._url, PLAN_NAME))
            except BertprepError:
                if begun == "new":
                    super()._abandon()
                raise
        return begun

    def read_manifest(self) -> dict[str, Any]:
        """The manifest of a complete data set."""
        return self._manifest

    def finish(self, vocabulary: bytes, manifest: dict[str, Any]) -> None:
        """Writes what stands beside the shards, the manifest last, and clears up here."""
        sizes: dict[str, int] = {}
        for receipt in sorted(self.work.glob("sent-*.json")):
            sizes |= json.loads(receipt.read_bytes())
        run_in_subprocess(_finish, self._url, sizes, vocabulary, encode(manifest))
        super()._abandon()

    def _abandon(self) -> None:
        plan = self._read(PLAN_NAME, "partitions")
        if plan:
            with suppress(BertprepError):  # the error that led here is the one to tell
                run_in_subprocess(_remove_listed, self._url, plan, plan["vocabulary"]["sha256"])
        super()._abandon()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        if self._has_default and not self._has_begun:
            self._remove_work()
            self._remove_if_empty(self.path)


def open_output(output: Place, work_folder: Path | None) -> OutputFolder:
    """The hold on an output, wherever it is."""
    if isinstance(output, str):
        return RemoteFolder(output, work_folder)
    return OutputFolder(output)


def deliver(names: Sequence[str], folder: Path, receipt: Path, url: str) -> None:
    """Uploads whole shards, and removes them here.

    Args:
        names: relative to `folder`, and to `url`.
        receipt: what is left behind, with the sizes of what has arrived.
    """
    sizes = {name: put_file(folder / name, inside(url, name)) for name in names}
    write_whole(receipt, receipt.with_suffix(".tmp"), json.dumps(sizes).encode())
    for name in names:
        (folder / name).unlink()


def is_delivered(names: Sequence[str], receipt: Path, url: str) -> bool:
    """Whether an earlier run has uploaded these shards, and they are still there."""
    if not receipt.exists():
        return False
    sizes = json.loads(receipt.read_bytes())
    return all(sizes.get(name) == size_of(inside(url, name)) for name in names)


def _default_folder(url: str) -> Path:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", url.rstrip("/").rpartition("/")[2])[:40]
    digest = hashlib.sha256(url.rstrip("/").encode("utf-8", "surrogateescape")).hexdigest()
    return Path(tempfile.gettempdir()) / f"bertprep-{os.getuid()}-{name}-{digest[:12]}"


def _has_all(manifest: dict[str, Any], sizes: dict[str, int]) -> bool:
    shards = (*manifest["shards"], *manifest["eval_shards"])
    is_plain = manifest["plan"]["records"]["compression"] == "none"
    return VOCABULARY_NAME in sizes and all(
        shard["name"] in sizes and (not is_plain or sizes[shard["name"]] == shard["bytes"])
        for shard in shards
    )


# What follows runs in a process of its own: see `storage.run_in_subprocess`.


def _look_around(url: str, tries: int | None = None) -> _Found:
    sizes = list_sizes(url, tries)
    sizes |= {f"eval/{name}": size for name, size in list_sizes(inside(url, "eval")).items()}
    documents = {
        name: read_whole(inside(url, name)) if name in sizes else None
        for name in (PLAN_NAME, MANIFEST_NAME, VOCABULARY_NAME)
    }
    vocabulary = documents[VOCABULARY_NAME]
    sha256 = None if vocabulary is None else hashlib.sha256(vocabulary).hexdigest()
    return _Found(sizes, documents[PLAN_NAME], documents[MANIFEST_NAME], sha256)


def _remove_listed(url: str, plan: Plan, but_vocabulary: str) -> None:
    """Removes what a plan lists, the plan last: till then, what is left is known to be its own."""
    found = _look_around(url)
    names = [name for name in shard_names(plan) if name in found.sizes]
    if found.vocabulary_sha256 == plan["vocabulary"]["sha256"] != but_vocabulary:
        names.append(VOCABULARY_NAME)
    if found.manifest is not None:
        remove(inside(url, MANIFEST_NAME))
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as helpers:
        list(helpers.map(remove, [inside(url, name) for name in names]))
    if found.plan is not None:
        remove(inside(url, PLAN_NAME))


def _finish(url: str, sizes: dict[str, int], vocabulary: bytes, manifest: bytes) -> None:
    there = _look_around(url).sizes
    gone = [name for name, size in sizes.items() if there.get(name) != size]
    if gone:
        raise MachineError(
            f"{inside(shown_url(url), gone[0])}: is not as it was uploaded, nor are "
            f"{len(gone) - 1:,} others: give the same command again, which makes them anew"
        )
    put_bytes(vocabulary, inside(url, VOCABULARY_NAME))
    put_bytes(manifest, inside(url, MANIFEST_NAME))
