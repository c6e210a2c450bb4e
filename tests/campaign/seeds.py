"""Good files of every kind, small, from which the tries are made.

seeds = Seeds(folder)
seeds.files["jsonl"]        # bytes of a corpus
seeds.vocabulary            # a path
"""

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import zstandard

from bertprep.vocab import Vocabulary

SAMPLE = Path(__file__).parents[2] / "sample_corpus"

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


class Seeds:
    """Files to mutate.

    Attributes:
        folder: for what a kind makes once.
        vocabulary: the vocabulary of the sample corpus.
        documents: some of its documents, in all its languages.
        files: corpora by their suffix.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vocabulary = SAMPLE / "vocab.txt"
        self.tokens = Vocabulary.load(self.vocabulary).tokens
        self.documents: list[list[str]] = []
        for path in sorted(SAMPLE.glob("*.txt")):
            if path != self.vocabulary:
                texts = path.read_text("utf-8").split("\n\n")[:8]
                self.documents += [text.strip().split("\n") for text in texts if text.strip()]
        self.files = self._corpora()

    def _corpora(self) -> dict[str, bytes]:
        text = "\n\n".join("\n".join(lines) for lines in self.documents) + "\n"
        rows = [{"id": n, "text": "\n".join(d)} for n, d in enumerate(self.documents)]
        articles = "".join(
            f'<doc id="{n}" url="https://x.org/wiki?curid={n}" title="T{n}">\nT{n}\n\n'
            + "\n".join(lines)
            + "\n</doc>\n"
            for n, lines in enumerate(self.documents)
        )
        paragraphs = "\n\n".join(" ".join(lines) for lines in self.documents) + "\n"
        return {
            ".txt": text.encode(),
            ".jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(),
            ".json": json.dumps(rows).encode(),
            ".parquet": self._parquet(),
            ".wiki": articles.encode(),
            ".paragraphs": paragraphs.encode(),
            ".tar": _tar(text.encode()),
            ".zip": _zip(text.encode()),
        }

    def _parquet(self) -> bytes:
        """Written in a fork: a library that has threads must not have started them here."""
        path = self.folder / "seed.parquet"
        number = os.fork()
        if number == 0:
            import pyarrow as pa
            import pyarrow.parquet as pq

            texts = ["\n".join(document) for document in self.documents]
            table = pa.table({"id": range(len(texts)), "text": texts})
            pq.write_table(table, path, row_group_size=7)
            os._exit(0)
        os.waitpid(number, 0)
        return path.read_bytes()

    def some_documents(self, rng: Random, most: int = 8) -> list[list[str]]:
        """Parts of some documents, drawn anew."""
        chosen = rng.choices(self.documents, k=rng.randint(1, most))
        return [lines[: rng.randint(1, 12)] for lines in chosen]


def _tar(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("corpus.txt")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("corpus.txt", data)
    return buffer.getvalue()
