"""Before the long work: a look at a sample of the corpus, what will come of it, what may be wrong.

    sample -> records of the sample -> estimate, findings -> a line, or a page

Errors are those of the run itself, since the same functions read, tokenize and build. Cost:
0.3 s for a large corpus; a small one is all sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bertprep.create.job import Job
from bertprep.create.review.checks import Finding, Review
from bertprep.create.review.estimate import build_sample, estimate
from bertprep.create.review.page import full_page, short_line
from bertprep.create.review.sample import take_sample
from bertprep.create.tokenizing import TextCounts
from bertprep.data import InputFile
from bertprep.storage import run_in_subprocess


@dataclass(frozen=True)
class Preflight:
    """What was foreseen of a run.

    Attributes:
        line: before a run.
        page: of `--dry-run`; empty where it was not asked for.
        findings: what a person should know.
        is_whole: the sample was all of the corpus, and `counts` are those of the run.
        counts: what was counted in the sample.
        disk_bytes: the most that will be there at a time: shards, and tokens between the stages.
        blob_bytes: of the tokens between the stages.
    """

    line: str
    page: str
    findings: list[Finding]
    is_whole: bool
    counts: TextCounts
    disk_bytes: float
    blob_bytes: float

    @property
    def said(self) -> set[str]:
        """Names of the findings."""
        return {finding.name for finding in self.findings}


def look_ahead(job: Job, files: Sequence[InputFile], prospect: str = "") -> Preflight:
    """Looks at a sample of the corpus.

    Args:
        job: as the run's; nothing is written to its folders. Its kernels are warm.
        prospect: what would become of the output, for the page.

    Raises:
        BertprepError: as the run would, of text that the sample comes across.
    """
    if any(file.remote for file in files):
        # In a process of its own, since workers will be forked from this one.
        return run_in_subprocess(_look, job, files, prospect)
    return _look(job, files, prospect)


def _look(job: Job, files: Sequence[InputFile], prospect: str) -> Preflight:
    sample = take_sample(job, files)
    built = build_sample(job, sample)
    review = Review(job, files, sample, built)
    findings = review.findings()
    foreseen = estimate(job, files, sample, built)
    page = full_page(job, files, sample, foreseen, review, findings, prospect) if prospect else ""
    return Preflight(
        line=short_line(files, foreseen, job),
        page=page,
        findings=findings,
        is_whole=sample.is_whole,
        counts=sample.counts,
        disk_bytes=foreseen.disk_bytes,
        blob_bytes=foreseen.blob_bytes,
    )
