"""Steps, and between them: a line of metrics, an evaluation, a checkpoint, a look at the signals.

What step s does follows from s, from the seed and from the weights before it. So a checkpoint holds
the variables and what the next line of metrics has summed up so far, and nothing else. Lines are on
the disk before the checkpoint that they lead to: a run that goes on loses none.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from bertprep.errors import BertprepError
from bertprep.model.checkpoints import Checkpoints
from bertprep.model.config import BertConfig
from bertprep.model.initialization import config_for, initialize, trained_positions
from bertprep.model.pretrained import read_source
from bertprep.model.run_layout import CHECKPOINTS_NAME, CONFIG_NAME, METRICS_NAME, TENSORBOARD_NAME
from bertprep.model.saved_run import describe_run
from bertprep.terminal import StepProgress, message, step_progress
from bertprep.training.baselines import measure_baselines
from bertprep.training.input_pipeline import Batch, evaluation_batches, training_batches
from bertprep.training.job import Job
from bertprep.training.loop import Trainer
from bertprep.training.metrics import Meter, MetricsFile, means
from bertprep.training.run_folder import RunFolder
from bertprep.training.startup import exit_together
from bertprep.training.stop_signals import StopSignals
from bertprep.training.summaries import Summaries


class _StoppedError(Exception):
    """A signal came while the held-out records were gone through."""


class Run:
    """A run in this process.

    Args:
        job: what to do.
        folder: of the run, in the hands of this process if it is the one that writes.
        start: the step that there is a checkpoint of; 0 begins.
    """

    def __init__(self, job: Job, folder: RunFolder, start: int) -> None:
        self._job, self._folder, self._step = job, folder, start
        self._options, self._steps = job.options, job.training.steps
        self._checkpoints = Checkpoints(self._options.output / CHECKPOINTS_NAME, self._options.keep)
        self._meter = Meter()
        self._train_seconds = 0.0
        self._is_stopped_by_another = False
        if start:
            self._restore()
        else:
            self._begin()

    def _begin(self) -> None:
        job, options = self._job, self._options
        source = read_source(options.init_from) if options.init_from else None
        config = config_for(source, job.wanted, job.max_seq_length) if source else job.wanted
        assert config is not None
        self._config = config
        self._trainer = Trainer(config, job.training)
        if source:
            notes = initialize(self._trainer.model, source, job.vocabulary, job.max_seq_length)
            self._tell(f"weights of {source.name}", *notes)
        if job.is_chief:
            positions = trained_positions(source, job.max_seq_length)
            facts = {"plan": job.plan}
            self._folder.make_room()
            describe_run(options.output, config, job.vocabulary, job.tokenizer, positions, facts)

    def _restore(self) -> None:
        arrays, facts = self._checkpoints.load(self._step)
        self._config = BertConfig.load(self._options.output / CONFIG_NAME)
        self._trainer = Trainer(self._config, self._job.training)
        self._trainer.restore(arrays)
        self._meter = Meter(facts["sums"])

    def _tell(self, *lines: str) -> None:
        if not self._job.is_quiet:
            for line in lines:
                message(line)

    def finish(self) -> None:
        """Makes the steps that are left.

        Raises:
            BertprepError: the loss is no number, or a record is damaged; what was saved stays.
        """
        output = self._options.output
        is_chief = self._job.is_chief
        tensorboard = output / TENSORBOARD_NAME if self._options.tensorboard and is_chief else None
        with (
            MetricsFile(output / METRICS_NAME, self._step, is_kept=is_chief) as self._metrics,
            Summaries(tensorboard) as self._summaries,
            StopSignals() as self._stop,
            step_progress(self._step, self._steps, quiet=self._job.is_quiet) as bar,
        ):
            self._tell_baselines()
            try:
                self._catch_up()
                self._go(bar)
            except _StoppedError:
                pass
            is_measured = not self._is_eval_due() or self._metrics.has("eval", self._step)
            if self._stop.is_wanted and not (self._step == self._steps and is_measured):
                self._save()
                self._tell(f"step {self._step:,} is saved")
                self.exit_together()
                self._stop.obey()
            elif self._is_stopped_by_another:
                self._save()
                self.exit_together()
                raise BertprepError(
                    f"stopped with another worker behind step {self._step:,}: the same command, "
                    "given to all of them, goes on from here"
                )

    def exit_together(self) -> None:
        """Wait for the other workers, after the last work of this process."""
        exit_together(self._trainer.strategy)

    def _tell_baselines(self) -> None:
        if self._metrics.has("baseline", 0) or not self._job.is_chief:
            return
        vocab_size = self._config.vocab_size
        baselines = measure_baselines(self._job.train, self._job.held_out, vocab_size)
        self._metrics.write("baseline", 0, baselines.to_row())
        self._tell(baselines.text(vocab_size))

    def _catch_up(self) -> None:
        """Evaluates where a signal has cut that short, behind the step of the checkpoint."""
        if self._step and self._is_eval_due() and not self._metrics.has("eval", self._step):
            self._save(self._evaluate())

    def _go(self, bar: StepProgress) -> None:
        job, trainer = self._job, self._trainer
        steps = range(self._step, self._steps)
        batches = training_batches(
            job.train, steps, job.training.batch_size, job.worker, job.num_workers
        )
        clock = time.monotonic()
        for result in trainer.run(steps, batches, lambda: self._stop.is_wanted):
            self._step += 1
            self._meter.add(result)
            is_logged = self._step % self._options.log_every == 0 or self._step == self._steps
            if is_logged:
                self._train_seconds += time.monotonic() - clock
                bar.show(self._log(result["learning_rate"]))
                clock = time.monotonic()
            bar.advance()
            is_saved = self._step % self._options.save_every == 0 or self._step == self._steps
            if self._is_eval_due() or is_saved:
                self._train_seconds += time.monotonic() - clock
                loss = self._evaluate() if self._is_eval_due() else None
                if is_saved:
                    self._save(loss)
                clock = time.monotonic()
            # What all have learned in the same step, so that none of them waits for another.
            if result["stops"] or (self._stop.is_wanted and job.num_workers == 1):
                self._is_stopped_by_another = not self._stop.is_wanted
                return

    def _is_eval_due(self) -> bool:
        is_time = self._step % self._options.eval_steps == 0 or self._step == self._steps
        return is_time and self._job.held_out is not None

    def _log(self, learning_rate: float) -> dict[str, Any]:
        sums = self._meter.take()
        rate = sums["sequences"] / max(self._train_seconds, 1e-9)
        values = {
            **means(sums),
            "learning_rate": learning_rate,
            "sequences_per_second": round(rate, 1),
        }
        self._train_seconds = 0.0
        self._metrics.write("train", self._step, values)
        self._summaries.write("train", self._step, values)
        return values

    def _evaluate(self) -> float:
        """The loss of all held-out records; a line of metrics tells the rest."""
        job = self._job
        assert job.held_out is not None
        # A pass without gradients needs no more memory than a micro-batch of training.
        size = job.training.batch_size // job.training.gradient_accumulation
        batches = evaluation_batches(job.held_out, size, job.worker, job.num_workers)
        sums = self._trainer.evaluate(self._until_stopped(batches))
        values = means(sums)
        self._tell(
            f"step {self._step:,}, held out: loss {values['loss']:.3f}; MLM "
            f"{values['mlm_loss']:.3f}, {values['mlm_accuracy']:.1%} right; NSP "
            f"{values['nsp_loss']:.3f}, {values['nsp_accuracy']:.1%} right"
        )
        self._summaries.write("eval", self._step, values)
        counts = {"sequences": int(sums["sequences"]), "masks": int(sums["masked_lm_weights"])}
        self._metrics.write("eval", self._step, {**values, **counts})
        return values["loss"]

    def _until_stopped(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            # One of several workers must not leave the others waiting.
            if self._stop.is_wanted and self._job.num_workers == 1:
                raise _StoppedError
            yield batch

    def _save(self, loss: float | None = None) -> None:
        if not self._job.is_chief:
            return
        self._metrics.sync()
        arrays = self._trainer.state()
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise BertprepError(
                    f"step {self._step}: {name} has values that are no numbers: go on from the "
                    "last checkpoint with a lower --learning-rate, or a longer --warmup"
                )
        self._checkpoints.save(self._step, arrays, {"sums": self._meter.sums}, loss)
