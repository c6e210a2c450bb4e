"""A run -> a folder that other programs load the model from.

    formats        the one function, and what the three formats are
    hugging_face   config.json, model.safetensors, vocab.txt, tokenizer_config.json
    keras_files    a SavedModel with two signatures; a .keras file
    folder         whole or not there, and nobody else's files lost

Example:
    export(ExportOptions(run=Path("run"), output=Path("model")))
    transformers.BertForPreTraining.from_pretrained("model")
"""

from bertprep.export.formats import Exported, export

__all__ = ["Exported", "export"]
