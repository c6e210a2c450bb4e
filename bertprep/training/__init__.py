"""Records -> a pretrained model: `bertprep pretrain`.

    pretrain         the command: job -> folder -> run -> result
    job              options -> everything resolved and checked, before TensorFlow is loaded
    run              steps, and between them metrics, evaluation and checkpoints
    loop             one step, over replicas and micro-batches
    optimization     losses as sums, learning-rate schedule, AdamW
    input_pipeline   records -> batches of features, by tf.data
    metrics          sums of steps -> losses and accuracies, and the files that keep them
    baselines        losses and accuracies without context, to compare with
    curves           metrics -> a chart
    startup          TensorFlow's import with start-up logs suppressed; the workers of TF_CONFIG
    stop_signals     SIGINT and SIGTERM take effect after the step and its checkpoint

Only `loop`, `input_pipeline`, `metrics` (for TensorBoard) and `startup` know TensorFlow.
"""
