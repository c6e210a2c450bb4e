"""Documents, as lists of sentences, stored in every format; and read back."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from bertprep.corpus import Block, find_formats, find_inputs, plan_splits, read_blocks
from bertprep.options import CorpusOptions

Documents = list[list[str]]

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


def as_text(documents: Documents) -> bytes:
    return "".join(f"{line}\n" for lines in documents for line in [*lines, ""]).encode()


def as_json_lines(documents: Documents) -> bytes:
    values = [{"id": k, "text": "\n".join(lines)} for k, lines in enumerate(documents)]
    return "".join(f"{json.dumps(value)}\n" for value in values).encode()


def as_json_lists(documents: Documents) -> bytes:
    values = [{"text": lines} for lines in documents]
    return "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values).encode()


def as_wiki_documents(documents: Documents) -> bytes:
    parts = []
    for k, lines in enumerate(documents):
        safe = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        header = f'<doc id="{k}" url="https://example.org/?curid={k}" title="A "title"">\n'
        parts.append(f'{header}A "title"\n\n{safe}\n\n</doc>\n')
    return "".join(parts).encode()


def as_wiki_json(documents: Documents) -> bytes:
    values = []
    for k, lines in enumerate(documents):
        safe = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        values.append({"id": str(k), "revid": "1", "url": "u", "title": "t", "text": safe})
    return "".join(f"{json.dumps(value)}\n" for value in values).encode()


def write_parquet(path: Path, column: Any, *, rows: int = 7, **columns: Any) -> Path:
    table = pa.table({"id": range(len(column)), "text": column, **columns})
    pq.write_table(table, path, row_group_size=rows)
    return path


#: Format -> how documents are stored in it; and the name of the file.
STORED: dict[str, tuple[str, Callable[[Documents], bytes]]] = {
    "text": ("a.txt", as_text),
    "jsonl": ("a.jsonl", as_json_lines),
    "jsonl, lists": ("a.json", as_json_lists),
    "wikiextractor": ("wiki_00", as_wiki_documents),
    "wikiextractor, json": ("wiki_00", as_wiki_json),
}


def read(
    path: Path | str,
    *,
    target: int = 1 << 40,
    block: int = 1 << 20,
    **options: Any,
) -> list[Block]:
    corpus = CorpusOptions(**options)
    nowhere = Path("nowhere")
    found = find_inputs([str(path)], vocab=nowhere / "v", output=nowhere, spool=nowhere / "s")
    files, _ = find_formats(found.files, corpus)
    splits = plan_splits(files, target, corpus)
    return [block_ for split in splits for block_ in read_blocks(split, corpus, block)]


def documents_of(blocks: Iterable[Block]) -> Documents:
    """The documents as the tokenizer sees them: stripped lines, none of them blank."""
    documents: Documents = []
    for block in blocks:
        lines: list[str] = []
        for line in [*bytes(block.data).replace(b"\r", b"").decode().split("\n"), ""]:
            if line.strip():
                lines.append(line.strip())
            elif lines:
                documents.append(lines)
                lines = []
    return documents
