"""Paths -> a `DataSet`: its shards in order, with the entries of their manifests.

Only the first bytes of each file are read.
"""

import glob
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from bertprep.data import ShardSummary
from bertprep.errors import UsageError
from bertprep.json_files import COUNT, read_json, require_shape
from bertprep.options import TokenizerOptions, is_url
from bertprep.records.frames import Shard, is_header, look_at
from bertprep.records.manifest import upgrade_manifest
from bertprep.storage.plans import MANIFEST_NAME, PLAN_NAME, VOCABULARY_NAME, Plan
from bertprep.vocab import Vocabulary

#: Names of record files contain one of these, whichever tool wrote them.
_MARKS = (".tfrecord", ".tfrec")
#: The parts of a manifest that are read, and their types.
_SUMMARIES = [{"name": str, "records": COUNT, "bytes": COUNT, "crc32c": COUNT}]
_KINDS = {
    "plan": {
        "vocabulary": {"size": COUNT, "sha256": str},
        "instances": {
            **dict.fromkeys(("max_seq_length", "max_predictions_per_seq"), COUNT),
            **{"masked_lm_prob": float, "masking": str, "quirks": str},
        },
        "records": {"feature_names": str, "compression": str},
    },
    "shards": _SUMMARIES,
    "eval_shards": _SUMMARIES,
    "counts": dict.fromkeys(("instances", "instance_tokens", "masks", "random_next"), COUNT),
}


@dataclass(frozen=True, eq=False)
class Home:
    """A folder with a manifest.

    Attributes:
        folder: the folder.
        manifest: its manifest.json.
        missing: files that the manifest lists and that do not exist.
        strangers: record files in its folders that it does not list.
        is_whole: the data set includes all of its files that exist.
    """

    folder: Path
    manifest: dict[str, Any]
    missing: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    is_whole: bool = False


@dataclass(frozen=True, eq=False)
class DataSet:
    """Shards that are read together.

    Attributes:
        name: the given paths, to show.
        shards: in the order of the manifest; by name without one.
        vocabulary: None where none was given and none is next to the shards.
        vocabulary_path: path of the vocabulary.
        homes: the folders with manifests.
        plan: options of all records; None where a shard has no manifest.
        unfinished: folders with a plan and no manifest.
    """

    name: str
    shards: tuple[Shard, ...]
    vocabulary: Vocabulary | None = None
    vocabulary_path: Path | None = None
    homes: tuple[Home, ...] = ()
    plan: Plan | None = None
    unfinished: tuple[Path, ...] = ()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(shard.size for shard in self.shards)

    @property
    def tokenizer(self) -> TokenizerOptions | None:
        """Options that the text was tokenized with; None where no manifest has them."""
        return _tokenizer_of(self.plan, self.name) if self.plan else None

    def require_vocabulary(self) -> Vocabulary:
        """Return the vocabulary; raise a UsageError that says how to name one if there is none."""
        if self.vocabulary is None:
            raise UsageError(
                f"{self.name}: there is no {VOCABULARY_NAME} next to the records: name the "
                "vocabulary that they were created with, with --vocab"
            )
        return self.vocabulary


def find_data_set(paths: Sequence[str], vocab: Path | None = None) -> DataSet:
    """Find the shards that the paths name, each once.

    Args:
        paths: files, globs, or folders. In a folder with a manifest the shards are the files that
            it lists; elsewhere those with .tfrecord or .tfrec in their name, in subfolders too.
        vocab: vocabulary file; None takes the one next to the shards.

    Raises:
        UsageError: there are no records, or they cannot be read together.
    """
    name = " ".join(paths[:3]) + (f" and {len(paths) - 3:,} more" if len(paths) > 3 else "")
    files: dict[str, str] = {}
    for file in (file for path in paths for file in _files(path)):
        files.setdefault(os.path.realpath(file), file)
    shards, homes, catalogue = [], dict[Path, dict[str, Any]](), cache(_catalogue)
    for real_path, file in files.items():
        summary = None
        for depth, folder in enumerate(list(Path(real_path).parents)[:2]):
            manifest, summaries = catalogue(folder)
            summary = summaries.get(real_path)
            if summary is not None:  # held-out shards are one folder deeper
                homes[_as_shown(folder, file, depth)] = manifest
                break
        if os.path.exists(real_path):
            shards.append(look_at(file, summary))
    known = tuple(_look_around(folder, manifest, files) for folder, manifest in homes.items())
    if not shards:
        raise UsageError(f"{name}: none of the files that the manifest lists exists any more")
    _require_one_kind(name, known)
    has_plan = all(shard.summary is not None for shard in shards)
    plan = known[0].manifest["plan"] if known and has_plan else None
    vocabulary_path = vocab or _vocabulary_beside(shards, known)
    vocabulary = Vocabulary.load(vocabulary_path, lenient=True) if vocabulary_path else None
    if vocabulary and plan and len(vocabulary.tokens) != plan["vocabulary"]["size"]:
        raise UsageError(
            f"{vocabulary_path}: has {len(vocabulary.tokens):,} pieces, but the records were "
            f"created with {plan['vocabulary']['size']:,}: name that vocabulary with --vocab"
        )
    folders = dict.fromkeys(Path(shard.path).parent for shard in shards)
    return DataSet(
        name=name,
        shards=tuple(shards),
        vocabulary=vocabulary,
        vocabulary_path=vocabulary_path,
        homes=known,
        plan=plan,
        unfinished=tuple(
            folder
            for folder in folders
            if (folder / PLAN_NAME).exists() and not (folder / MANIFEST_NAME).exists()
        ),
    )


