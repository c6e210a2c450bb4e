"""Files that are no UTF-8 text are named by their first bytes, with the command to type."""

import gzip
import io
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from stored import read

from bertprep.corpus.first_bytes import wide_encoding
from bertprep.errors import BertprepError
from bertprep.storage import CONTAINERS, HEAD_BYTES, find_container

TEXT = "The kettle sang.\nNobody heard it.\n\nA red boat came in.\n"
SCRIPTS = {
    "English": TEXT,
    "French": "Où est la gare ?\nElle est là-bas.\n",
    "Russian": "Чайник пел.\nНикто его не слышал, и кот спал дальше.\n",
    "Greek": "Η βάρκα ήρθε.\nΚανείς δεν την είδε.\n",
    "Arabic": "غلاية الماء تغني.\nلم يسمعها أحد.\n",
    "Persian": "کتاب\u200cها را می\u200cخوانم.\nاو رفت.\n",
    "Hindi": "नाव आई।\nकिसी ने नहीं देखा।\n",
    "Chinese": "水壶在唱歌。\n没有人听见,猫继续睡觉。\n" * 5,
    "Japanese": "やかんが歌った。\n誰も聞かなかった。\n",
    "Korean": "주전자가 노래했다.\n아무도 듣지 못했다.\n",
    "Emoji": "Fine \U0001f600\nand more \U0001f468\u200d\U0001f469 of it.\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problem_of(path: str, **options: str) -> str:
    with pytest.raises(BertprepError) as caught:
        read(path, **options)
    return str(caught.value)


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT.encode()))
    return stream.getvalue()


def zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, TEXT)
    return stream.getvalue()


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array(TEXT.split("\n")))
    return stream.getvalue()


def sqlite() -> bytes:
    connection = sqlite3.connect("made.db")
    connection.execute("CREATE TABLE t (text)")
    connection.commit()
    connection.close()
    return Path("made.db").read_bytes()


def arrow(*, is_stream: bool) -> bytes:
    table = pa.table({"text": TEXT.split("\n")})
    stream = io.BytesIO()
    new = pa.ipc.new_stream if is_stream else pa.ipc.new_file
    with new(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "kind", "command"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "a Git LFS pointer",
            "git lfs pull",
        ),
        (b"/annex/objects/SHA256E-s12--ab.txt\n", "a git-annex pointer", "git annex get FILE"),
        (tar, "a tar archive", "tar -xf FILE"),
        (lambda: zipped("a.txt"), "a zip archive", "unzip FILE"),
        (lambda: zipped("[Content_Types].xml"), "an Office document", "soffice"),
        (lambda: zipped("mimetype"), "an EPUB or OpenDocument file", "pandoc"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF file", "pdftotext FILE"),
        (npy, "a NumPy array (.npy)", "numpy.load('FILE')"),
        (lambda: pickle.dumps([TEXT]), "a Python pickle", "write its text to a file"),
        (sqlite, "an SQLite database", "sqlite3 -header -csv FILE"),
        (lambda: arrow(is_stream=True), "an Arrow file", "to_parquet("),
        (lambda: arrow(is_stream=False), "an Arrow file", "to_parquet("),
        (b"\x89HDF\r\n\x1a\n\0\0", "an HDF5 file", "h5py"),
        (b"7z\xbc\xaf\x27\x1c\0", "a 7-Zip archive", "7z x FILE"),
    ],
)
def test_a_container_is_named_with_the_command(data: object, kind: str, command: str) -> None:
    content = data if isinstance(data, bytes) else data()  # type: ignore[operator]
    for path, stored in (("a.txt", content), ("a.gz", gzip.compress(content))):
        Path(path).write_bytes(stored)
        for format in ("auto", "text", "jsonl"):
            found = problem_of(path, format=format)
            assert found.startswith(f"{path}: this is {kind}"), found
            assert command in found
            assert "\n" not in found


def test_text_is_in_no_container() -> None:
    for text in [
        *SCRIPTS.values(),
        "PKs are keys.\n",
        "%PDF is how one begins.\n",
        "version 2\n",
        "x^2 + 1\n",
        "ORCs and elves\n",
        "Object\n",
        "]\n",
        "\ufeffx\n",
        "",
    ]:
        assert find_container(text.encode()[:HEAD_BYTES]) is None


def test_every_container_has_advice() -> None:
    for container in CONTAINERS:
        assert container.kind.startswith(("a ", "an "))
        assert not container.advice.endswith(".")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_wide_text_without_a_mark_is_named(script: str, encoding: str) -> None:
    name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
    data = SCRIPTS[script].encode(encoding)
    assert wide_encoding(data) == name
    assert wide_encoding((data * 20)[:HEAD_BYTES]) == name
    for path, stored in (("a.txt", data), ("b.txt", gzip.compress(data))):
        Path(path).write_bytes(stored)
        assert f"{path}: this text is {name}, and" in problem_of(path)
        assert f"iconv -f {name} -t UTF-8" in problem_of(path)


@pytest.mark.parametrize("script", SCRIPTS)
def test_utf8_is_not_wide_even_with_some_nuls(script: str) -> None:
    text = SCRIPTS[script].encode()
    for data in (text, b"\0" + text, text + b"\0", text.replace(b"\n", b"\0\n"), b"a\0b\0\n"):
        assert wide_encoding(data) is None


def test_a_folder_that_datasets_saved_is_named_with_the_command() -> None:
    Path("saved/train").mkdir(parents=True)
    for name in ("dataset_dict.json", "train/dataset_info.json", "train/state.json"):
        Path("saved", name).write_text("{\n}\n")
    Path("saved/train/data-00000-of-00001.arrow").write_bytes(arrow(is_stream=True))
    found = problem_of("saved")
    assert "saved/train/data-00000-of-00001.arrow, whose name is that of an Arrow file" in found
    assert "load_from_disk('FOLDER')" in found
    Path("saved/a.txt").write_text(TEXT)
    assert len(read("saved")) == 1
