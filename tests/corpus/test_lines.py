"""With --rows lines a row is a line, and an empty row ends a document."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import documents_of, read, write_parquet

from bertprep.errors import BertprepError, UsageError

ROWS = st.lists(st.sampled_from(["", " \n", "a", "b c.", "d\ne", "f\n\ng\n", " h \n"]), max_size=20)


def as_text(rows: list[str]) -> list[list[str]]:
    """The documents of a text file with these rows as lines."""
    documents: list[list[str]] = [[]]
    for row in rows:
        lines = [line.strip() for line in row.split("\n") if line.strip()]
        if lines:
            documents[-1] += lines
        else:
            documents.append([])
    return [lines for lines in documents if lines]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, block=st.integers(1, 40), target=st.integers(50, 400), group=st.integers(1, 4))
def test_rows_are_the_lines_of_a_text(
    scratch: Path, rows: list[str], block: int, target: int, group: int
) -> None:
    json_lines = scratch / "a.jsonl"
    json_lines.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    paths = [json_lines]
    if rows:
        paths.append(write_parquet(scratch / "a.parquet", rows, rows=group))
    for path in paths:
        if path.stat().st_size:
            found = read(path, rows="lines", block=block, target=target)
            assert documents_of(found) == as_text(rows)


def test_a_line_is_found_in_its_row(tmp_path: Path) -> None:
    rows = ["", "a1", "a2\na2", "", "", "b5", "", "c7", "c8", "c9"]
    path = write_parquet(tmp_path / "a.parquet", rows, rows=3)
    for block_bytes in (1, 12, 1000):
        seen = 0
        for block in read(path, rows="lines", block=block_bytes):
            for line, text in enumerate(bytes(block.data).decode().split("\n")):
                if text:
                    seen += 1
                    assert block.where(line) == f"{path}, row {text[1]}"
        assert seen == 7


def test_a_document_that_no_empty_row_ends_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", ["x", "", *["y" * 40] * 50])
    with pytest.raises(BertprepError, match="row 2: the document that starts here is over 500"):
        read(path, rows="lines", block=100, max_document_bytes=500)


def test_text_has_no_rows(tmp_path: Path) -> None:
    Path(tmp_path, "a.txt").write_text("One.\nTwo.\n")
    with pytest.raises(UsageError, match="--rows lines is for JSON lines and parquet"):
        read(tmp_path / "a.txt", rows="lines")
