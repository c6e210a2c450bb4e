"""Records -> a pretrained model: `bertprep pretrain`.

    pretrain         the command: job -> folder -> run -> result
    job              options -> everything resolved and checked, before TensorFlow is loaded
    run              steps, and between them metrics, evaluation and checkpoints
    loop             one step, over replicas and micro-batches
    optimization     losses as sums, learning-rate schedule, AdamW
    input_pipeline   records -> batches of features, by tf.data
    metrics          sums of steps -> losses and accuracies, baselines for them, and their files
    curves           metrics -> a chart
    process          TensorFlow's import, stop signals, and the other workers

Only `loop`, `input_pipeline`, `metrics` (for TensorBoard) and `process` know TensorFlow.
"""
