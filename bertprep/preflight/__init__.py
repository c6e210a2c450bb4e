"""Before the long work: a look at a sample of the corpus, what will come of it, what may be wrong.

    sample -> records of the sample -> estimate, findings -> a line, or a page

Errors are those of the run itself, since the same functions read, tokenize and build. Cost:
0.3 s for a large corpus; a small one is all sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bertprep.data import InputFile
from bertprep.preflight import page
from bertprep.preflight.estimate import Estimate, build_sample, estimate
from bertprep.preflight.findings import Finding, Review
from bertprep.preflight.sample import Sample, take_sample
from bertprep.stages import Job
from bertprep.vocab import Vocabulary


@dataclass(frozen=True, eq=False)
class Preflight:
    """What was foreseen of a run.

    Attributes:
        findings: what a person should know.
    """

    job: Job
    vocabulary: Vocabulary
    files: Sequence[InputFile]
    sample: Sample
    estimate: Estimate
    findings: list[Finding]
    _review: Review

    @property
    def said(self) -> set[str]:
        """Names of the findings."""
        return {finding.name for finding in self.findings}

    def short_line(self) -> str:
        """The line before a run."""
        return page.short_line(self.files, self.estimate, self.job)

    def full_page(self, output: str) -> str:
        """The page of `--dry-run`; `output` says what would become of the folder."""
        return page.full_page(
            self.job,
            self.vocabulary,
            self.files,
            self.sample,
            self.estimate,
            self._review,
            self.findings,
            output,
        )


def look_ahead(job: Job, vocabulary: Vocabulary, files: Sequence[InputFile]) -> Preflight:
    """Looks at a sample of the corpus.

    Args:
        job: as the run's; nothing is written to its folders. Its kernels are warm.

    Raises:
        BertprepError: as the run would, of text that the sample comes across.
    """
    sample = take_sample(job, files)
    built = build_sample(job, vocabulary, sample)
    review = Review(job, vocabulary, files, sample, built)
    findings = review.findings()
    foreseen = estimate(job, files, sample, built)
    return Preflight(job, vocabulary, files, sample, foreseen, findings, review)
