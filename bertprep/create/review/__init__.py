"""The review of a run: mistakes in the corpus, found before the work or in its results.

    review = Review(job)
    forecast = review.sample()      # before anything is written: a sample, an estimate, findings
    review.text(text_counts)        # after tokenizing
    review.records(counts)          # after the records are written

Each check reports once: what the sample showed is not evaluated again. A resumed run takes no
sample. Cost: 0.3 s for a large corpus; a small corpus is read whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bertprep.create.job import Job
from bertprep.create.review.estimate import Estimate, build_sample, estimate
from bertprep.create.review.findings import CHECKS, Check, Evidence
from bertprep.create.review.report import forecast_line, forecast_page
from bertprep.create.review.sample import take_sample
from bertprep.create.review.text_problems import SampleText
from bertprep.create.review.vocabulary_fit import VocabularyFit
from bertprep.create.tokenizing import TextCounts
from bertprep.create.worker import tools_of
from bertprep.storage import run_in_subprocess


@dataclass(frozen=True)
class Forecast:
    """What a sample of the corpus leads to expect.

    Attributes:
        line: one line about corpus and records.
        page: all that is known, without the state of the output.
        findings: warnings by the name of their check.
        estimate: size and cost of the run.
        counts: counts of the sample's text.
    """

    line: str
    page: str
    findings: dict[str, str]
    estimate: Estimate
    counts: TextCounts


class Review:
    """Evaluates the checks of a run, each until it has reported something."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pending: list[Check] = list(CHECKS)

    def sample(self, output: str = "") -> Forecast:
        """Review a sample of the corpus. The kernels are warm, and nothing is written.

        Args:
            output: state of the output, for the page.

        Raises:
            BertprepError: text of the sample is invalid.
        """
        if any(file.remote for file in self._job.files):
            # A store is asked by a process of its own, since workers will be forked from this one.
            forecast = run_in_subprocess(_forecast, self._job, output)
        else:
            forecast = _forecast(self._job, output)
        self._pending = [check for check in self._pending if check.name not in forecast.findings]
        return forecast

    def text(self, counts: TextCounts) -> list[str]:
        """Review the tokenized text; return the new warnings."""
        return self._warnings(
            {c: c.text(self._job, counts, c.limit) for c in self._pending if c.text}
        )

    def records(self, counts: Mapping[str, int]) -> list[str]:
        """Review the manifest's counts; return the new warnings."""
        return self._warnings(
            {c: c.records(self._job, counts, c.limit) for c in self._pending if c.records}
        )

    def _warnings(self, results: Mapping[Check, str | None]) -> list[str]:
        self._pending = [check for check in self._pending if not results.get(check)]
        return [warning for warning in results.values() if warning]


def _forecast(job: Job, output: str) -> Forecast:
    evidence = gather_evidence(job)
    findings = find_in_sample(evidence)
    expected = estimate(job, evidence.sample, evidence.records)
    return Forecast(
        line=forecast_line(job, expected),
        page=forecast_page(evidence, expected, findings, output) if output else "",
        findings=findings,
        estimate=expected,
        counts=evidence.sample.counts,
    )


def gather_evidence(job: Job) -> Evidence:
    """Take a sample of the corpus and build its records."""
    sample = take_sample(job)
    text = SampleText(sample)
    fit = VocabularyFit(sample, text, tools_of(job).vocabulary, job.options.tokenizer)
    return Evidence(job, sample, build_sample(job, sample), text, fit)


def find_in_sample(evidence: Evidence) -> dict[str, str]:
    """Return the warnings about a sample by the name of their check."""
    if not evidence.sample.documents.num_documents:
        return {}
    results = {c.name: c.sample(evidence, c.limit) for c in CHECKS if c.sample}
    return {name: warning for name, warning in results.items() if warning}
