"""The review of a run: mistakes in the corpus, found before the work or in its results.

    review = Review(job)
    forecast = review.sample()      # before anything is written: an estimate, and findings
    review.counts(counts)           # after each stage

Each check reports once: what the sample showed is not evaluated again. A resumed run takes no
sample. Cost: 0.3 s for a large corpus; a small corpus is read whole.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from bertprep.create.job import Job
from bertprep.create.review.estimate import Estimate, SampleRecords, build_sample, estimate
from bertprep.create.review.findings import CHECKS, Check
from bertprep.create.review.report import forecast_line, forecast_page
from bertprep.create.review.sample import Sample, take_sample
from bertprep.create.review.text_problems import Evidence
from bertprep.create.worker import tools_of
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
        findings = find(self._pending.values(), Evidence(self._job, Counter(counts)))
        for name in findings:
            del self._pending[name]
        return list(findings.values())


def _forecast(job: Job, output: str) -> Forecast:
    sample = take_sample(job)
    records = build_sample(job, sample)
    evidence = Evidence(job, count_tokens(job, sample, records), sample)
    findings = find(CHECKS, evidence)
    expected = estimate(job, sample, records)
    return Forecast(
        line=forecast_line(job, expected),
        page=forecast_page(evidence, expected, findings, output) if output else "",
        findings=findings,
        estimate=expected,
        counts=sample.counts,
    )


def count_tokens(job: Job, sample: Sample, records: SampleRecords) -> Counter[str]:
    """Return the counts of a sample whose proportions are those of the corpus."""
    tokens = sample.documents.token_ids
    return Counter(
        {
            "documents": sample.counts["documents"],
            "one_sentence": sample.counts["one_sentence"],
            "tokens": len(tokens),
            "unknown_tokens": int(np.count_nonzero(tokens == tools_of(job).vocabulary.unk_id)),
            **records.counts,
        }
    )


def find(checks: Iterable[Check], evidence: Evidence) -> dict[str, str]:
    """Return the warnings of some checks by their names."""
    if evidence.sample and not evidence.sample.documents.num_documents:
        return {}
    warnings = {
        check.name: check.find(evidence, check.limit)
        for check in checks
        if evidence.sample or not check.needs_sample
    }
    return {name: warning for name, warning in warnings.items() if warning}
