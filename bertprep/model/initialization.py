"""`--init-from`: a source's weights -> a model at the start of a fresh schedule, and what was done.

    source = read_source(path)
    config = config_for(source, wanted=None, max_seq_length=512)
    model = ...                                  # built: what the source lacks is drawn already
    for line in initialize(model, source, vocabulary, max_seq_length=512):
        print(line)

Two phases, the first with short sequences: a table of position embeddings longer than the data is
kept whole. One that is too short is an error, unless `--model` asks for a longer one: then the new
rows are drawn, and that is said. Source: appendix A.2 of arXiv:1810.04805.
"""

from dataclasses import asdict

from keras import ops

from bertprep.errors import UsageError
from bertprep.model.bert import PretrainingModel
from bertprep.model.config import BertConfig
from bertprep.model.pretrained import Source
from bertprep.model.weights import variables_by_path
from bertprep.vocab import Vocabulary

_POSITIONS = "embeddings/position_embeddings"
#: What a model may have otherwise than the one that its weights come from.
_FREE = {
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
    "max_position_embeddings",
}


def config_for(source: Source, wanted: BertConfig | None, max_seq_length: int) -> BertConfig:
    """The shape of a model that a source's weights go into.

    Args:
        source: of the weights.
        wanted: from `--model`; None takes the source's own.
        max_seq_length: of the data.

    Raises:
        UsageError: the weights do not fit into the wanted model, or it is too short for the data.
    """
    config = wanted or source.config
    there, here = asdict(source.config), asdict(config)
    differing = [
        f"{name} {there[name]:,} there and {here[name]:,} here"
        for name in there
        if there[name] != here[name] and name not in _FREE
    ]
    if differing:
        raise UsageError(
            f"{source.name}: is of another model than --model ({', '.join(differing)}): leave out "
            "--model to take its own"
        )
    rows = source.config.max_position_embeddings
    if config.max_position_embeddings < rows:
        raise UsageError(
            f"{source.name}: has {rows} positions, and --model only "
            f"{config.max_position_embeddings}: give it as many, or leave it out"
        )
    if max_seq_length > config.max_position_embeddings:
        raise UsageError(
            f"{source.name}: has {rows} positions, and the data is {max_seq_length} long: take "
            f"data of {rows}, or pass --model FILE with a bert_config.json that has "
            f'"max_position_embeddings": {max_seq_length}, and the new ones are drawn'
        )
    return config


def initialize(
    model: PretrainingModel, source: Source, vocabulary: Vocabulary, max_seq_length: int
) -> list[str]:
    """Gives a model a source's weights; what the source does not have stays as it was drawn.

    Args:
        model: of the shape of `config_for`, built.
        source: of the weights.
        vocabulary: of the data.
        max_seq_length: of the data.

    Returns:
        What was done, for people: a line for each thing that one may not expect.

    Raises:
        UsageError: the weights are of another vocabulary, or have other shapes than their config.
    """
    notes = _compare_vocabularies(source, vocabulary)
    variables = variables_by_path(model)
    arrays = dict(source.arrays)
    fresh = ops.convert_to_numpy(variables[_POSITIONS])
    rows = source.config.max_position_embeddings
    if arrays[_POSITIONS].shape == (rows, fresh.shape[1]) and rows < len(fresh):
        table = fresh.copy()
        table[:rows] = arrays[_POSITIONS]
        arrays[_POSITIONS] = table
    for path, array in arrays.items():
        if array.shape != tuple(variables[path].shape):
            raise UsageError(
                f"{source.name}: {path} must have the shape {tuple(variables[path].shape)}, got "
                f"{array.shape}: the config beside the weights is not theirs"
            )
    for path, array in arrays.items():
        variables[path].assign(array)
    if source.missing:
        notes.append(f"drawn anew, as {source.name} does not have it: {', '.join(source.missing)}")
    if source.unused:
        notes.append(f"of {source.name} not used: {_shortened(source.unused)}")
    return notes + _tell_positions(source, len(fresh), max_seq_length)


def trained_positions(source: Source | None, max_seq_length: int) -> int:
    """Of a run's position embeddings, those that data will have reached when it ends, from 0."""
    if source is None:
        return max_seq_length
    before = source.trained_positions or source.config.max_position_embeddings
    return max(before, max_seq_length)


def _tell_positions(source: Source, num_rows: int, max_seq_length: int) -> list[str]:
    rows = source.config.max_position_embeddings
    trained = min(source.trained_positions or rows, rows)
    notes = []
    if rows < num_rows:
        notes.append(
            f"positions {rows} to {num_rows - 1} are drawn anew: {source.name} has {rows} positions"
        )
    if trained < min(rows, max_seq_length):
        last = min(rows, max_seq_length) - 1
        notes.append(
            f"positions {trained} to {last} begin as {source.name} drew them: its data was "
            f"{trained} long"
        )
    return notes


def _compare_vocabularies(source: Source, vocabulary: Vocabulary) -> list[str]:
    """Raises UsageError where ids mean other pieces than the weights have learned."""
    rows, here = source.config.vocab_size, vocabulary.tokens
    if rows != len(here):
        raise UsageError(
            f"{source.name}: has {rows:,} word embeddings, and the vocabulary of the data "
            f"{len(here):,} pieces: make the data with the vocabulary of these weights"
        )
    if source.vocabulary is None:
        return [f"no vocab.txt lies beside {source.name}: its ids are taken to be the data's"]
    there = source.vocabulary.tokens
    differing = [i for i, pair in enumerate(zip(there, here, strict=False)) if pair[0] != pair[1]]
    for i in differing:
        if not there[i].startswith("[unused"):
            raise UsageError(
                f"{source.name}: its vocabulary has {there[i]!r} in line {i + 1}, and the data's "
                f"{here[i]!r}: make the data with the vocabulary of these weights"
            )
    if differing:
        pieces = _shortened([here[i] for i in differing])
        return [f"in places that {source.name} has not used: {pieces}"]
    return []


def _shortened(names: list[str] | tuple[str, ...], most: int = 5) -> str:
    """The first names, and how many more; the optimizer's as one."""
    kept = [name for name in names if not name.endswith(("/adam_m", "/adam_v"))]
    shown = kept[:most] + (["the optimizer's state"] if len(kept) < len(names) else [])
    more = f", and {len(kept) - most:,} more" if len(kept) > most else ""
    return ", ".join(shown) + more
