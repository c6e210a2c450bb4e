"""A process of tests/model/test_checkpoints.py: trains on records, saves, and resumes.

python resume_driver.py RECORDS RUN STEPS EVERY KILL_STEP

The process kills itself after step KILL_STEP, which is an event and not a time; 0 is never.
"""

import os
import signal
import sys
from pathlib import Path

import tensorflow as tf

from bertprep.loading.windows import RecordStream
from bertprep.model.config import BertConfig
from bertprep.model.saved_run import Checkpoints
from bertprep.options import TrainingOptions
from bertprep.records import find_data_set
from bertprep.training.input_pipeline import training_batches
from bertprep.training.loop import Trainer

tf.config.threading.set_inter_op_parallelism_threads(2)
tf.config.threading.set_intra_op_parallelism_threads(2)
records, run = sys.argv[1], Path(sys.argv[2])
steps, every, kill_step = map(int, sys.argv[3:])
data_set = find_data_set([records])
config = BertConfig(
    vocab_size=len(data_set.require_vocabulary().tokens),
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=32,
)
options = TrainingOptions(
    steps=steps, batch_size=16, gradient_accumulation=2, learning_rate=1e-3, warmup=0.1, seed=7
)
trainer = Trainer(config, options)
stream = RecordStream(data_set, config.vocab_size, options.seed, window_records=500)
checkpoints = Checkpoints(run, keep=2)
start = checkpoints.latest() or 0
if start:
    trainer.restore(checkpoints.load(start)[0])
batches = training_batches(stream, range(start, steps), options.batch_size)
for step, _ in enumerate(trainer.run(range(start, steps), batches), start + 1):
    if step % every == 0:
        checkpoints.save(step, trainer.state(), {"steps": steps})
    if step == kill_step:
        os.kill(os.getpid(), signal.SIGKILL)
