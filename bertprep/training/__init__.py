"""Records -> a pretrained BERT: the Keras model, its optimizer, and one loop around both.

    config        bert_config.json -> BertConfig, and the published sizes by name
    layers        the parts of the encoder; keras.ops only
    modeling      features -> logits of both heads
    weights       the variables by the names that Hugging Face gives them
    optimization  the two losses as sums, the learning rate, AdamW
    order         which record stands at which place of a shuffled run
    stream        the records in that order, read and checked
    dataset       the same as batches of features, by tf.data
    loop          steps, over replicas and micro-batches
    checkpoints   files to go on from
    runs          a run's folder -> the model and what its token ids mean
    sources       weights of runs, of Hugging Face's folders, of the release's checkpoints
    initialization  those weights -> a model at the start of a fresh schedule
    layout        what the files in a run's folder are called
    metrics       sums of steps -> the numbers that people follow, and their file
    baselines     what there is to reach without context
    summaries     the same numbers for TensorBoard
    startup       TensorFlow's import, without its talk

Only `dataset` and `loop` know that TensorFlow runs it all; `sources` reads its checkpoints, and
`summaries` writes its events. `bertprep.training.command` puts the parts in order.
"""
