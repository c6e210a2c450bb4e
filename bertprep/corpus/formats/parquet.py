"""Parquet files: each row is a document; one column is its text.

Row groups can be read separately: a split has those that begin in its byte range. Only the text
column is read, in batches of about a megabyte. pyarrow is an extra, imported when a file needs it.
Cost: 3 ns per byte with documents of 3 KB. Memory: four times a block, and the largest document.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bertprep.corpus.formats.base import FileStart, Format, RowBlock, Split, lines_of
from bertprep.data import InputFile
from bertprep.errors import BertprepError, MachineError, UsageError, require_extra
from bertprep.options import CorpusOptions
from bertprep.storage import open_remote, require_unchanged

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

_MAGIC = b"PAR1"
_BATCH_BYTES = 1 << 20
#: The size of a column with few distinct values says little about the bytes of its rows.
_MAX_BATCH_ROWS = 4096
_BUFFER_BYTES = 1 << 18
_TEXT_TYPES = {
    *("string", "large_string", "string_view"),
    *("binary", "large_binary", "binary_view"),
}


class Parquet(Format):
    """Parquet files, recognized by their name or by both ends of the file."""

    name = "parquet"
    suffixes = (".parquet",)
    has_rows = True

    def sniff(self, start: FileStart, options: CorpusOptions) -> bool:
        if start.suffix in self.suffixes:
            return True
        has_magic = start.file.compression == "none" and start.text.startswith(_MAGIC)
        return has_magic and start.stored_end == _MAGIC

    def prepare(self, start: FileStart, options: CorpusOptions) -> InputFile:
        """Check the column; take the amount of text from the file's footer.

        Raises:
            UsageError: the file is compressed, pyarrow or the column is missing, or the column is
                not text.
            BertprepError: the file cannot be read.
        """
        file = start.file
        if file.compression != "none":
            raise UsageError(
                f"{file.path}: this parquet file is compressed with {file.compression}, but "
                "reading begins at its end: decompress it first (parquet compresses its content)"
            )
        with _open(file) as source:
            _require_text(file, source, options.text_column)
            groups = (source.metadata.row_group(k) for k in range(source.num_row_groups))
            text_bytes = sum(_column_bytes(group, options.text_column) for group in groups)
        return replace(file, format=self.name, text_bytes=text_bytes)

    def read(self, split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[RowBlock]:
        """Read the rows of a split's row groups, about `block_bytes` of text at a time.

        Raises:
            BertprepError: the file cannot be read, or a document is over --max-document-bytes.
        """
        file = split.file
        with _open(file) as source:
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
        batch_size=max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES // max(1, row_bytes))),
        row_groups=[number],
        columns=[options.text_column],
        use_threads=False,
    )
    data, rows = bytearray(), 0
    for batch in batches:
        for text in _texts(_column_of(batch, options.text_column)):
            document = lines_of(text)
            if len(document) > options.max_document_bytes:
                raise BertprepError(
                    f"{_locate(file, first_row, rows)}: this document is over "
                    f"{options.max_document_bytes:,} bytes, the limit. Split it, or pass "
                    "--max-document-bytes"
                )
            data += document
            rows += 1
        if len(data) >= block_bytes:
            yield RowBlock(file, data, locate=partial(_locate, file, first_row))
            first_row += rows
            data, rows = bytearray(), 0
    if data:
        yield RowBlock(file, data, locate=partial(_locate, file, first_row))


def _column_of(batch: "pyarrow.RecordBatch", path: str) -> "pyarrow.Array":
    """Return a column, or the field of a struct column that a dotted path leads to."""
    import pyarrow.compute as pc

    if path in batch.schema.names:
        return batch.column(path)
    return pc.struct_field(batch.column(0), path.split(".")[1:])


def _texts(column: "pyarrow.Array") -> list[Any]:
    """Return bytes, lists of them, or None; the tokenizer checks that bytes are UTF-8."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    text = pa.large_list(pa.large_binary()) if _is_list(kind) else pa.large_binary()
    return column.cast(text).to_pylist()  # type: ignore[no-any-return]


def _require_text(file: InputFile, source: "pyarrow.parquet.ParquetFile", name: str) -> None:
    schema = source.schema_arrow
    kind = _type_of(schema, name)
    if kind is None:
        columns = ", ".join(schema.names[:12]) + (", ..." if len(schema.names) > 12 else "")
        raise UsageError(
            f'{file.path}: no column "{name}" (columns: {columns or "none"}). Name the column of '
            "the text with --text-column"
        )
    if not _is_text(kind.value_type if _is_list(kind) else kind):
        raise UsageError(
            f'{file.path}: the column "{name}" is {kind}, not text. Name another column with '
            "--text-column"
        )


def _type_of(schema: "pyarrow.Schema", path: str) -> "pyarrow.DataType | None":
    """Return the type of a column, or of the field of a struct that a dotted path leads to."""
    from pyarrow import types

    if schema.names.count(path):
        return schema.field(path).type if schema.names.count(path) == 1 else None
    first, *names = path.split(".")
    if schema.names.count(first) != 1:
        return None
    kind = schema.field(first).type
    for name in names:
        if not types.is_struct(kind) or kind.get_field_index(name) < 0:
            return None
        kind = kind.field(name).type
    return kind


def _is_text(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    return str(kind.value_type if types.is_dictionary(kind) else kind) in _TEXT_TYPES


def _is_list(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind))


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


@contextmanager
def _open(file: InputFile) -> Iterator["pyarrow.parquet.ParquetFile"]:
    """Open a file; errors name it, and a remote file that has changed meanwhile is one."""
    require_extra(f"{file.path}: reading parquet", "parquet", "pyarrow")
    import pyarrow.parquet

    try:
        source = open_remote(file.remote) if file.remote else file.location
        # Buffered, or the column of a row group, perhaps the whole file, is held in memory at once.
        with pyarrow.parquet.ParquetFile(
            source, buffer_size=_BUFFER_BYTES, pre_buffer=False
        ) as opened:
            yield opened
        if file.remote:
            require_unchanged(file.remote)
    except BertprepError:
        raise
    except Exception as error:
        # Damaged metadata raises the other types.
        by_arrow = type(error).__module__.partition(".")[0] == "pyarrow"
        if not by_arrow and not isinstance(error, OSError | UnicodeDecodeError):
            raise
        if isinstance(error, OSError) and error.errno:
            raise MachineError(f"{file.path}: cannot be read ({error.strerror})") from error
        # Without the names of the library's own exceptions.
        reason = re.sub(r"\w+Exception: ", "", str(error).splitlines()[0]).rstrip(".")
        raise BertprepError(
            f"{file.path}: not a readable parquet file ({reason}). Download or write the file again"
        ) from error


def _locate(file: InputFile, first_row: int, row: int, line: int = 0) -> str:
    return f"{file.path}, row {first_row + row}"
