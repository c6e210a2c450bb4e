"""Each format's own rules: fields, columns, paragraphs, elements, limits, damaged files."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import Documents, documents_of, read, write_parquet

from bertprep.corpus.formats import paragraphs
from bertprep.errors import BertprepError, UsageError
from bertprep.options import CorpusOptions, CreateOptions


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, data: bytes | str) -> str:
    Path(path).write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def read_lines(*values: Any, **options: Any) -> Documents:
    """What is read of JSON lines; a value that is no string is dumped."""
    lines = [value if isinstance(value, str) else json.dumps(value) for value in values]
    write("a.jsonl", "\n".join(lines))
    return documents_of(read("a.jsonl", format="jsonl", **options))


def problem_of(path: str, **options: Any) -> str:
    with pytest.raises(BertprepError) as caught:
        read(path, **options)
    return str(caught.value)


# JSON lines


def test_a_dotted_path_names_a_field_inside() -> None:
    line = {"text": "outside", "meta": {"body": {"text": "inside"}}}
    assert read_lines(line, text_field="meta.body.text") == [["inside"]]
    assert read_lines({"meta": None}, text_field="meta.body.text") == []
    # A field of exactly this name comes first.
    assert read_lines({"a.b": "x", "a": {"b": "y"}}, text_field="a.b") == [["x"]]


def test_a_dotted_path_leads_through_lists_of_objects() -> None:
    line = {
        "body": [
            {"text": "One.\nTwo.", "spans": []},
            {"text": None},
            {"title": "no text"},
            {"text": "Three."},
        ],
        "parts": [{"s": [{"t": "a"}, {"t": "b"}]}, {"s": [{"t": "c"}]}],
        "lists": [{"sentences": ["d", "e"]}, {"sentences": ["f"]}],
    }
    assert read_lines(line, text_field="body.text") == [["One.", "Two.", "Three."]]
    assert read_lines(line, text_field="parts.s.t") == [["a", "b", "c"]]
    assert read_lines(line, text_field="lists.sentences") == [["d", "e", "f"]]
    assert read_lines({"body": []}, text_field="body.text", on_error="skip") == []
    with pytest.raises(BertprepError, match=r'no field "body\.txt" \(fields: body, parts'):
        read_lines(line, text_field="body.txt")


def test_lists_are_sentences_and_null_is_no_text() -> None:
    assert read_lines(
        {"text": ["one", None, "two\nhalves", " ", ""]}, {"text": None}, {"text": []}, {"text": "a"}
    ) == [["one", "two halves"], ["a"]]


def test_newlines_and_carriage_returns_end_a_line_of_a_value_and_nothing_else_does() -> None:
    text = "a\r\nb\rc\u2028d\u2029e\x85f\x0bg\x0ch\x1ci\r\n\r\n \u3000\nj\r\r\nk\r"
    expected = [["a", "b", "c\u2028d\u2029e\x85f\x0bg\x0ch\x1ci", "j", "k"]]
    assert read_lines({"text": text}) == expected
    write_parquet(Path("a.parquet"), [text])
    assert documents_of(read("a.parquet")) == expected


def test_a_carriage_return_inside_a_sentence_of_a_list_is_a_blank() -> None:
    sentences = ["He sang.\rNobody\r\nheard.", "\r", "End\r"]
    expected = [["He sang. Nobody  heard.", "End"]]
    assert read_lines({"text": sentences}) == expected
    write_parquet(Path("a.parquet"), [sentences])
    assert documents_of(read("a.parquet")) == expected


def test_a_carriage_return_in_an_element_of_wikiextractor_ends_a_line() -> None:
    header = '<doc id="1" url="u" title="t">\nt\n\n'
    write("wiki_00", f"{header}He sang.\rNobody heard.\r\nb\n\n</doc>\n")
    (block,) = read("wiki_00")
    assert documents_of([block]) == [["He sang.", "Nobody heard.", "b"]]
    assert [block.where(line) for line in range(3)] == ["wiki_00:4", "wiki_00:4", "wiki_00:5"]


def test_blank_lines_between_objects_and_crlf_are_nothing() -> None:
    assert read_lines('{"text": "a"}\r', "", " \t\r", '{"text": "b"}\r') == [["a"], ["b"]]


def test_a_byte_order_mark_is_no_part_of_the_first_object() -> None:
    assert read_lines('\ufeff{"text": "a"}', '\ufeff{"text": "\ufeffb"}') == [["a"], ["\ufeffb"]]


def test_what_python_writes_is_read() -> None:
    # orjson takes none of these; the second is no Unicode, but where it stands nobody looks.
    assert read_lines('{"text": "a", "score": NaN}', '{"id": "\\ud800", "text": "b"}') == [
        ["a"],
        ["b"],
    ]
    assert read_lines('{"n": 123456789012345678901234567890, "text": "c"}') == [["c"]]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"text": "a"', "not JSON (Expecting ',' delimiter at character 13)"),
        ("free text", "not JSON (Expecting value at character 1)"),
        ("[" * 5000, "not JSON (maximum recursion depth exceeded"),
        ('"text"', "JSON, but not an object with fields"),
        ('["text"]', "JSON, but not an object with fields"),
        ('{"body": "a", "id": 1}', 'no field "text" (fields: body, id). Name the field'),
        ("{}", 'no field "text" (fields: none)'),
        ('{"text": 1.5}', 'the field "text" is a number, not text'),
        ('{"text": true}', 'the field "text" is true or false, not text'),
        ('{"text": {"a": "b"}}', 'the field "text" is an object, not text'),
        (
            '{"text": ["a", 1]}',
            'the field "text" is a list with items that are not strings, not text',
        ),
    ],
)
def test_a_line_without_text_is_named_or_left_out(line: str, problem: str) -> None:
    lines = ('{"text": "before"}', line, '{"text": "behind"}')
    with pytest.raises(BertprepError) as caught:
        read_lines(*lines)
    assert str(caught.value).startswith(f"a.jsonl:2: {problem}")
    assert "--on-error skip" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert read_lines(*lines, on_error="skip") == [["before"], ["behind"]]
    (block,) = read("a.jsonl", on_error="skip")
    assert block.skipped == 1
    assert block.where(2).endswith("a.jsonl:2")


def test_lines_are_numbered_across_blocks_and_splits() -> None:
    good = '{"text": "abc"}\n' * 500
    for path, data in (("a.jsonl", good + "{\n"), ("b.jsonl", good + "{\n" + good)):
        write(path, data)
        assert problem_of(path, block=100, target=700).startswith(f"{path}:501: not JSON")
        write(f"{path}.gz", gzip.compress(data.encode()))
        assert problem_of(f"{path}.gz", block=100).startswith(f"{path}.gz:501: not JSON")


def test_a_large_object_is_an_error_before_the_rest_is_read() -> None:
    line = json.dumps({"text": "abcd " * 200})
    write("a.jsonl", f'{{"text": "a"}}\n{line}\n{{"text": "b"}}\n')
    for block in (1, 50, 1 << 20):
        for target in (64, 1 << 20):
            found = problem_of("a.jsonl", block=block, target=target, max_document_bytes=1000)
            assert found.startswith("a.jsonl:2: the document that starts here is over 1,000 bytes")
    assert len(documents_of(read("a.jsonl", max_document_bytes=1100))) == 3


def test_utf16_is_named_in_every_format() -> None:
    packed = gzip.compress('\ufeff{"text": "a"}\n'.encode("utf-16-le"))
    write("a.gz", packed)
    for format in ("auto", "text", "jsonl", "wikiextractor"):
        assert "this text is UTF-16, and bertprep reads UTF-8" in problem_of("a.gz", format=format)


# Parquet


def test_null_rows_and_items_are_no_text() -> None:
    write_parquet(Path("a.parquet"), ["a\n\nb", None, "", "c"])
    assert documents_of(read("a.parquet")) == [["a", "b"], ["c"]]
    write_parquet(Path("a.parquet"), [["a\nb", None, "c"], None, [], ["d"]])
    assert documents_of(read("a.parquet")) == [["a b", "c"], ["d"]]


def test_a_column_with_a_dot_in_its_name_is_a_column() -> None:
    pq.write_table(pa.table({"a.b": ["x"], "text": [1]}), "a.parquet")
    assert documents_of(read("a.parquet", text_column="a.b")) == [["x"]]


def test_a_dotted_path_names_a_field_of_a_struct() -> None:
    rows = [
        {"n": 1, "body": {"text": "a\nb", "list": ["x", "y"]}},
        None,
        {"n": 2, "body": None},
        {"n": 3, "body": {"text": "c", "list": None}},
    ]
    pq.write_table(pa.table({"id": range(4), "article": rows}), "a.parquet", row_group_size=2)
    blocks = read("a.parquet", text_column="article.body.text")
    assert documents_of(blocks) == [["a", "b"], ["c"]]
    assert blocks[-1].where(1).endswith("row 3")
    assert documents_of(read("a.parquet", text_column="article.body.list")) == [["x", "y"]]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ("body", 'no column "body" (columns: id, text, n, s). Name the column of the text'),
        ("n", 'the column "n" is double, not text'),
        ("s", 'the column "s" is struct<x: string>, not text'),
        ("s.y", 'no column "s.y" (columns: id, text, n, s)'),
    ],
)
def test_a_column_that_is_no_text_is_named(column: str, problem: str) -> None:
    write_parquet(Path("a.parquet"), ["a"], n=[1.5], s=[{"x": "y"}])
    with pytest.raises(UsageError) as caught:
        read("a.parquet", text_column=column)
    assert str(caught.value).startswith(f"a.parquet: {problem}")
    assert "--text-column" in str(caught.value)


def test_only_the_column_of_the_text_counts_and_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{k} words" for k in range(1000)]
    write_parquet(Path("a.parquet"), texts, noise=[str(k) * 1000 for k in range(1000)])
    column_bytes = sum(len(text) + 4 for text in texts)
    size = Path("a.parquet").stat().st_size
    from bertprep.corpus import find_formats, find_inputs

    found = find_inputs(["a.parquet"], vocab=Path("v"), output=Path("o"), spool=Path("s"))
    ((file,), _) = find_formats(found.files, CorpusOptions())
    assert file.text_bytes is not None
    assert 0.5 * column_bytes < file.text_bytes < 2 * column_bytes < size
    asked = []
    plain = pq.ParquetFile.iter_batches

    def watch(self: Any, *args: Any, **options: Any) -> Any:
        asked.append(options["columns"])
        return plain(self, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watch)
    read("a.parquet")
    assert asked == [["text"]] * len(asked)
    assert asked


def test_a_damaged_file_is_one_line() -> None:
    path = write_parquet(Path("a.parquet"), [f"some text {k}" * 20 for k in range(500)], rows=100)
    data = path.read_bytes()
    chunk = pq.ParquetFile(path).metadata.row_group(2).column(1)
    page = chunk.dictionary_page_offset
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    broken = {
        "cut.parquet": data[:-500],
        "half.parquet": data[: len(data) // 2],
        "other.parquet": b"no parquet at all, and long enough",
        "footer.parquet": data[:footer] + bytes(64) + data[footer + 64 :],
        "page.parquet": data[:page] + bytes(200) + data[page + 200 :],
    }
    for name, found in broken.items():
        problem = problem_of(write(name, found))
        assert problem.startswith(f"{name}: not a readable parquet file ("), problem
        assert problem.endswith("). Download or write the file again")
        assert "\n" not in problem


def test_a_packed_parquet_file_is_refused() -> None:
    path = write_parquet(Path("a.parquet"), ["a"])
    write("a.parquet.gz", gzip.compress(path.read_bytes()))
    assert problem_of("a.parquet.gz") == (
        "a.parquet.gz: this parquet file is compressed with gzip, but reading begins at its end: "
        "decompress it first (parquet compresses its content)"
    )


def test_a_large_row_is_an_error() -> None:
    write_parquet(Path("a.parquet"), ["a", "b " * 600, "c"])
    problem = problem_of("a.parquet", max_document_bytes=1000)
    assert problem.startswith("a.parquet, row 1: this document is over 1,000 bytes, the limit.")


def test_without_pyarrow_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    write_parquet(Path("a.parquet"), ["a"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"needs pyarrow: pip install 'bertprep\[parquet\]'$"):
        read("a.parquet")


def test_libraries_are_loaded_for_the_formats_that_need_them(sample_corpus: Path) -> None:
    program = """
