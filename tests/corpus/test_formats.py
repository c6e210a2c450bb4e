"""The same documents give the same records, whatever they are stored as and wherever it is cut."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import (
    COMPRESS,
    STORED,
    Documents,
    as_json_lines,
    as_text,
    documents_of,
    read,
    write_parquet,
)

from bertprep.cli import main
from bertprep.create import job as create_job
from bertprep.create import tokenizing

Create = Callable[..., Result]


@pytest.fixture
def documents(sample_corpus: Path) -> Documents:
    """The sample corpus, with what JSON, HTML and columns write in their own ways."""
    text = (sample_corpus / "english-a.txt").read_text() + "\n"
    text += (sample_corpus / "scripts.txt").read_text()
    found = [part.split("\n") for part in text.strip("\n").split("\n\n") if part.strip()]
    odd = [
        'He said "no \\ yes" & <left>.',
        "A line\u2028with\u2029 odd\x85 breaks\x0b\x0c.",
        "\ufeff",
    ]
    return [*found, odd, ["An emoji: \U0001f600 and \u00e9 e\u0301.", "\t tabs \t", "&amp; &lt;"]]


@pytest.fixture
def create(sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Create:
    """Runs the command with small blocks, splits and blobs, so that there are many."""
    monkeypatch.setattr(tokenizing, "BLOCK_BYTES", 3_000)
    monkeypatch.setattr(create_job, "BLOCK_BYTES", 9_000)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, output: str = "out", stdin: bytes | None = None) -> Result:
        vocab = sample_corpus / "vocab.txt"
        flags = ["--vocab", vocab, "--output", output, "--dupe-factor", 2, "--random-seed", 5]
        command = [str(part) for part in ("create", *arguments, *flags)]
        return CliRunner().invoke(main, command, input=stdin)

    return run


def shards(output: str) -> list[object]:
    manifest = json.loads(Path(output, "manifest.json").read_text())
    found: list[object] = [*manifest["shards"], *manifest["eval_shards"]]
    return found


FLAGS = ("--num-partitions", 3, "--num-shards", 6, "--eval-fraction", 0.1, "--workers", 2)


def test_every_format_gives_the_same_records(create: Create, documents: Documents) -> None:
    Path("expected.txt").write_bytes(as_text(documents))
    assert create("expected.txt", *FLAGS, output="expected").exit_code == 0
    for number, (kind, (name, store)) in enumerate(STORED.items()):
        for suffix in ("", [*COMPRESS][number % len(COMPRESS)]):
            path = Path(f"{number}-{name}{suffix}")
            path.write_bytes(COMPRESS[suffix](store(documents)))
            flags = ("--format", "wikiextractor") if kind == "wikiextractor, json" else ()
            result = create(path, *FLAGS, *flags, "--overwrite")
            assert result.exit_code == 0, result.output
            assert shards("out") == shards("expected"), path


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_parquet_gives_the_same_records(create: Create, documents: Documents, rows: int) -> None:
    Path("expected.txt").write_bytes(as_text(documents))
    assert create("expected.txt", *FLAGS, output="expected").exit_code == 0
    texts = pa.array(["\n".join(lines) for lines in documents])
    for column in (texts, texts.dictionary_encode(), pa.array(documents)):
        write_parquet(Path("a.parquet"), column, rows=rows, noise=["x" * 500] * len(documents))
        result = create("a.parquet", *FLAGS, "--overwrite")
        assert result.exit_code == 0, result.output
        assert shards("out") == shards("expected")


def test_a_run_on_parquet_goes_on_where_it_stopped(create: Create, documents: Documents) -> None:
    texts = ["\n".join(lines) for lines in documents]
    write_parquet(Path("a.parquet"), texts)
    assert create("a.parquet", *FLAGS).exit_code == 0
    expected = shards("out")
    Path("out/manifest.json").unlink()
    Path("out/tf_examples.tfrecord-00001-of-00006").unlink()
    result = create("a.parquet", *FLAGS)
    assert result.exit_code == 0, result.output
    assert shards("out") == expected


def test_stdin_may_be_any_format(create: Create, documents: Documents) -> None:
    Path("expected.txt").write_bytes(as_text(documents))
    create("expected.txt", *FLAGS, output="expected")
    path = write_parquet(Path("a.parquet"), ["\n".join(lines) for lines in documents])
    for data in (path.read_bytes(), COMPRESS[".gz"](as_json_lines(documents))):
        result = create("-", *FLAGS, "--overwrite", stdin=data)
        assert result.exit_code == 0, result.output
        assert shards("out") == shards("expected")


def test_formats_can_be_mixed_and_are_told(create: Create, documents: Documents) -> None:
    Path("a.txt").write_bytes(as_text(documents[:20]))
    Path("b.jsonl").write_bytes(as_json_lines(documents[20:]))
    Path("all.txt").write_bytes(as_text(documents))
    result = create("a.txt", "b.jsonl", *FLAGS)
    assert "Found text: a.txt; jsonl: b.jsonl" in result.stderr
    assert "Found" not in create("a.txt", "b.jsonl", "--quiet", output="quiet").output
    assert "Found" not in create("all.txt", *FLAGS, output="all").output
    assert shards("out") == shards("all")
    inputs = json.loads(Path("out/plan.json").read_text())["inputs"]
    assert [(file["path"], file["format"]) for file in inputs] == [
        ("a.txt", "text"),
        ("b.jsonl", "jsonl"),
    ]


def test_another_format_is_another_command(create: Create, documents: Documents) -> None:
    Path("a.jsonl").write_bytes(as_json_lines(documents))
    create("a.jsonl")
    result = create("a.jsonl", "--format", "text")
    assert result.exit_code == 2
    assert "format was auto, is text" in result.stderr


def test_documents_that_cannot_be_read_are_counted(create: Create, documents: Documents) -> None:
    good = as_json_lines(documents)
    Path("good.jsonl").write_bytes(good)
    Path("a.jsonl").write_bytes(b'{"text": 1}\n' + good + b'{"text": "cut o')
    assert create("good.jsonl", *FLAGS, output="good").exit_code == 0
    result = create("a.jsonl", *FLAGS)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith(
        'Error: a.jsonl:1: the field "text" is a number'
    )
    result = create("a.jsonl", *FLAGS, "--on-error", "skip", "--overwrite")
    assert result.exit_code == 0
    assert "Warning: 2 documents could not be read: skipped (--on-error skip)" in result.stderr
    assert shards("out") == shards("good")


def test_nothing_but_documents_that_cannot_be_read_is_an_error(create: Create) -> None:
    Path("a.jsonl").write_bytes(b'{"body": "A text."}\n' * 3)
    result = create("a.jsonl", "--on-error", "skip")
    assert result.exit_code == 1
    assert "a.jsonl: no documents: 3 documents could not be read" in result.stderr


def test_paragraphs_are_not_sentences(create: Create) -> None:
    Path("a.txt").write_text("One paragraph.\nIt goes on.\n\nAnother.\n")
    result = create("a.txt", "--format", "paragraphs")
    assert result.exit_code == 2
    assert "--split-sentences LANG" in result.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("name", "data", "where"),
    [
        ("a.jsonl", b'{"text": "a"}\n\n{"text": ["b", "c\\nd", "e\\u0000"]}\n', "a.jsonl:3"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "half: \\ud800 b"}\n', "a.jsonl:2"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "b\xff"}\n', "a.jsonl:2"),
        (
            "wiki",
            b'<doc id="1" url="u" title="t">\nt\n\na\n\n</doc>\n'
            b'\n<doc id="2" url="u" title="t">\nt\n\nb\n\n \nc\0\n</doc>\n',
            "wiki:14",
        ),
    ],
    ids=["NUL", "half a surrogate pair", "not UTF-8", "wiki"],
)
def test_bad_text_is_named_by_file_and_line(
    create: Create, name: str, data: bytes, where: str
) -> None:
    for compression, compress in COMPRESS.items():
        path = name + compression
        Path(path).write_bytes(compress(data))
        result = create(path)
        assert result.exit_code == 1
        expected = where.replace(name, path)
        assert result.stderr.splitlines()[-1].startswith(f"Error: {expected}: ")
    for mode in ("replace", "skip"):
        result = create(path, "--encoding-errors", mode, output=mode)
        assert result.exit_code == 0
        assert "1 line had invalid UTF-8 or NUL bytes" in result.stderr


def test_bad_text_is_named_by_file_and_row(create: Create) -> None:
    texts = [b"good"] * 20 + [b"good\nbad: \xff", b"good"]
    write_parquet(Path("a.parquet"), texts)
    result = create("a.parquet")
    assert result.stderr.splitlines()[-1].startswith("Error: a.parquet, row 20: not UTF-8")
    assert create("a.parquet", "--encoding-errors", "replace", output="other").exit_code == 0


def test_a_long_sentence_is_named(create: Create) -> None:
    documents = [["a"], ["b", "c" * 50]]
    for name, store in STORED.values():
        Path(name).write_bytes(store(documents))
        result = create(name, "--max-line-chars", "40", "--format", "auto")
        assert result.exit_code == 1
        assert "characters, the limit" in result.stderr
    write_parquet(Path("a.parquet"), ["a", "b" * 50])
    result = create("a.parquet", "--max-line-chars", "40")
    assert "Error: a.parquet, row 1: line is 50 characters, the limit is 40" in result.stderr


# Reading, without records


LINES = st.one_of(
    st.sampled_from(
        [
            *[
                "a",
                "b c.",
                "\ufeff",
                "\u200b",
                " x ",
                "¿",
                "。",
                "\u3001",
                '"',
                "\\",
                "{}",
                "é\u0301",
            ],
            *[
                "",
                " ",
                "\t",
                "\u3000",
                "\u2028\xa0",
                "\x1c",
                "\x85",
                "\r",
                "\r\r ",
                "x\ry",
                "\U0001f600",
            ],
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"), max_size=9),
)
DOCUMENTS = st.lists(st.lists(LINES, max_size=5), max_size=9)
SIZES = st.integers(1, 60)


def expected_of(documents: Documents) -> Documents:
    """What is read of values that hold each document's lines."""
    parts = [[part.strip() for line in lines for part in line.split("\r")] for lines in documents]
    return [kept for lines in parts if (kept := [line for line in lines if line])]


