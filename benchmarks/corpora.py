"""Environment variables -> settings and texts: what the benchmarks run on.

Without a corpus of the caller's own the sample corpus stands in, so that every section runs on a
fresh machine; its figures are not the published ones.
"""

import gzip
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "sample_corpus"
SAMPLE_VOCAB = SAMPLE / "vocab.txt"

#: The size that the goals speak of.
GOAL_BYTES = 400_000_000
#: The sample is as small as a page; timed on its own it would show the cost of a call.
_SAMPLE_BYTES = 2_000_000


class SettingError(Exception):
    """A variable that cannot be meant; the message is the one line to show."""


@dataclass(frozen=True)
class Text:
    """A text to measure with.

    Attributes:
        data: UTF-8, one sentence a line, an empty line after each document, the last one too.
        vocab: the vocabulary that fits it.
        is_sample: it is the project's own small sample.
    """

    name: str
    data: bytes
    vocab: Path
    is_sample: bool

    @property
    def documents(self) -> list[bytes]:
        """The documents, without the empty lines between them."""
        return [part.strip(b"\n") for part in self.data.split(b"\n\n") if part.strip()]


@dataclass(frozen=True)
class Settings:
    """What the caller gave.

    Attributes:
        reference: a checkout of google-research/bert, or None.
        english, chinese: the texts.
        bytes: size of the large English text; a tenth of it is the small one.
        reference_bytes: size of the text that the reference gets, and half of the second one.
        output: where the folder for texts and records is made, and removed at the end; None is
            the system's temporary folder.
        repeat: runs of each thing; medians are shown.
    """

    reference: Path | None
    english: Text
    chinese: Text
    bytes: int
    reference_bytes: int
    output: Path | None
    repeat: int

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads the variables; an empty one is one that is not given."""
        given = {name: value for name, value in environment.items() if value}
        reference = _path(given, "REFERENCE")
        if reference and not (reference / "create_pretraining_data.py").is_file():
            raise SettingError(f"REFERENCE={reference}: no create_pretraining_data.py there")
        return cls(
            reference=reference,
            english=_text("English", given, "BENCH_CORPUS", "BENCH_VOCAB", "english-*.txt"),
            chinese=_text("Chinese", given, "BENCH_CHINESE", "BENCH_CHINESE_VOCAB", "chinese.txt"),
            bytes=_number(given, "BENCH_BYTES", GOAL_BYTES),
            reference_bytes=_number(given, "BENCH_REFERENCE_BYTES", 4_000_000),
            output=_path(given, "BENCH_OUTPUT"),
            repeat=_number(given, "BENCH_REPEAT", 3),
        )


def _path(given: Mapping[str, str], name: str) -> Path | None:
    if name not in given:
        return None
    path = Path(given[name]).expanduser()
    if not path.exists():
        raise SettingError(f"{name}={path}: no such file or folder")
    return path


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    value = given.get(name, str(default)).replace("_", "")
    if not value.isdecimal() or not int(value):
        raise SettingError(f"{name}={value}: must be a whole number of 1 or more")
    return int(value)


def _text(name: str, given: Mapping[str, str], corpus: str, vocab: str, sample: str) -> Text:
    path, vocab_path = _path(given, corpus), _path(given, vocab)
    if path:
        if vocab_path is None:
            raise SettingError(f"{corpus}={path} needs {vocab}=, the vocabulary that fits it")
        return Text(name, _read(path), vocab_path, is_sample=False)
    once = b"".join(_read(path) for path in sorted(SAMPLE.glob(sample)))
    return Text(name, once * -(-_SAMPLE_BYTES // len(once)), vocab_path or SAMPLE_VOCAB, True)


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return data.replace(b"\r", b"").strip(b"\n") + b"\n\n"


def first_bytes(data: bytes, size: int) -> bytes:
    """Whole documents from the start of a text: `size` bytes or less, but one document at least."""
    if size >= len(data):
        return data
    end = data.rfind(b"\n\n", 0, size) + 2
    return data[: end if end > 1 else data.index(b"\n\n") + 2]


def write_repeated(path: Path, text: Text, size: int) -> int:
    """Writes the documents again and again, in another order each time, up to `size` bytes.

    Returns:
        The bytes written: `size`, and the rest of the last document.
    """
    documents = text.documents
    rng = random.Random(12345)
    written = 0
    with open(path, "wb") as file:
        while written < size:
            rng.shuffle(documents)
            for document in documents:
                written += file.write(document + b"\n\n")
                if written >= size:
                    break
    return written


def environment_with_root() -> dict[str, str]:
    """The variables of this process, with the checkout where children look for modules."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
