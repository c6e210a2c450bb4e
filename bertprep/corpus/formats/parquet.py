"""Parquet files -> blocks: a row is a document, one column is its text.

Row groups are what can be read apart: a split has those that begin in its range of bytes. Only the
column is read, in batches of about a megabyte. pyarrow is an extra, imported when a file needs it.
Cost: 3 ns a byte where a document has 3 KB. Memory: four times a block, and the largest document.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from bertprep.corpus.canonical import lines_of
from bertprep.corpus.ranges import cut_evenly
from bertprep.corpus.splits import RowBlock, Split
from bertprep.corpus.streams import open_seekable
from bertprep.data import InputFile
from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.options import CorpusOptions

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

_BATCH_BYTES = 1 << 20
#: A column of few different values says little of the bytes that its rows have.
_MOST_ROWS = 4096
_BUFFER_BYTES = 1 << 18


def cut(file: InputFile, target_bytes: int, options: CorpusOptions) -> list[tuple[int, int]]:
    """Cut a file into ranges of bytes; a row group is read by the range that it begins in."""
    return cut_evenly(file, target_bytes)


def text_bytes(file: InputFile, options: CorpusOptions) -> int:
    """Tell from the file's footer how much text there is, about; the column is checked.

    Raises:
        UsageError: pyarrow is missing, or the column is, or it has no text.
        BertprepError: the file cannot be read.
    """
    with _named(file), _open(file) as source:
        _require_text(file, source, options.text_column)
        groups = (source.metadata.row_group(k) for k in range(source.num_row_groups))
        return sum(_column_bytes(group, options.text_column) for group in groups)


def read(split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[RowBlock]:
    """Read the rows of a split's row groups, about `block_bytes` of text at a time.

    Raises:
        BertprepError: the file cannot be read, or a document is over --max-document-bytes.
    """
    file = split.file
    with _named(file), _open(file) as source:
        _require_text(file, source, options.text_column)
        first_row = 0
        for number in range(source.num_row_groups):
            group = source.metadata.row_group(number)
            if split.start <= min(_begin(group), file.size - 1) < split.end:
                yield from _read_group(file, source, number, first_row, options, block_bytes)
            first_row += group.num_rows


def _read_group(
    file: InputFile,
    source: "pyarrow.parquet.ParquetFile",
    number: int,
    first_row: int,
    options: CorpusOptions,
    block_bytes: int,
) -> Iterator[RowBlock]:
    group = source.metadata.row_group(number)
    row_bytes = _column_bytes(group, options.text_column) // max(1, group.num_rows)
    batches = source.iter_batches(
        batch_size=max(1, min(_MOST_ROWS, _BATCH_BYTES // max(1, row_bytes))),
        row_groups=[number],
        columns=[options.text_column],
        use_threads=False,
    )
    data, rows = bytearray(), 0
    for batch in batches:
        for text in _texts(batch.column(0)):
            document = lines_of(text)
            if len(document) > options.max_document_bytes:
                raise BertprepError(
                    f"{_place(file, first_row, rows)}: this document is over "
                    f"{options.max_document_bytes:,} bytes, the limit. Split it, or pass "
                    "--max-document-bytes"
                )
            data += document
            rows += 1
        if len(data) >= block_bytes:
            yield RowBlock(file, data, place=partial(_place, file, first_row))
            first_row += rows
            data, rows = bytearray(), 0
    if data:
        yield RowBlock(file, data, place=partial(_place, file, first_row))


def _texts(column: "pyarrow.Array") -> list[Any]:
    """Bytes, lists of them, or None: whether bytes are UTF-8 is for the tokenizer to say."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if _is_list(kind):
        return column.cast(pa.large_list(pa.large_binary())).to_pylist()  # type: ignore[no-any-return]
    return column.cast(pa.large_binary()).to_pylist()  # type: ignore[no-any-return]


def _require_text(file: InputFile, source: "pyarrow.parquet.ParquetFile", name: str) -> None:
    schema = source.schema_arrow
    if schema.names.count(name) != 1:
        there = ", ".join(schema.names[:12]) + (", ..." if len(schema.names) > 12 else "")
        raise UsageError(
            f'{file.path}: no column "{name}" (there: {there or "none"}). Name the column of the '
            "text with --text-column"
        )
    kind = schema.field(name).type
    if not _is_text(kind.value_type if _is_list(kind) else kind):
        raise UsageError(
            f'{file.path}: the column "{name}" is {kind}, not text. Name another with --text-column'
        )


def _is_text(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    strings = (types.is_string, types.is_large_string, types.is_string_view)
    binaries = (types.is_binary, types.is_large_binary, types.is_binary_view)
    return any(test(kind) for test in (*strings, *binaries))


def _is_list(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    return any(test(kind) for test in (types.is_list, types.is_large_list))


def _column_bytes(group: "pyarrow.parquet.RowGroupMetaData", name: str) -> int:
    columns = [group.column(k) for k in range(group.num_columns)]
    return sum(
        column.total_uncompressed_size
        for column in columns
        if column.path_in_schema == name or column.path_in_schema.startswith(f"{name}.")
    )


def _begin(group: "pyarrow.parquet.RowGroupMetaData") -> int:
    column = group.column(0)
    if column.has_dictionary_page:
        return int(min(column.dictionary_page_offset, column.data_page_offset))
    return int(column.data_page_offset)


def _open(file: InputFile) -> "pyarrow.parquet.ParquetFile":
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            f"{file.path}: reading parquet needs pyarrow: pip install 'bertprep[parquet]'"
        ) from error
    source = open_seekable(file) if file.remote else file.location
    # Else the column of a row group, which may be the whole file, would be held before it is read.
    return pyarrow.parquet.ParquetFile(source, buffer_size=_BUFFER_BYTES, pre_buffer=False)


@contextmanager
def _named(file: InputFile) -> Iterator[None]:
    """Turn what pyarrow raises about a file into our own errors."""
    try:
        yield
    except BertprepError:
        raise
    except Exception as error:
        # Of damaged metadata it says so by these too.
        by_arrow = type(error).__module__.partition(".")[0] == "pyarrow"
        if not by_arrow and not isinstance(error, OSError | UnicodeDecodeError):
            raise
        if isinstance(error, OSError) and error.errno:
            raise MachineError(f"{file.path}: cannot be read ({error.strerror})") from error
        reason = str(error).splitlines()[0].rstrip(".")
        raise BertprepError(
            f"{file.path}: no readable parquet file ({reason}). Fetch or write the file again"
        ) from error


def _place(file: InputFile, first_row: int, row: int, line: int = 0) -> str:
    return f"{file.path}, row {first_row + row}"
