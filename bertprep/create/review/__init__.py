"""The review of a run: mistakes in the corpus, found before the work or in its results.

    review = Review(job)
    forecast = review.sample()      # before anything is written: an estimate, and findings
    review.counts(counts)           # after each stage

Each check reports once: what the sample showed is not evaluated again. A resumed run takes no
sample. Cost: 0.3 s for a large corpus; a small corpus is read whole.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bertprep.create.job import Job
from bertprep.create.review.estimate import Estimate, build_sample, estimate
from bertprep.create.review.findings import CHECKS
from bertprep.create.review.report import forecast_line, forecast_page
from bertprep.create.review.sample import take_sample
from bertprep.create.review.text_problems import Evidence
from bertprep.storage import run_in_subprocess


@dataclass(frozen=True)
class Forecast:
    """What a sample of the corpus leads to expect.

    Attributes:
        line: one line about corpus and records.
        page: the page of `--dry-run`; empty if it was not requested.
        findings: warnings by the name of their check.
        estimate: size and cost of the run.
        counts: counts of the sample's text.
    """

    line: str
    page: str
    findings: dict[str, str]
    estimate: Estimate
    counts: Counter[str]


class Review:
    """Evaluates the checks of a run, each until it has reported something."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pending = {check.name: check for check in CHECKS}

    def sample(self, output: str = "") -> Forecast:
        """Review a sample of the corpus. Kernels must be warm; nothing is written.

        Args:
            output: state of the output; requests the page.

        Raises:
            BertprepError: text of the sample is invalid.
        """
        if any(file.remote for file in self._job.files):
            # A store is asked by a process of its own, since workers will be forked from this one.
            forecast = run_in_subprocess(_forecast, self._job, output)
        else:
            forecast = _forecast(self._job, output)
        for name in forecast.findings:
            del self._pending[name]
        return forecast

    def counts(self, counts: Mapping[str, int]) -> list[str]:
        """Review the counts of the text or of the records; return the new warnings."""
        known = Counter(counts)  # 0 for what was not counted
        warnings = []
        for name, check in list(self._pending.items()):
            warning = check.counts(self._job, known, check.limit) if check.counts else None
            if warning:
                warnings.append(warning)
                del self._pending[name]
        return warnings


def _forecast(job: Job, output: str) -> Forecast:
    sample = take_sample(job)
    evidence = Evidence(job, sample, build_sample(job, sample))
    findings = find_in_sample(evidence)
    expected = estimate(job, sample, evidence.records)
    return Forecast(
        line=forecast_line(job, expected),
        page=forecast_page(evidence, expected, findings, output) if output else "",
        findings=findings,
        estimate=expected,
        counts=sample.counts,
    )


def find_in_sample(evidence: Evidence) -> dict[str, str]:
    """Return the warnings about a sample by the name of their check."""
    if not evidence.sample.documents.num_documents:
        return {}
    results = {c.name: c.sample(evidence, c.limit) for c in CHECKS if c.sample}
    return {name: warning for name, warning in results.items() if warning}
