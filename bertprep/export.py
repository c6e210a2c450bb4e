"""A run -> a folder that other programs load the model from.

    huggingface   config.json, model.safetensors, vocab.txt, tokenizer_config.json
    savedmodel    a TensorFlow SavedModel with two signatures
    keras         model.keras, which loads where `bertprep.model.bert` is imported

    export(ExportOptions(run=Path("run"), output=Path("model")))
    transformers.BertForPreTraining.from_pretrained("model")

A new folder appears whole or not at all. In an existing folder each file is replaced whole, and
`bertprep_export.json` lists the files of the export, which alone may be replaced and removed.
Memory: the checkpoint and the model, 16 bytes per parameter.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertprep import __version__
from bertprep.errors import UsageError
from bertprep.json_files import parse_json
from bertprep.model.formats import EXTRA_ASSETS, write_hugging_face, write_saved_model
from bertprep.model.initialization import restore_model
from bertprep.model.saved_run import SavedRun, load_run
from bertprep.options import ExportOptions, TokenizerOptions
from bertprep.storage.files import LocalFiles, fsync_folder
from bertprep.storage.plans import encode
from bertprep.terminal import in_bytes
from bertprep.tokenization.hugging_face import write_tokenizer

MARK_NAME = "bertprep_export.json"
_STAGING_NAME = ".bertprep-export"
_FOLDERS = ("variables", "assets", EXTRA_ASSETS)
#: Files of every format. A list that names others is not one of an export.
_EXPORTED = re.compile(
    rf"(config|tokenizer_config)\.json|({re.escape(EXTRA_ASSETS)}/)?(vocab\.txt|tokenizer_config"
    r"\.json)|model\.(safetensors|keras)|(saved_model|fingerprint)\.pb|variables/variables\.[\w-]+"
)
#: Files of an export that was killed.
_STAGED = re.compile(rf"{_EXPORTED.pattern}|variables/.*|{MARK_NAME}|bertprep_export\.tmp")


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Attributes:
        step: of the checkpoint.
        files: size of each file in bytes by its name relative to the folder.
        notes: limits of the exported model, one sentence each.
    """

    step: int
    files: Mapping[str, int]
    notes: tuple[str, ...]

    def text(self, output: Path) -> str:
        """Return the summary: the files of a folder with their sizes."""
        lines = [f"{output}: weights of step {self.step:,}"]
        width = max(map(len, self.files))
        lines += [f"  {name:{width}}  {in_bytes(size)}" for name, size in self.files.items()]
        return "\n".join(lines)


def export(options: ExportOptions) -> Exported:
    """Write the model of a run in the format of another program.

    Raises:
        UsageError: there is no such run or checkpoint, or files of somebody else are in the way.
        BertprepError: the checkpoint is damaged.
    """
    output = Path(os.path.abspath(options.output))
    _require_own(options)  # before anything that takes long
    run = load_run(options.run, options.checkpoint)
    # A folder that exists may be a mount, which renames must not leave.
    is_new = not output.exists()
    staging = (output.parent if is_new else output) / _STAGING_NAME
    if is_new:
        staging = staging.with_name(f"{_STAGING_NAME}-{output.name}")
    if staging.is_symlink():
        raise UsageError(f"{staging}: is a link; remove it")
    for path in staging.rglob("*"):
        is_ours = path.is_dir() or _STAGED.fullmatch(path.relative_to(staging).as_posix())
        if path.is_symlink() or not is_ours:
            raise UsageError(f"{path}: no export wrote this file; remove it")
    _remove(staging)  # from an export that was killed
    staging.mkdir(parents=True)
    try:
        notes = _write_model(staging, options.format, run)
        sizes = _sync(staging)
        about = {"format": options.format, "step": run.step, "version": __version__}
        if is_new:
            LocalFiles(staging, staging).write({MARK_NAME: _mark(about, sizes)})
            os.rename(staging, output)
            fsync_folder(output.parent)
        else:
            _replace(staging, options, about, sizes)
    finally:
        _remove(staging)
    return Exported(run.step, sizes, notes)


