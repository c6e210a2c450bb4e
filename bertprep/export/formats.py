"""A run and the name of a format -> a folder: the one place that knows all three formats.

Cost: the checkpoint and the model once in memory, 16 bytes a parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bertprep import __version__
from bertprep.export.folder import require_place, write_folder
from bertprep.model.hugging_face import write_hugging_face
from bertprep.model.initialization import restore_model
from bertprep.model.keras_files import EXTRA_ASSETS, write_keras, write_saved_model
from bertprep.model.saved_run import SavedRun, load_run
from bertprep.options import ExportOptions, TokenizerOptions
from bertprep.terminal import in_bytes
from bertprep.tokenization.hugging_face import write_tokenizer
from bertprep.vocab import Vocabulary


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        step: of the checkpoint.
        files: the size of each file in bytes, by its name relative to the folder.
        notes: what one may not expect, in words.
    """

    step: int
    files: Mapping[str, int]
    notes: tuple[str, ...]

    def text(self, output: Path) -> str:
        """What a person reads of it: the files of a folder with their sizes."""
        lines = [f"{output}: the weights of step {self.step:,}"]
        width = max(map(len, self.files))
        lines += [f"  {name:{width}}  {in_bytes(size)}" for name, size in self.files.items()]
        return "\n".join(lines)


def export(options: ExportOptions) -> Exported:
    """Hands a run's model to other programs.

    Raises:
        UsageError: there is no such run or checkpoint, or another's files are in the way.
        BertprepError: the checkpoint is damaged.
    """
    require_place(options.output, options.overwrite)  # before anything that takes long
    run = load_run(options.run, options.checkpoint)
    tokenizer, notes = _tokenizer_of(run)
    max_length = min(run.trained_positions, run.config.max_position_embeddings)
    if max_length < run.config.max_position_embeddings:
        notes.append(
            f"the model has {run.config.max_position_embeddings} positions, and its data was "
            f"{max_length} long: behind {max_length} tokens it has learned nothing"
        )
    model = restore_model(run)

    def write(folder: Path) -> None:
        if options.format == "huggingface":
            write_hugging_face(folder, model, run.vocabulary)
            beside = folder
        elif options.format == "savedmodel":
            write_saved_model(folder, model)
            beside = folder / EXTRA_ASSETS
            beside.mkdir()
        else:
            write_keras(folder, model)
            beside = folder
        write_tokenizer(beside, run.vocabulary, tokenizer, max_length)

    about = {"format": options.format, "step": run.step, "version": __version__}
    files = write_folder(options.output, write, about, options.overwrite)
    return Exported(run.step, files, tuple(notes))


def _tokenizer_of(run: SavedRun) -> tuple[TokenizerOptions, list[str]]:
    """The run's own options; guessed, with a note, where its records do not say."""
    if run.tokenizer is not None:
        return run.tokenizer, []
    lowercase = _is_uncased(run.vocabulary)
    kind = "lower-cased" if lowercase else "as it is"
    return TokenizerOptions(lowercase=lowercase), [
        f"the records do not say how their text was cut: by the vocabulary, {kind}; see "
        "do_lower_case in tokenizer_config.json"
    ]


def _is_uncased(vocabulary: Vocabulary) -> bool:
    return vocabulary.casing_warning(lowercase=True) is None
