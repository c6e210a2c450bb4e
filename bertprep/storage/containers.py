"""Know by its first bytes a file that holds text or weights in a way that no command reads.

A container is one entry of CONTAINERS. Only first bytes that UTF-8 text cannot have, or has in no
corpus, are here. Cost: 512 bytes of a file.

Example:
    >>> find_container(b"%PDF-1.4").kind
    'a PDF file'
"""

import re
from dataclasses import dataclass

#: Bytes of a file that `find_container` needs.
HEAD_BYTES = 512


@dataclass(frozen=True)
class Container:
    """A kind of file.

    Attributes:
        kind: what such a file is, with its article.
        magic: matches the first bytes.
        advice: how to get at what it holds; FILE is the file.
        suffix: of file names, where a folder of such files is a known way to store text.
    """

    kind: str
    magic: re.Pattern[bytes]
    advice: str
    suffix: str | None = None


def _container(kind: str, magic: bytes, advice: str, suffix: str | None = None) -> Container:
    return Container(kind, re.compile(magic, re.DOTALL), advice, suffix)


_ARROW_ADVICE = (
    "Write parquet: python -c \"import datasets; datasets.load_from_disk('FOLDER')"
    ".to_parquet('FOLDER.parquet')\", with a split, as ['train'], before .to_parquet if it has some"
)
_OFFICE_ADVICE = "Convert it: soffice --headless --convert-to txt:Text FILE"

CONTAINERS = (
    _container(
        "a Git LFS pointer, which stands for a file that was not downloaded",
        rb"version https?://[^\n]*git-lfs",
        "Run in its repository: git lfs pull",
    ),
    _container(
        "a git-annex pointer, which stands for a file that was not downloaded",
        rb"(?:\.\./)*(?:\.git)?/annex/objects/",
        "Run in its repository: git annex get FILE",
    ),
    _container(
        "a tar archive",
        rb".{257}ustar",
        "Unpack it, and name the folder: mkdir FOLDER; tar -xf FILE -C FOLDER",
        ".tar",
    ),
    _container("an Office document", rb"PK\x03\x04.{26}\[Content_Types\]\.xml", _OFFICE_ADVICE),
    _container("an Office document", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OFFICE_ADVICE),
    _container(
        "an EPUB or OpenDocument file",
        rb"PK\x03\x04.{26}mimetype",
        "Convert it: pandoc -t plain --wrap=none FILE -o FILE.txt",
    ),
    _container(
        "a zip archive",
        rb"PK(?:\x03\x04|\x05\x06|\x07\x08)",
        "Unpack it, and name the folder: unzip FILE -d FOLDER",
        ".zip",
    ),
    _container(
        "a 7-Zip archive", rb"7z\xbc\xaf\x27\x1c", "Unpack it, and name the folder: 7z x FILE"
    ),
    _container("a RAR archive", rb"Rar!\x1a\x07", "Unpack it, and name the folder: unrar x FILE"),
    _container("a PDF file", rb"%PDF-\d", "Extract its text: pdftotext FILE FILE.txt", ".pdf"),
    _container(
        "a NumPy array (.npy)",
        rb"\x93NUMPY",
        "Write its items as lines: python -c \"import numpy; print(*numpy.load('FILE'), "
        "sep='\\n')\" > FILE.txt",
        ".npy",
    ),
    _container(
        "a Python pickle",
        rb"\x80[\x02-\x05]",
        "If you trust its origin, load it with Python's pickle and write its text to a file",
        ".pkl",
    ),
    _container(
        "an SQLite database",
        rb"SQLite format 3\0",
        "Write the text as CSV: sqlite3 -header -csv FILE 'SELECT text FROM TABLE' > FILE.csv",
    ),
    _container("an Arrow file", rb"ARROW1\0\0|\xff{4}[^\0\xff]..\0", _ARROW_ADVICE, ".arrow"),
    _container(
        "an HDF5 file", rb"\x89HDF\r\n\x1a\n", "Write its text to a file with Python's h5py", ".h5"
    ),
    _container("an Avro file", rb"Obj\x01", "Write JSON lines: avro-tools tojson FILE"),
    _container("an ORC file", rb"ORC[\x00-\x08]", "Write it as parquet with pyarrow.orc"),
    _container("an LZ4 stream", rb"\x04\x22\x4d\x18", "Decompress it: lz4 -d FILE"),
    _container("an lzma stream", rb"\x5d\0\0.{2}", "Decompress it: xz -dk --format=lzma FILE"),
    _container(
        "a ZLIB stream",
        rb"\x78(?:\x9c|\xda(?![\x80-\xbf]))",
        "Decompress it: pigz -dz < FILE > FILE.txt",
    ),
)


def find_container(head: bytes | bytearray) -> Container | None:
    """Return what a file is that begins with `head`, its first HEAD_BYTES, or None."""
    return next((container for container in CONTAINERS if container.magic.match(head)), None)
