"""`bertprep pretrain`: the one place that knows the order.

    options -> job: data, model and flags, checked -> folder: new, gone on with, or refused
    -> TensorFlow -> weights: drawn, from elsewhere, or of the last checkpoint -> steps -> curves

Cost: the checks take a second, TensorFlow three, the first step of a model some more; then 12
bytes a parameter for weights and averages, and what a batch needs.
"""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from bertprep.model.checkpoints import Checkpoints
from bertprep.model.run_layout import CHECKPOINTS_NAME, CURVES_NAME, METRICS_NAME
from bertprep.options import PretrainOptions
from bertprep.terminal import message
from bertprep.training.job import Job, make_job
from bertprep.training.metrics import Row, read_rows
from bertprep.training.run_folder import RunFolder
from bertprep.training.startup import load_tensorflow, lost_workers_reported


@dataclass(frozen=True)
class Trained:
    """What a run has come to.

    Attributes:
        output: its folder.
        steps: updates of the weights, all told.
        last: the last line of metrics.jsonl of each split, by its name.
        is_old: everything was done before this command was given.
        is_chief: of several workers, the one that speaks for all.
        seconds: that this command took.
    """

    output: Path
    steps: int
    last: Mapping[str, Row]
    is_old: bool
    is_chief: bool
    seconds: float

    def text(self) -> str:
        """What a person reads of it."""
        rows = [("steps", f"{self.steps:,}" + (", all done before" if self.is_old else ""))]
        for split, name in (("train", "training"), ("eval", "held out")):
            if split in self.last:
                rows.append((name, _measured(self.last[split])))
        if "baseline" in self.last:
            row = self.last["baseline"]
            rows.append(("no context", f"{'':11} {_heads(row)}"))
        rows.append(("checkpoints", str(self.output / CHECKPOINTS_NAME)))
        rows.append(("metrics", str(self.output / METRICS_NAME)))
        if (self.output / CURVES_NAME).exists():
            rows.append(("curves", str(self.output / CURVES_NAME)))
        rows.append(("time", f"{self.seconds:,.1f} s"))
        return "\n".join(f"{name:11}  {value}" for name, value in rows)


def _measured(row: Row) -> str:
    return f"loss {row['loss']:.3f}; {_heads(row)}"


def _heads(row: Row) -> str:
    return (
        f"MLM {row['mlm_loss']:.3f}, {row['mlm_accuracy']:.1%} right; "
        f"NSP {row['nsp_loss']:.3f}, {row['nsp_accuracy']:.1%} right"
    )


def pretrain(options: PretrainOptions) -> Trained:
    """Trains a model, or goes on with a run that was begun.

    Raises:
        BertprepError: with one line that says what to do.
    """
    begin = time.monotonic()
    job = make_job(options)
    folder = RunFolder(options.output)
    run = None
    with folder if job.is_chief else nullcontext():
        start = _begin(job, folder)
        is_old = start == job.training.steps and _is_measured(job)
        if not is_old:
            load_tensorflow()
            from bertprep.training.run import Run

            with lost_workers_reported():
                run = Run(job, folder, start)
                run.finish()
        path = options.output / METRICS_NAME
        if options.plot and job.is_chief:
            from bertprep.training.curves import draw_curves

            draw_curves(read_rows(path), options.output / CURVES_NAME)
        if run:
            run.exit_together()
        last = {row["split"]: row for row in read_rows(path)}
        seconds = time.monotonic() - begin
        return Trained(options.output, job.training.steps, last, is_old, job.is_chief, seconds)


def _is_measured(job: Job) -> bool:
    """The last weights have been tried on the held-out records, if there are any."""
    rows = read_rows(job.options.output / METRICS_NAME)
    ends = (row["step"] for row in rows if row["split"] == "eval")
    return job.held_out is None or job.training.steps in ends


def _begin(job: Job, folder: RunFolder) -> int:
    """The step to go on from; 0 where nothing has been saved."""
    options = job.options
    # The other workers only read: of what the first one has found to be this run.
    begun = not job.is_chief or folder.begin(job.plan, job.vocabulary, overwrite=options.overwrite)
    start = Checkpoints(folder.path / CHECKPOINTS_NAME).latest() if begun else None
    start = start or 0
    if 0 < start < job.training.steps and not job.is_quiet:
        message(f"{options.output}: going on from step {start:,} of {job.training.steps:,}")
    if not job.is_quiet:
        for note in job.notes:
            message(f"Note: {note}")
    return start
