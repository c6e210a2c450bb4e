"""A sample and its evidence -> what a person should know before weeks of work: one line each.

A finding has a name, so that what was said here is not said again of the finished records. Each
says what was found, with a place in the text, and what to type. Limits are such that good text,
whatever its language, has none of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bertprep.create.job import Job
from bertprep.create.review.estimate import Built
from bertprep.create.review.sample import Sample, SampledBlock
from bertprep.create.review.text_problems import Evidence, Trace
from bertprep.create.review.vocabulary_fit import Fit
from bertprep.data import InputFile, TokenizedDocuments
from bertprep.terminal import in_bytes, printable

#: Shares of documents, lines or tokens from which on something is said.
_MANY_ONE_SENTENCE = 0.8
_MANY_ONE_TOKEN = 0.3
_MANY_LONG = 0.05
_MANY_CUT = 0.25
_MANY_MARKUP_LINES = 0.01
_MANY_REPLACED_LINES = 0.001
#: Characters for one that was misread; accents, quotes and dashes are more frequent.
_CHARACTERS_A_MISREAD = 20_000
#: Fewer examples than this may be chance, or a text about just that.
_FEW = 3
#: So few documents draw too many of their random next sentences from themselves.
_FEW_DOCUMENTS = 10
_LONG_DOCUMENT_BYTES = 100_000


@dataclass(frozen=True)
class Finding:
    """Something that may be meant, and costs days when it is not."""

    name: str
    text: str


class Review:
    """Looks at a sample for all that there is a finding for.

    Args:
        files: of the corpus.
        built: the sample's records.

    Attributes:
        fit: of the vocabulary to the text.
    """

    def __init__(
        self,
        job: Job,
        files: Sequence[InputFile],
        sample: Sample,
        built: Built,
    ) -> None:
        self._options = job.options
        self._files = files
        self._sample = sample
        self._built = built
        self._evidence = Evidence(sample)
        self.fit = Fit(job.options, job.vocabulary, sample, self._evidence)

    @property
    def _documents(self) -> TokenizedDocuments:
        return self._sample.documents

    def findings(self) -> list[Finding]:
        """What is wrong with the text first, since the rest may follow from it."""
        if not self._documents.num_documents:
            return []
        looks: dict[str, Callable[[], str | None]] = {
            "misread": self._misread,
            "replaced": self._replaced,
            "markup": self._markup,
            "giant_document": self._giant_document,
            "single_document": self._few_documents,
            "one_sentence": self._one_sentence,
            "one_token": self._one_token,
            "cut": self._cut,
            "casing": self.fit.casing,
            "accents": self.fit.accents,
            "unknown": self.fit.many_unknown,
        }
        said = [(name, look()) for name, look in looks.items()]
        return [Finding(name, text) for name, text in said if text]

    # What was read.

    def _misread(self) -> str | None:
        trace = self._evidence.misread()
        if trace is None or trace.count < _FEW:
            return None
        if trace.count * _CHARACTERS_A_MISREAD < self._evidence.num_characters:
            return None
        return (
            f"{self._found(trace)}: UTF-8 that was read as Windows-1252 or Latin-1 and saved "
            "again. Undo it: iconv -f UTF-8 -t CP1252 (or LATIN1) FILE > FILE.utf8"
        )

    def _replaced(self) -> str | None:
        trace = self._evidence.replaced()
        if trace is None or self._rare(trace, _MANY_REPLACED_LINES):
            return None
        return (
            f"{self._found(trace)}: it stands for letters that were "
            "lost when the text was decoded. Convert it again from what it was: "
            "iconv -f ITS-ENCODING -t UTF-8"
        )

    def _markup(self) -> str | None:
        trace = self._evidence.markup()
        if trace is None or self._rare(trace, _MANY_MARKUP_LINES):
            return None
        return (
            f"{self._found(trace)}: tags and entities of HTML become tokens as any text. Take them "
            "out first"
        )

    def _rare(self, trace: Trace, share: float) -> bool:
        return trace.count < _FEW or trace.lines < share * self._evidence.num_lines

    def _found(self, trace: Trace) -> str:
        share = trace.lines / max(1, self._evidence.num_lines)
        shown = "U+FFFD" if trace.example == "\ufffd" else f'"{printable(trace.example)}"'
        return f"{trace.where} has {shown}, as {share:.1%} of the lines do"

    # Documents and sentences.

    def _giant_document(self) -> str | None:
        sampled = max(self._sample.blocks, key=lambda sampled: sampled.num_bytes)
        if sampled.large_document is None:
            return None
        line, size = sampled.large_document
        return (
            f"{sampled.where(line)}: the document that starts here has {in_bytes(size)}, so that "
            "most random next sentences of its partition come from it too. Are the empty lines "
            "between documents missing? Put them in"
        )

    def _few_documents(self) -> str | None:
        blocks = self._sample.blocks
        if any(sampled.large_document for sampled in blocks):
            return None  # That says it all.
        if self._sample.is_whole and self._documents.num_documents == 1:
            files = 1
        elif all(map(_is_file, blocks)):
            files = sum(file.size > 0 for file in self._files)
        else:
            return None
        if files == 1:
            return (
                "the corpus is a single document, so every random next sentence comes from it "
                "too: put an empty line between documents"
            )
        large = sum(sampled.num_bytes for sampled in blocks) > _LONG_DOCUMENT_BYTES * len(blocks)
        if files >= _FEW_DOCUMENTS or not large:
            return None
        return (
            f"there is no empty line in the text, so that each of its {files} files is one "
            f"document ({blocks[0].block.file.path} with {in_bytes(blocks[0].num_bytes)} for one): "
            "put an empty line between documents"
        )

    def _one_sentence(self) -> str | None:
        counts = np.diff(self._documents.document_offsets)
        share = np.count_nonzero(counts == 1) / len(counts)
        if len(counts) == 1 or share < _MANY_ONE_SENTENCE:
            return None
        which = (
            "every document has" if share == 1 else f"{min(share, 0.99):.0%} of the documents have"
        )
        alone = "no instance has" if share == 1 else "their instances never have"
        sampled, sentence = self._first_sentence_alone()
        return (
            f"{which} one sentence{self._where(sampled, sentence, ' (', ' for one)')}, so {alone} "
            "a true next sentence: an empty line belongs between documents, not between sentences"
        )

    def _first_sentence_alone(self) -> tuple[SampledBlock, int]:
        for sampled in self._sample.blocks:
            alone = np.flatnonzero(np.diff(sampled.documents.document_offsets) == 1)
            if len(alone):
                return sampled, int(sampled.documents.document_offsets[alone[0]])
        raise AssertionError("they were counted")

    def _one_token(self) -> str | None:
        sizes = np.diff(self._documents.sentence_offsets)
        share = np.count_nonzero(sizes == 1) / len(sizes)
        if share < _MANY_ONE_TOKEN or len(sizes) < 10:
            return None
        sampled, sentence = self._first_sentence(1)
        return (
            f"{share:.0%} of the lines are one token"
            f"{self._where(sampled, sentence, ' (', ' for one)')}: a line is a sentence here. If "
            "the words stand one a line, join those of a sentence"
        )

    def _cut(self) -> str | None:
        sizes = np.diff(self._documents.sentence_offsets)
        limit = self._options.instances.max_seq_length - 3
        long_share, cut = np.count_nonzero(sizes > limit) / len(sizes), self._built.share_cut
        if long_share < _MANY_LONG and cut < _MANY_CUT:
            return None
        sampled, sentence = self.longest_sentence()
        longest = f"{sizes.max():,} tokens{self._where(sampled, sentence, ', ', '')}"
        lines = (
            f"{long_share:.0%} of the lines are longer than the {limit} tokens that an instance "
            f"has room for (the longest: {longest}), and "
            if long_share >= 0.005
            else ""
        )
        return (
            f"{lines}{cut:.0%} of the tokens will be cut away "
            "to fit --max-seq-length: are the lines sentences, and not whole paragraphs? "
            "--split-sentences splits those"
        )

    def longest_sentence(self) -> tuple[SampledBlock, int]:
        """The block that it is in, and its number there."""
        return self._first_sentence(int(np.diff(self._documents.sentence_offsets).max()))

    def _first_sentence(self, num_tokens: int) -> tuple[SampledBlock, int]:
        """The first sentence of that many tokens, as its block and its number there."""
        for sampled in self._sample.blocks:
            fitting = np.flatnonzero(np.diff(sampled.documents.sentence_offsets) == num_tokens)
            if len(fitting):
                return sampled, int(fitting[0])
        raise AssertionError("they were counted")

    def _where(self, sampled: SampledBlock, sentence: int, before: str, after: str) -> str:
        if not len(sampled.sentence_lines):
            return ""
        return f"{before}{sampled.where(int(sampled.sentence_lines[sentence]))}{after}"


def _is_file(sampled: SampledBlock) -> bool:
    """A block that is a document and a file at once."""
    file, documents = sampled.block.file, sampled.documents.num_documents
    is_plain_text = file.format == "text" and file.compression == "none"
    return documents == 1 and is_plain_text and sampled.num_bytes == file.size
