"""The libraries that cut unspaced text into words: their names, and whether they are there.

Nothing is loaded here; `tokenization.segmenters` calls them.
"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from bertprep.errors import UsageError


@dataclass(frozen=True)
class SegmenterFacts:
    """What is known of a segmenter without loading it.

    Attributes:
        language: of its words.
        packages: the words follow from these.
        extra: what installs them.
    """

    language: str
    packages: tuple[str, ...]
    extra: str


SEGMENTERS = {
    "rjieba": SegmenterFacts("Chinese", ("rjieba",), "words"),
    "sudachipy": SegmenterFacts("Japanese", ("sudachipy", "sudachidict-core"), "words-ja"),
}


def segmenter_versions(name: str) -> dict[str, str]:
    """The version of each package that a segmenter's words follow from.

    Raises:
        UsageError: one of them is not installed.
    """
    facts = SEGMENTERS[name]
    try:
        return {package: version(package) for package in facts.packages}
    except PackageNotFoundError as error:
        raise UsageError(
            f"--word-segmenter {name}: {error.name} is not installed: "
            f"pip install 'bertprep[{facts.extra}]'"
        ) from None
