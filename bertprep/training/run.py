"""The steps of a run, and between them metrics, evaluations, checkpoints and stop signals.

Step s follows from s, the seed and the weights before it. So a checkpoint holds the variables and
the sums of the next line of metrics, and nothing else. Lines are on the disk before the checkpoint
that follows them: a run that resumes loses none.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from bertprep.errors import BertprepError
from bertprep.model.config import load_config
from bertprep.model.formats import read_pretrained
from bertprep.model.heads import SEQUENCES
from bertprep.model.initialization import config_for, initialize, trained_positions
from bertprep.model.saved_run import (
    CHECKPOINTS_NAME,
    CONFIG_NAME,
    METRICS_NAME,
    TENSORBOARD_NAME,
    Checkpoints,
    write_run_description,
)
from bertprep.storage.planned_folder import PlannedFolder
from bertprep.terminal import StepProgress, message, step_progress
from bertprep.training.input_pipeline import Batch, evaluation_batches, training_batches
from bertprep.training.job import PretrainJob
from bertprep.training.loop import Trainer, diverged
from bertprep.training.metrics import (
    MetricsLog,
    describe_baselines,
    describe_heads,
    describe_progress,
    mean_metrics,
    measure_baselines,
)
from bertprep.training.process import StopSignals, exit_together


class _InterruptedError(Exception):
    """A stop signal arrived during an evaluation."""


class TrainingRun:
    """A run in this process.

    Args:
        job: what to do.
        folder: folder of the run, locked by this process if it is the chief.
        start: step of the checkpoint to resume from; 0 starts the run.
    """

    def __init__(self, job: PretrainJob, folder: PlannedFolder, start: int) -> None:
        self._job, self._folder, self._step = job, folder, start
        self._options, self._steps = job.options, job.training.steps
        self._checkpoints = Checkpoints(self._options.output / CHECKPOINTS_NAME, self._options.keep)
        self._sums: Counter[str] = Counter()
        self._train_seconds = 0.0
        self._is_stopped_by_peer = False
        self._trainer = self._restore() if start else self._begin()

    def _begin(self) -> Trainer:
        """Return a trainer with initial or pretrained weights, and describe the run on the disk."""
        job, options = self._job, self._options
        weights = read_pretrained(options.init_from) if options.init_from else None
        config = config_for(weights, job.wanted, job.max_seq_length) if weights else job.wanted
        assert config is not None
        trainer = Trainer(config, job.training, job.heads)
        if weights:
            notes = initialize(
                trainer.model, weights, job.vocabulary, job.max_seq_length, job.tokenizer
            )
            self._report(f"initialized with the weights of {weights.name}", *notes)
        padding = config.vocab_size - len(job.vocabulary.tokens)
        if padding:
            self._report(f"{padding:,} word embeddings are padding, beyond the vocabulary: kept")
        if job.is_chief:
            positions, plan = trained_positions(weights, job.max_seq_length), {"plan": job.plan}
            self._folder.make_room()
            write_run_description(
                options.output, config, job.vocabulary, job.tokenizer, positions, plan
            )
        return trainer

    def _restore(self) -> Trainer:
        """Return a trainer with the weights of the checkpoint."""
        arrays, facts = self._checkpoints.load(self._step)
        config = load_config(self._options.output / CONFIG_NAME)
        trainer = Trainer(config, self._job.training, self._job.heads)
        trainer.restore(arrays)
        self._sums = Counter(facts["sums"])
        return trainer

    def _report(self, *lines: str) -> None:
        if not self._job.is_quiet:
            for line in lines:
                message(line)

    def finish(self) -> None:
        """Make the remaining steps.

        Raises:
            BertprepError: the loss is not finite, or a record is damaged; checkpoints are kept.
        """
        output, options = self._options.output, self._options
        tensorboard = output / TENSORBOARD_NAME if options.tensorboard else None
        is_chief = self._job.is_chief
        with (
            MetricsLog(
                output / METRICS_NAME, self._step, tensorboard, is_writer=is_chief
            ) as self._metrics,
            StopSignals() as self._stop,
            step_progress(self._step, self._steps, quiet=self._job.is_quiet) as bar,
        ):
            self._report_baselines()
            try:
                self._make_up_evaluation()
                self._train(bar)
            except _InterruptedError:
                pass
            is_evaluated = not self._is_eval_due() or self._metrics.has("eval", self._step)
            if self._stop.is_wanted and not (self._step == self._steps and is_evaluated):
                self._save()
                self._report(f"checkpoint saved at step {self._step:,}")
                self.exit_together()
                self._stop.obey()
            elif self._is_stopped_by_peer:
                self._save()
                self.exit_together()
                raise BertprepError(
                    f"another worker was stopped after step {self._step:,}: repeat the command on "
                    "all workers to resume"
                )

    def exit_together(self) -> None:
        """Wait for the other workers, after the last work of this process."""
        exit_together(self._trainer.strategy)

    def _report_baselines(self) -> None:
        job = self._job
        if self._metrics.has("baseline", 0) or not job.is_chief:
            return
        vocab_size = len(job.vocabulary.tokens)
        row = measure_baselines(job.heads, job.train, job.held_out, vocab_size)
        self._metrics.write("baseline", 0, {}, row)
        self._report(*describe_baselines(job.heads, row, vocab_size))

    def _make_up_evaluation(self) -> None:
        """Evaluate at the step of the checkpoint if a signal interrupted that."""
        if self._step and self._is_eval_due() and not self._metrics.has("eval", self._step):
            self._save(self._evaluate())

    def _train(self, bar: StepProgress) -> None:
        job, options = self._job, self._options
        steps = range(self._step, self._steps)
        batches = training_batches(
            job.train, steps, job.training.batch_size, job.worker, job.num_workers
        )
        clock = time.monotonic()
        for result in self._trainer.run(steps, batches, lambda: self._stop.is_wanted):
            self._step += 1
            self._sums.update(result.sums)
            if self._is_due(options.log_every):
                self._train_seconds += time.monotonic() - clock
                bar.show(self._log(result.learning_rate))
                clock = time.monotonic()
            bar.advance()
            is_saved = self._is_due(options.save_every)
            if self._is_eval_due() or is_saved:
                self._train_seconds += time.monotonic() - clock
                loss = self._evaluate() if self._is_eval_due() else None
                if is_saved:
                    self._save(loss)
                clock = time.monotonic()
            # All workers learn of a stop after the same step, so that none waits for another.
            if result.is_stopping or (self._stop.is_wanted and job.num_workers == 1):
                self._is_stopped_by_peer = not self._stop.is_wanted
                return

    def _is_due(self, every: int) -> bool:
        """Whether something that happens every few steps, and after the last, is due."""
        return self._step % every == 0 or self._step == self._steps

    def _is_eval_due(self) -> bool:
        return self._job.held_out is not None and self._is_due(self._options.eval_steps)

    def _log(self, learning_rate: float) -> str:
        """Write a training line; return it for the progress bar."""
        heads = self._job.heads
        rate = self._sums[SEQUENCES] / max(self._train_seconds, 1e-9)
        values = {
            **mean_metrics(heads, self._sums),
            "learning_rate": learning_rate,
            "sequences_per_second": round(rate, 1),
        }
        self._train_seconds = 0.0
        self._sums.clear()
        self._metrics.write("train", self._step, values, {})
        return describe_progress(heads, values)

    def _evaluate(self) -> float:
        """Write an evaluation line; return the loss on all held-out records."""
        job = self._job
        assert job.held_out is not None
        # A forward pass alone needs no more memory than a micro-batch of training.
        size = job.training.batch_size // job.training.gradient_accumulation
        batches = evaluation_batches(job.held_out, size, job.worker, job.num_workers)
        sums = self._trainer.evaluate(self._until_stopped(batches))
        metrics = mean_metrics(job.heads, sums)
        shown = describe_heads(job.heads, metrics)
        self._report(f"step {self._step:,}, held-out: loss {metrics['loss']:.3f}; {shown}")
        counts = {head.predictions: int(sums[head.count]) for head in job.heads}
        self._metrics.write("eval", self._step, metrics, {SEQUENCES: int(sums[SEQUENCES])} | counts)
        return metrics["loss"]

    def _until_stopped(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            # One of several workers must not leave the others waiting.
            if self._stop.is_wanted and self._job.num_workers == 1:
                raise _InterruptedError
            yield batch

    def _save(self, loss: float | None = None) -> None:
        if not self._job.is_chief:
            return
        self._metrics.sync()
        arrays = self._trainer.state()
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise diverged(self._step, f"{name} has values that are not finite")
        self._checkpoints.save(self._step, arrays, {"sums": self._sums}, loss)
