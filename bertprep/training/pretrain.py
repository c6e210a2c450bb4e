"""`bertprep pretrain`, step by step.

    options -> job: data, model and options, checked -> folder: new, resumed or refused
    -> TensorFlow -> run: initial, pretrained or saved weights, then steps -> curves -> result

Cost: the checks take a second, TensorFlow three, the first step of a model some more; 12 bytes per
parameter for weights and optimizer, and the activations of a batch.
"""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from bertprep.model.saved_run import (
    CHECKPOINTS_NAME,
    CURVES_NAME,
    METRICS_NAME,
    RUN_LAYOUT,
    Checkpoints,
)
from bertprep.options import PretrainOptions
from bertprep.storage.planned_folder import PlannedFolder
from bertprep.terminal import message, table
from bertprep.training.job import PretrainJob, make_pretrain_job
from bertprep.training.metrics import Row, describe_heads, read_rows
from bertprep.training.process import load_tensorflow, lost_workers_reported


@dataclass(frozen=True)
class PretrainResult:
    """Result of a training run.

    Attributes:
        job: the run.
        last: last line of metrics.jsonl of each split, by its name.
        was_complete: the run was complete before this command.
        seconds: wall-clock time of this command.
    """

    job: PretrainJob
    last: Mapping[str, Row]
    was_complete: bool
    seconds: float

    def text(self) -> str:
        """Return the summary for the terminal."""
        output, suffix = self.job.options.output, ", already complete" if self.was_complete else ""
        rows = [("steps", f"{self.job.training.steps:,}{suffix}")]
        for split, name in (("train", "training"), ("eval", "held-out"), ("baseline", "baseline")):
            if split in self.last:
                row = self.last[split]
                # The baseline has no total: blanks align its heads with the lines above.
                total = f"loss {row['loss']:.3f}; " if "loss" in row else " " * 12
                rows.append((name, total + describe_heads(self.job.heads, row)))
        for name in (CHECKPOINTS_NAME, METRICS_NAME, CURVES_NAME):
            if (output / name).exists():
                rows.append((name.partition(".")[0], str(output / name)))
        return "\n".join(table([*rows, ("time", f"{self.seconds:,.1f} s")]))


def pretrain(options: PretrainOptions) -> PretrainResult:
    """Train a model, or resume a run.

    Raises:
        BertprepError: with one line that says what to do.
    """
    begin = time.monotonic()
    job = make_pretrain_job(options)
    folder = PlannedFolder(options.output, RUN_LAYOUT)
    metrics_path = options.output / METRICS_NAME
    run = None
    with folder if job.is_chief else nullcontext():
        start = _find_start(job, folder)
        was_complete = start == job.training.steps and _is_evaluated(job)
        if not was_complete:
            load_tensorflow()
            from bertprep.training.run import TrainingRun

            with lost_workers_reported():
                run = TrainingRun(job, folder, start)
                run.finish()
        if options.plot and job.is_chief:
            from bertprep.training.curves import draw_curves

            draw_curves(job.heads, read_rows(metrics_path), options.output / CURVES_NAME)
        if run:
            run.exit_together()
        return PretrainResult(
            job=job,
            last={row["split"]: row for row in read_rows(metrics_path)},
            was_complete=was_complete,
            seconds=time.monotonic() - begin,
        )


def _is_evaluated(job: PretrainJob) -> bool:
    """Whether the last weights are evaluated on the held-out records, if there are any."""
    rows = read_rows(job.options.output / METRICS_NAME)
    evaluated = (row["step"] for row in rows if row["split"] == "eval")
    return job.held_out is None or job.training.steps in evaluated


def _find_start(job: PretrainJob, folder: PlannedFolder) -> int:
    """Return the step to resume from; 0 where nothing is saved."""
    options = job.options
    # Other workers read the folder that the chief has accepted.
    is_begun = (
        not job.is_chief or folder.foresee(job.plan, overwrite=options.overwrite) == "resumed"
    )
    latest = Checkpoints(options.output / CHECKPOINTS_NAME).latest() if is_begun else None
    start = latest or 0
    if 0 < start < job.training.steps and not job.is_quiet:
        message(f"{options.output}: resuming at step {start:,} of {job.training.steps:,}")
    if job.held_out is None and not job.is_quiet:
        message(
            "Note: no held-out records, so only the training loss is measured: "
            "`bertprep create --eval-fraction 0.01` holds some out"
        )
    return start
