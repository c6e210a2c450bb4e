"""The encoder, its heads, and its weights in every format that is read or written.

    config           bert_config.json -> BertConfig; the model families
    positions        position kinds, one class each
    heads            what each pretraining head predicts, and the names of its metrics
    layers, bert     the model, written with keras.ops
    weights          the names of each variable in every format
    saved_run        the files of a run: checkpoints, and what the model learned from
    pretrained       the weights of a run, a Hugging Face folder or a TensorFlow 1 checkpoint
    initialization   any of these -> the weights of a model
    export_formats   a model -> a Hugging Face folder, or a SavedModel

`config`, `positions`, `heads`, `weights` and `saved_run` load no Keras, so that a command checks
everything before TensorFlow is imported, which takes seconds.
"""