import sys
from bertprep.cli import main
corpus, vocab = sys.argv[1:]
main(["create", corpus, "--vocab", vocab, "--output", "o", "--quiet", "--dupe-factor", "1"],
     standalone_mode=False)
print(sorted({"orjson", "pyarrow"} & sys.modules.keys()))
"""
    corpus, vocab = sample_corpus / "scripts.txt", sample_corpus / "vocab.txt"
    command = [sys.executable, "-c", program, str(corpus), str(vocab)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(sample_corpus.parent)}
    )
    assert done.stdout == "[]\n", done.stderr


# Paragraphs


def read_paragraphs(text: str, **options: Any) -> Documents:
    write("a.txt", text)
    return documents_of(read("a.txt", format="paragraphs", **options))


def test_lines_of_a_paragraph_are_joined() -> None:
    text = "one\ntwo \r\n\tthree\n\n \n\nfour\n"
    assert read_paragraphs(text) == [["one two three"], ["four"]]
    assert read_paragraphs(text, document_break="file") == [["one two three", "four"]]


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        ("你好\n世界", "你好世界"),
        ("你好，\n 世界", "你好，世界"),
        ("こん\nにちは", "こんにちは"),
        ("カタ\nカナ", "カタカナ"),
        ("漢字\nword\n漢字", "漢字 word 漢字"),
        ("안녕\n하세요", "안녕 하세요"),
        ("𠀀\n𠀁", "𠀀𠀁"),
        ("a\n你\n好\nb", "a 你好 b"),
    ],
)
def test_nothing_stands_between_characters_that_are_written_without_blanks(
    lines: str, joined: str
) -> None:
    assert read_paragraphs(lines) == [[joined]]


@given(
    st.lists(st.sampled_from(["a", "b c", "你", "好。", "", " ", "\u3000", "\r", "\ufeff"])),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_paragraphs_are_runs_of_lines_wherever_the_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], target: int, block: int
) -> None:
    expected: list[str] = [""]
    for line in (line.replace("\r", "").strip() for line in lines):
        if not line:
            expected.append("")
        elif not expected[-1]:
            expected[-1] = line
        else:
            touch = all(character in "你好。" for character in (expected[-1][-1], line[0]))
            expected[-1] += line if touch else f" {line}"
    expected = [paragraph for paragraph in expected if paragraph]
    write("a.txt", "\n".join(lines))
    blocks = read("a.txt", target=target, block=block, format="paragraphs")
    assert documents_of(blocks) == [[paragraph] for paragraph in expected]
    blocks = read("a.txt", target=target, format="paragraphs", document_break="file")
    assert documents_of(blocks) == ([expected] if expected else [])


def test_a_paragraph_is_named_by_its_first_line() -> None:
    write("a.txt", "\n\none\nmore\n\n\ntwo\n \nthree\nmore")
    for options in ({}, {"document_break": "file"}, {"block": 1}, {"target": 7, "block": 1}):
        found = [
            block.where(line)
            for block in read("a.txt", format="paragraphs", **options)
            for line, text in enumerate(bytes(block.data).split(b"\n"))
            if text
        ]
        assert found == ["a.txt:3", "a.txt:7", "a.txt:9"]


def test_bytes_that_are_not_utf8_stay() -> None:
    data = b"a\xff\n\xe4\xbd\n\nb\n"
    joined = paragraphs.join_paragraphs(data, document_break="empty-line")
    assert joined == b"a\xff \xe4\xbd\n\nb\n\n"


def test_a_file_that_is_one_document_has_the_limit_of_a_document() -> None:
    write("a.txt", "words of a line\n" * 100)
    options = {"format": "paragraphs", "document_break": "file"}
    problem = problem_of("a.txt", max_document_bytes=1000, **options)
    assert problem.startswith("a.txt: with --document-break file this is one document, and over")


def test_paragraphs_go_with_split_sentences() -> None:
    corpus = CorpusOptions(format="paragraphs", split_sentences="en")
    CreateOptions(("a",), Path("v"), Path("o"), corpus=corpus)
    with pytest.raises(UsageError, match="--split-sentences LANG"):
        CreateOptions(("a",), Path("v"), Path("o"), corpus=CorpusOptions(format="paragraphs"))


# WikiExtractor

ELEMENT = '<doc id="{0}" url="https://x.org/?curid={0}" title="{1}">\n{1}\n\n{2}\n\n</doc>\n'


def test_an_element_is_a_document_without_its_title() -> None:
    write(
        "wiki_00",
        ELEMENT.format(1, 'The "A" & B', "One.\nTwo &lt;i&gt; &amp;amp; three.\n\n \nFour.")
        + ELEMENT.format(2, "Empty", "")
        + '<doc id="3" revid="9" url="u" title="x">\r\nx\r\n\r\nFive.\r\n</doc>\r\n\n'
        + ELEMENT.format(4, "Last", "Six."),
    )
    expected = [["One.", "Two <i> &amp; three.", "Four."], ["Five."], ["Six."]]
    for block in (1, 30, 1000):
        for target in (20, 90, 10_000):
            assert documents_of(read("wiki_00", block=block, target=target)) == expected


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            ELEMENT.format(1, "a", "b") + "stray\n" + ELEMENT.format(2, "a", "c"),
            "wiki:7: text where",
        ),
        (
            ELEMENT.format(1, "a", "b") * 2 + '<doc id="3" url="u" title="a">\na\n\nc',
            "wiki:13: this",
        ),
        (
            '<doc id="1" url="u" title="a">\na\n\nx\n' + ELEMENT.format(2, "a", "c"),
            "wiki:1: this <doc> has no </doc>",
        ),
    ],
    ids=["text outside", "cut off", "no end"],
)
def test_what_is_no_element_is_named_or_left_out(data: str, problem: str) -> None:
    write("wiki", data)
    for block in (1, 1 << 20):
        found = problem_of("wiki", block=block, target=50)
        assert found.startswith(problem)
        assert "--on-error skip" in found
        blocks = read("wiki", block=block, on_error="skip")
        assert sum(block.skipped for block in blocks) == 1


def test_a_large_element_is_named_by_its_first_line() -> None:
    write("wiki", ELEMENT.format(1, "a", "b") + ELEMENT.format(2, "a", "words\n" * 400))
    for block in (1, 500, 1 << 20):
        for target in (60, 1 << 20):
            problem = problem_of("wiki", block=block, target=target, max_document_bytes=1000)
            assert problem.startswith("wiki:7: the document that starts here is over 1,000 bytes")
