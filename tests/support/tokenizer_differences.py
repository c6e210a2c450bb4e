"""Code points whose words differ between BasicTokenizer and the exported tokenizer of transformers.

    python tests/support/tokenizer_differences.py
        writes tests/goldens/tokenizer_differences.json; needs the extra `interop`

Each code point is tokenized between two letters, `a?b`, under each mode. The golden holds the
ranges that differ, and a digest of the words of all others, by transformers.
"""

import hashlib
import json
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from bertprep.options import TokenizerOptions
from bertprep.tokenization import BasicTokenizer
from bertprep.tokenization.hugging_face import write_tokenizer
from bertprep.vocab import Vocabulary

GOLDEN = Path(__file__).parents[1] / "goldens" / "tokenizer_differences.json"
#: --lowercase, --strip-accents, --tokenize-chinese-chars.
MODES = ((True, True, True), (False, False, True), (True, False, True), (True, True, False))

Words = Callable[[str], list[str]]


def name_of(mode: tuple[bool, bool, bool]) -> str:
    return "-".join(map(str, mode))


def texts() -> Iterator[tuple[int, str]]:
    """Yields every code point that is a character for this Python, and its text."""
    for point in range(0x110000):
        if unicodedata.category(chr(point)) not in ("Cn", "Cs", "Co"):
            yield point, f"a{chr(point)}b"


def our_words(mode: tuple[bool, bool, bool]) -> Words:
    return BasicTokenizer.of(TokenizerOptions(*mode)).tokenize


def their_words(mode: tuple[bool, bool, bool]) -> Words:
    import transformers

    vocabulary = Vocabulary.load(Path(__file__).parents[2] / "sample_corpus" / "vocab.txt")
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(Path(folder), vocabulary, TokenizerOptions(*mode), 128)
        (Path(folder) / "config.json").write_text('{"model_type": "bert"}')
        steps = transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer

    def words(text: str) -> list[str]:
        normalized = steps.normalizer.normalize_str(text)
        return [word for word, _ in steps.pre_tokenizer.pre_tokenize_str(normalized)]

    return words


def digest(words: Words, left_out: list[list[int]]) -> str:
    """Returns the SHA-256 of the words of all texts but those of some ranges."""
    skipped = {point for first, last in left_out for point in range(first, last + 1)}
    state = hashlib.sha256()
    for point, text in texts():
        if point not in skipped:
            state.update(f"{point:X} {' '.join(words(text))}\n".encode())
    return state.hexdigest()


def differing(ours: Words, theirs: Words) -> list[list[int]]:
    """Returns the ranges of code points whose words differ, both ends included."""
    ranges: list[list[int]] = []
    for point, text in texts():
        if ours(text) != theirs(text):
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return ranges


def main() -> None:
    golden: dict[str, object] = {"unicode": unicodedata.unidata_version}
    for mode in MODES:
        theirs = their_words(mode)
        ranges = differing(our_words(mode), theirs)
        golden[name_of(mode)] = {"ranges": ranges, "sha256": digest(theirs, ranges)}
    GOLDEN.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