def _require_own(options: ExportOptions) -> None:
    """Raise UsageError for a folder with files, none of which an export wrote."""
    output = options.output
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is not a folder; name another --output")
    if not output.exists() or options.overwrite or _listed(output):
        return
    names = sorted(path.name for path in output.iterdir() if path.name != _STAGING_NAME)
    if names:
        raise UsageError(
            f"{output}: holds {names[0]}, and no export of bertprep: name another --output, or "
            "pass --overwrite to replace the files that have the same names"
        )


def _write_model(folder: Path, format: str, run: SavedRun) -> tuple[str, ...]:
    """Write the files of a format, and return notes about the model."""
    notes = []
    tokenizer = run.tokenizer
    if tokenizer is None:
        is_uncased = run.vocabulary.casing_warning(lowercase=True) is None
        tokenizer = TokenizerOptions(lowercase=is_uncased)
        notes.append(
            "the records do not say whether their text was lower-cased; by the vocabulary it "
            f"{'was' if is_uncased else 'was not'}: check do_lower_case in tokenizer_config.json"
        )
    max_length = min(run.trained_positions, run.config.max_position_embeddings)
    if max_length < run.config.max_position_embeddings:
        notes.append(
            f"the model has {run.config.max_position_embeddings} positions, but was trained on "
            f"sequences of {max_length} tokens: it has not learned positions beyond that"
        )
    model = restore_model(run)
    tokenizer_folder = folder
    if format == "huggingface":
        write_hugging_face(folder, model, run.vocabulary)
    elif format == "savedmodel":
        write_saved_model(folder, model)
        tokenizer_folder = folder / EXTRA_ASSETS
        tokenizer_folder.mkdir()
    else:
        model.save(folder / "model.keras")
    write_tokenizer(tokenizer_folder, run.vocabulary, tokenizer, max_length)
    return tuple(notes)


def _replace(
    staging: Path, options: ExportOptions, about: Mapping[str, Any], sizes: Mapping[str, int]
) -> None:
    """Move files into an existing folder, then remove those of an older export."""
    output = options.output
    files = LocalFiles(output, staging)
    found = files.look(_FOLDERS, [MARK_NAME])
    old = _listed(output)
    taken = [name for name in sizes if name in {*found.sizes, *found.others} - old]
    if taken and not options.overwrite:
        raise UsageError(
            f"{output / taken[0]}: no export wrote this file: move it, or pass --overwrite to "
            "replace it"
        )
    # After a crash, the next export finds here what it may replace and remove.
    files.write({MARK_NAME: _mark({**about, "is_whole": False}, old | sizes.keys())})
    for name in sizes:
        (output / name).parent.mkdir(exist_ok=True)
        os.replace(staging / name, output / name)
    files.remove(sorted(old - sizes.keys()))
    files.remove_empty(_FOLDERS)
    files.confirm(_FOLDERS, staging)
    files.write({MARK_NAME: _mark(about, sizes)})


def _sync(folder: Path) -> dict[str, int]:
    """Make the files of a folder durable, and return their sizes by name."""
    sizes = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    LocalFiles(folder, folder).confirm(_FOLDERS, folder)
    return sizes


def _mark(about: Mapping[str, Any], names: Mapping[str, int] | set[str]) -> bytes:
    return encode({"is_whole": True, **about, "files": sorted(names)})


def _listed(folder: Path) -> set[str]:
    """Return the names of an export's files in a folder; none where there is no export."""
    data = LocalFiles(folder, folder).look((), [MARK_NAME]).documents.get(MARK_NAME, b"")
    try:
        names = parse_json(data, MARK_NAME, {"files": [str]})["files"]
    except UsageError:
        return set()
    return set(names) if all(map(_EXPORTED.fullmatch, names)) else set()


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
