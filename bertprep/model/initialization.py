"""`--init-from`: pretrained weights -> a model at the start of a new schedule, with notes.

    weights = read_pretrained(path)
    config = config_for(weights, wanted=None, max_seq_length=512)
    model = make_model(config)                   # draws the initial weights
    notes = initialize(model, weights, vocabulary, max_seq_length=512)

Position embeddings beyond the data's length are kept, for a later phase with longer sequences.
Fewer position embeddings than the data needs is an error, unless `--model` asks for more: then the
new rows keep their drawn values.

Source: appendix A.2 of arXiv:1810.04805.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from keras import ops

from bertprep.errors import UsageError
from bertprep.model.config import BertConfig, is_padded, make_model
from bertprep.model.heads import HEADS
from bertprep.model.saved_run import SavedRun
from bertprep.model.weights import PretrainedWeights, assign_weights, variables_by_path
from bertprep.options import TokenizerOptions, differing_options, flags_of
from bertprep.vocab import Vocabulary

_POSITIONS = "embeddings/position_embeddings"
#: What a model may have different from the one that its weights come from.
_FREE = {
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
    "max_position_embeddings",
}
#: Tokenizer options that a later phase may change: they decide which pieces are a word.
_WORD_OPTIONS = {"segmented", "word_segmenter", "never_split", "max_input_chars_per_word"}


def restore_model(run: SavedRun) -> Any:
    """Return the model of a run, in float32 whatever it was trained in.

    Raises:
        UsageError: the checkpoint is not of the model in the run's config.
    """
    parts = {path.partition("/")[0] for path in run.arrays}
    model = make_model(run.config, heads=[head for head in HEADS if head in parts])
    assign_weights(model, run.arrays, run.name)
    return model


def config_for(
    weights: PretrainedWeights, wanted: BertConfig | None, max_seq_length: int
) -> BertConfig:
    """Return the shape of a model that takes pretrained weights.

    Args:
        weights: the weights.
        wanted: the config of `--model`; None takes that of the weights.
        max_seq_length: sequence length of the data.

    Raises:
        UsageError: the weights do not fit the wanted model, or the data is too long for it.
    """
    config = wanted or weights.config
    theirs, ours = asdict(weights.config), asdict(config)
    differing = [
        f"{name} {theirs[name]} there, {ours[name]} here"
        for name in theirs
        if theirs[name] != ours[name] and name not in _FREE
    ]
    if differing:
        raise UsageError(
            f"{weights.name}: not the model that --model asks for ({'; '.join(differing)}): leave "
            "out --model to use the config of the weights"
        )
    rows = weights.config.max_position_embeddings
    if config.max_position_embeddings < rows:
        raise UsageError(
            f"{weights.name}: has {rows} position embeddings, --model asks for "
            f"{config.max_position_embeddings}: ask for as many, or leave out --model"
        )
    if max_seq_length > config.max_position_embeddings:
        raise UsageError(
            f"{weights.name}: has {rows} position embeddings, the records have {max_seq_length} "
            f"tokens: use records of at most {rows} tokens, or pass --model FILE with a "
            f'bert_config.json that has "max_position_embeddings": {max_seq_length} to draw the '
            "others"
        )
    return config


def initialize(
    model: Any,
    weights: PretrainedWeights,
    vocabulary: Vocabulary,
    max_seq_length: int,
    tokenizer: TokenizerOptions | None = None,
) -> list[str]:
    """Set a model to pretrained weights; variables without one keep their drawn values.

    Args:
        model: a built model of the shape of `config_for`.
        weights: the weights.
        vocabulary: vocabulary of the data.
        max_seq_length: sequence length of the data.
        tokenizer: tokenizer options of the data; None where they are not known.

    Returns:
        Notes for the user: a line for each thing that may be unexpected.

    Raises:
        UsageError: the weights are of another vocabulary, have learned text in another case or
            with other accents, or have other shapes than their config.
    """
    notes = _compare_vocabularies(weights, vocabulary)
    notes += _compare_tokenizers(weights, asdict(tokenizer) if tokenizer else {})
    drawn = ops.convert_to_numpy(variables_by_path(model)[_POSITIONS])
    arrays, rows = dict(weights.arrays), weights.config.max_position_embeddings
    if arrays[_POSITIONS].shape == (rows, drawn.shape[1]) and rows < len(drawn):
        arrays[_POSITIONS] = np.concatenate([arrays[_POSITIONS], drawn[rows:]])
    assign_weights(model, arrays, weights.name)
    if weights.missing:
        notes.append(f"{', '.join(weights.missing)}: drawn, not in {weights.name}")
    if weights.unused:
        notes.append(f"{weights.name}: unused: {_shorten(weights.unused)}")
    return notes + _position_notes(weights, len(drawn), max_seq_length)


def trained_positions(weights: PretrainedWeights | None, max_seq_length: int) -> int:
    """Return the number of position embeddings that data has reached at the end of a run."""
    return max(weights.trained_positions, max_seq_length) if weights else max_seq_length


def _position_notes(weights: PretrainedWeights, num_rows: int, max_seq_length: int) -> list[str]:
    rows, trained = weights.config.max_position_embeddings, weights.trained_positions
    notes = []
    if rows < num_rows:
        notes.append(f"positions {rows} to {num_rows - 1}: drawn, not in {weights.name}")
    if trained < min(rows, max_seq_length):
        last = min(rows, max_seq_length) - 1
        notes.append(
            f"positions {trained} to {last}: untrained in {weights.name}, whose records had "
            f"{trained} tokens"
        )
    return notes


def _compare_vocabularies(weights: PretrainedWeights, vocabulary: Vocabulary) -> list[str]:
    """Raise UsageError if an id means another piece than the one that the weights learned."""
    rows, ours = weights.config.vocab_size, vocabulary.tokens
    theirs = weights.vocabulary.tokens if weights.vocabulary else ()
    # Rows beyond the vocabulary are padding, if it is known; else only few can be.
    if rows < len(ours) or not (theirs or is_padded(rows, len(ours))):
        raise UsageError(
            f"{weights.name}: has {rows:,} word embeddings, and the vocabulary of the records has "
            f"{len(ours):,} pieces: create the records with the vocabulary of these weights"
        )
    if not theirs:
        return [f"{weights.name}: no vocabulary next to it; assuming the vocabulary of the records"]
    more = [token for token in theirs[len(ours) : rows] if not _is_unused(token)]
    if more:
        raise UsageError(
            f"{weights.name}: its vocabulary has {len(more):,} more pieces than that of the "
            f"records, such as {more[0]!r}: create the records with the vocabulary of these weights"
        )
    differing = [i for i, pair in enumerate(zip(theirs, ours, strict=False)) if pair[0] != pair[1]]
    for i in differing:
        if not _is_unused(theirs[i]):
            raise UsageError(
                f"{weights.name}: line {i + 1} of its vocabulary is {theirs[i]!r}, of that of the "
                f"records {ours[i]!r}: create the records with the vocabulary of these weights"
            )
    new = [ours[i] for i in differing] + list(ours[len(theirs) :])
    if new:
        return [f"{weights.name}: new pieces at ids that were unused: {_shorten(new)}"]
    return []


def _compare_tokenizers(weights: PretrainedWeights, ours: Mapping[str, Any]) -> list[str]:
    """Raise UsageError if the same text gives other pieces; return a note on other words."""
    differing = differing_options(weights.tokenizer_options, ours)
    wanted = [flag for name, flag in differing.items() if name not in _WORD_OPTIONS]
    if wanted:
        source = "" if isinstance(weights, SavedRun) else ", or correct its tokenizer_config.json"
        raise UsageError(
            f"{weights.name}: its text was tokenized with {' '.join(wanted)}, that of the records "
            f"was not: create the records with {' '.join(wanted)}{source}"
        )
    notes = [f"{flag} there, {flags_of(name, ours[name])} here" for name, flag in differing.items()]
    return [f"{weights.name}: words are found in another way: {'; '.join(notes)}"] if notes else []


def _is_unused(token: str) -> bool:
    """Whether a piece only keeps an id free."""
    return not token or token.startswith("[unused")


def _shorten(names: Sequence[str], most: int = 5) -> str:
    """Return the first names and the number of others; the optimizer's variables as one name."""
    kept = [name for name in names if not name.endswith(("/adam_m", "/adam_v"))]
    shown = kept[:most] + (["the optimizer's state"] if len(kept) < len(names) else [])
    more = f", and {len(kept) - most:,} more" if len(kept) > most else ""
    return ", ".join(shown) + more
