"""A process of `tests/training/test_steps.py`: trains the goldens' model on two replicas.

python trainer_driver.py OUTPUT.npz mirrored|multiworker [OPTION=VALUE …]
"""

import json
import os
import sys

import numpy as np
import tensorflow as tf
from keras import ops

tf.config.threading.set_inter_op_parallelism_threads(2)
tf.config.threading.set_intra_op_parallelism_threads(1)
if sys.argv[2] == "mirrored":
    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)

# After the devices are configured.
from golden_trainer import GOLDENS, large_batches, loss, make_trainer  # noqa: E402

output, distribute, *pairs = sys.argv[1:]
options = {name: json.loads(value) for name, value in (pair.split("=") for pair in pairs)}
goldens = dict(np.load(GOLDENS))
trainer = make_trainer(
    goldens, **{"batch_size": 16, "warmup": 0, "distribute": distribute, **options}
)
task = json.loads(os.environ["TF_CONFIG"])["task"]["index"] if distribute == "multiworker" else 0
first = task * trainer.local_batch_size
batches = [
    {name: value[first : first + trainer.local_batch_size] for name, value in batch.items()}
    for batch in large_batches(goldens)
]
losses = [loss(trainer.train_step(step, features).sums) for step, features in enumerate(batches)]
variables = trainer.model.trainable_variables
np.savez(
    output,
    losses=losses,
    evaluated=loss(trainer.evaluate(batches)),
    num_replicas=trainer.strategy.num_replicas_in_sync,
    **{f"weight-{i}": ops.convert_to_numpy(value) for i, value in enumerate(variables)},
)