def _files(path: str) -> list[str]:
    """Return the record files of a path; those of a manifest even if they do not exist."""
    if is_url(path):
        raise UsageError(
            f"{path}: records are read from local disks only. Copy them to this machine with the "
            "tool of the store, and name the copy"
        )
    if os.path.isfile(path):
        return [path]
    if not os.path.exists(path):
        matches = sorted(glob.glob(path, recursive=True))
        if not matches:
            what = "no file matches this glob" if glob.has_magic(path) else "no such file or folder"
            raise UsageError(f"{path}: {what}. Name record files, or the folder that they are in")
        folders = [match for match in matches if os.path.isdir(match)]
        kept = [match for match in matches if match not in folders and not _is_ours(match)]
        return kept or [file for folder in folders for file in _files(folder)]
    if not os.path.isdir(path):
        raise UsageError(f"{path}: neither a file nor a folder. Name a record file")
    manifest = _read_manifest(Path(path))
    if manifest is not None:
        return list(_listed(Path(path), manifest))
    files = [file for file in _below(path) if any(m in os.path.basename(file) for m in _MARKS)]
    files = files or [file for file in _below(path) if not _is_ours(file) and is_header(file)]
    if not files:
        raise UsageError(
            f"{path}: there are no records in this folder. Name one that `bertprep create` wrote, "
            "or record files"
        )
    return files


def _is_ours(path: str) -> bool:
    """Return whether a file next to records is one that bertprep writes, and no shard."""
    return os.path.basename(path) in (PLAN_NAME, MANIFEST_NAME, VOCABULARY_NAME)


def _below(folder: str) -> Iterator[str]:
    """Yield the files in a folder and its subfolders, by name, without hidden ones."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(root, name) for name in sorted(names) if name[0] != ".")


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / MANIFEST_NAME
    advice = (
        "bertprep did not write this manifest. Move it away, and name the vocabulary with --vocab"
    )
    try:
        manifest = upgrade_manifest(read_json(path, advice=advice))
    except FileNotFoundError:
        return None
    require_shape(manifest, str(path), _KINDS, advice)
    return dict(manifest)


def _listed(folder: Path, manifest: dict[str, Any]) -> dict[str, ShardSummary]:
    """Return the files of a folder's manifest with their entries."""
    shards = (
        ShardSummary(*(shard[name] for name in _SUMMARIES[0]))
        for shard in manifest["shards"] + manifest["eval_shards"]
    )
    return {str(folder / shard.name): shard for shard in shards}


def _catalogue(folder: Path) -> tuple[dict[str, Any], dict[str, ShardSummary]]:
    """Return a folder's manifest and its entries by the files' real paths; empty without one."""
    manifest = _read_manifest(folder)
    if manifest is None:
        return {}, {}
    listed = _listed(folder, manifest)
    return manifest, {os.path.realpath(path): summary for path, summary in listed.items()}


def _as_shown(folder: Path, file: str, depth: int) -> Path:
    """Return the folder as the file's path names it, if that path leads to it."""
    above = list(Path(file).parents)
    is_named = depth < len(above) and os.path.realpath(above[depth]) == str(folder)
    return above[depth] if is_named else folder


def _look_around(folder: Path, manifest: dict[str, Any], named: dict[str, str]) -> Home:
    listed = _listed(folder, manifest)
    missing = tuple(path for path in listed if not os.path.exists(path))
    there = {os.path.realpath(path) for path in listed} - {os.path.realpath(p) for p in missing}
    places = dict.fromkeys(Path(path).parent for path in listed)
    beside = [
        str(path) for place in places for mark in _MARKS for path in place.glob(f"[!.]*{mark}*")
    ]
    strangers = tuple(sorted({path for path in beside if path not in listed}))
    return Home(folder, manifest, missing, strangers, is_whole=there <= named.keys())


def _require_one_kind(name: str, homes: Sequence[Home]) -> None:
    """Raise UsageError for folders whose records differ in more than their text and its source."""
    kinds = [(home.folder, _kind_of(home)) for home in homes]
    for (first, ours), (second, theirs) in pairwise(kinds):
        differing = [
            f"{key} {json.dumps(ours.get(key)):.40} and {json.dumps(theirs.get(key)):.40}"
            for key in dict.fromkeys([*ours, *theirs])
            if ours.get(key) != theirs.get(key)
        ]
        if differing:
            raise UsageError(
                f"{name}: {first} and {second} were created with different options or vocabularies "
                f"({'; '.join(differing)}): create them with the same ones, or compare them with "
                "`bertprep inspect --compare`"
            )


def _kind_of(home: Home) -> dict[str, Any]:
    """Return the options by name that records must have in common to be read together."""
    plan = home.manifest["plan"]
    vocabulary = {f"vocabulary {key}": value for key, value in plan["vocabulary"].items()}
    tokenizer = _tokenizer_of(plan, str(home.folder)) or TokenizerOptions()
    return {**vocabulary, **plan["instances"], **plan["records"], **asdict(tokenizer)}


def _tokenizer_of(plan: Plan, folder: str) -> TokenizerOptions | None:
    values = plan.get("tokenizer")
    return TokenizerOptions.parse(values, f"{folder}: {MANIFEST_NAME}") if values else None


def _vocabulary_beside(shards: Sequence[Shard], homes: Sequence[Home]) -> Path | None:
    folders = [home.folder for home in homes] + [Path(shard.path).parent for shard in shards]
    places = (folder / VOCABULARY_NAME for folder in dict.fromkeys(folders))
    return next((path for path in places if path.exists()), None)
