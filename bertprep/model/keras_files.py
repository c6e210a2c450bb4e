"""A model -> a SavedModel, which loads without this package, or a .keras file, which needs it.

    served = tf.saved_model.load("model")
    served.signatures["serving_default"](
        input_ids=..., input_mask=..., segment_ids=...              # int32[batch, seq_length]
    )   # masked_lm_logits [batch, seq_length, vocab_size], next_sentence_logits [batch, 2],
        # pooled_output [batch, hidden_size], sequence_output [batch, seq_length, hidden_size]
    served.signatures["masked_lm"](
        ..., masked_lm_positions=...                                # int32[batch, max_predictions]
    )   # without sequence_output, and with masked_lm_logits [batch, max_predictions, vocab_size]

    import bertprep.model.bert                                # the classes of the .keras file
    keras.saving.load_model("model/model.keras")

Batch and seq_length are any, seq_length up to max_position_embeddings. Outputs are float32; those
of heads that the model does not have are left out.

Source: https://www.tensorflow.org/guide/saved_model, and there for `assets.extra`.
"""

from pathlib import Path

import keras

from bertprep.model.bert import PretrainingModel
from bertprep.model.layers import Tensor

#: Folder of a SavedModel for files that no signature reads.
EXTRA_ASSETS = "assets.extra"
_INPUTS = ("input_ids", "input_mask", "segment_ids")


def write_saved_model(folder: Path, model: PretrainingModel) -> None:
    """Write the model with the signatures `serving_default` and `masked_lm`."""

    def everywhere(input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> dict[str, Tensor]:
        values = (input_ids, input_mask, segment_ids)
        hidden = model.encode(dict(zip(_INPUTS, values, strict=True)))
        return {**model.apply_heads(hidden[:, 0], hidden), "sequence_output": hidden}

    def at_positions(
        input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor, masked_lm_positions: Tensor
    ) -> dict[str, Tensor]:
        features = dict(zip(_INPUTS, (input_ids, input_mask, segment_ids), strict=True))
        outputs: dict[str, Tensor] = model({**features, "masked_lm_positions": masked_lm_positions})
        return outputs

    # The endpoints track the variables that they use; the model is not tracked as well, since
    # variables that are tracked twice are written twice.
    archive = keras.export.ExportArchive()
    for name, function, inputs in (
        ("serving_default", everywhere, _INPUTS),
        ("masked_lm", at_positions, (*_INPUTS, "masked_lm_positions")),
    ):
        specs = [keras.InputSpec(dtype="int32", shape=(None, None), name=key) for key in inputs]
        archive.add_endpoint(name, function, specs)
    archive.write_out(folder, verbose=False)


def write_keras(folder: Path, model: PretrainingModel) -> None:
    """Write `model.keras`."""
    model.save(folder / "model.keras")
