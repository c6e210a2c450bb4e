"""The encoder, its heads, and its weights in every format that is read or written.

    config           bert_config.json -> BertConfig; the model families
    positions        position kinds, one class each
    heads            what each pretraining head predicts, and the names of its metrics
    layers, bert     the model, written with keras.ops
    weights          the names of each variable in every format
    saved_run        the files of a run: checkpoints, and what the model learned from
    formats          weights in the files of other programs, read and written
    initialization   pretrained weights -> a model at the start of a new run

`config`, `positions`, `heads`, `weights` and `saved_run` load no Keras, so that a command checks
everything before TensorFlow is imported, which takes seconds.
"""