def expected_of_lists(documents: Documents) -> Documents:
    """What is read of values that are lists of sentences."""
    return expected_of([[line.replace("\r", " ") for line in lines] for lines in documents])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents=DOCUMENTS, target=SIZES, block=SIZES, suffix=st.sampled_from(["", ".gz", ".zst"]))
def test_documents_come_back_wherever_the_file_is_cut(
    scratch: Path, documents: Documents, target: int, block: int, suffix: str
) -> None:
    for kind in ("jsonl", "jsonl, lists", "wikiextractor"):
        name, store = STORED[kind]
        path = scratch / f"{name}{suffix}"
        path.write_bytes(COMPRESS[suffix](store(documents)))
        format = kind.split(",")[0]
        expected = expected_of_lists if kind == "jsonl, lists" else expected_of
        blocks = read(path, target=target, block=block, format=format)
        assert documents_of(blocks) == expected(documents)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents=DOCUMENTS, target=st.integers(100, 3000), block=SIZES, rows=st.integers(1, 4))
def test_rows_come_back_wherever_the_file_is_cut(
    scratch: Path, documents: Documents, target: int, block: int, rows: int
) -> None:
    kinds = (pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string()))
    texts = ["\n".join(lines) for lines in documents]
    columns = [(pa.array(texts, kind), expected_of) for kind in kinds]
    for list_of in (pa.list_, pa.large_list):
        columns.append((pa.array(documents, list_of(pa.string())), expected_of_lists))
    for column, expected in columns:
        path = write_parquet(scratch / "a.parquet", column, rows=rows)
        blocks = read(path, target=target, block=block)
        assert documents_of(blocks) == expected(documents)


def test_a_block_says_where_each_of_its_lines_is_from(tmp_path: Path) -> None:
    documents = [["a0", "a1"], ["b0"], [], ["c0", "c1", "c2"], ["d0"]]
    for kind, name in (("jsonl", "a.jsonl"), ("wikiextractor", "w")):
        path = tmp_path / name
        path.write_bytes(STORED[kind][1](documents))
        source = path.read_text().split("\n")
        for block in read(path, block=40):
            for line, text in enumerate(bytes(block.data).decode().split("\n")[:-1]):
                if text:
                    number = int(block.where(line).removeprefix(f"{path}:"))
                    assert text in source[number - 1]
    path = write_parquet(tmp_path / "a.parquet", ["\n".join(d) for d in documents], rows=2)
    rows = [
        int(block.where(line).removeprefix(f"{path}, row "))
        for block in read(path, block=1)
        for line, text in enumerate(bytes(block.data).split(b"\n"))
        if text
    ]
    assert rows == [0, 0, 1, 3, 3, 3, 4]
