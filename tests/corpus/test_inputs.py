"""The corpus: which files are read, and that blocks are whole documents, byte for byte."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bertprep.corpus import (
    Inputs,
    Split,
    TextBlock,
    estimate_text_bytes,
    find_inputs,
    plan_splits,
    read_blocks,
)
from bertprep.corpus.decoders import ZstdDecoder
from bertprep.corpus.formats import text_ranges
from bertprep.corpus.formats.plain_text import _BLANK_CANDIDATE, PlainText
from bertprep.corpus.formats.text_ranges import line_number
from bertprep.corpus.streams import read_text
from bertprep.data import InputFile, identify
from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.options import CorpusOptions

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}
PACKED = [name for name in COMPRESS if name != "none"]
TEXT = b"one.\ntwo.\n\nthree.\n\n\nfour.\nfive."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, data: bytes = TEXT) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)
    return path


def find(
    *patterns: str, vocab: str = "vocab.txt", output: str = "out", format: str = "auto"
) -> Inputs:
    spool = Path(output, "work", "stdin")
    return find_inputs(patterns, vocab=Path(vocab), output=Path(output), spool=spool, format=format)


def paths(*patterns: str) -> list[str]:
    return [file.path for file in find(*patterns).files]


def read(
    *patterns: str, target: int = 1 << 40, block: int = 1 << 20, **options: int
) -> list[TextBlock]:
    splits = plan_splits(find(*patterns).files, target)
    corpus_options = CorpusOptions(**options)  # type: ignore[arg-type]
    return [block_ for split in splits for block_ in read_blocks(split, corpus_options, block)]


def read_bytes(*patterns: str) -> bytes:
    return b"".join(block.data for block in read(*patterns))


def feed_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


# Finding inputs


def test_patterns_keep_their_order(folder: Path) -> None:
    for name in "zab":
        write(f"{name}.txt")
    assert paths("z.txt", "[ab].txt") == ["z.txt", "a.txt", "b.txt"]


def test_a_file_is_described_by_path_size_time_and_compression(folder: Path) -> None:
    write("a.txt", b"12345")
    os.utime("a.txt", ns=(7, 1_234_567_890_123_456_789))
    assert find("a.txt").files == (InputFile("a.txt", 5, 1_234_567_890_123_456_789, "none"),)


def test_a_folder_comes_in_byte_order_of_its_paths(folder: Path) -> None:
    names = ["b.txt", "Z.txt", "é.txt", "a.txt", "a/x.txt", "a-b.txt", "ー.txt", "𝄞.txt", "ﬀ.txt"]
    for name in names:
        write(f"corpus/{name}")
    expected = [
        "Z.txt",
        "a-b.txt",
        "a.txt",
        "a/x.txt",
        "b.txt",
        "é.txt",
        "ー.txt",
        "ﬀ.txt",
        "𝄞.txt",
    ]
    assert paths("corpus") == [f"corpus/{name}" for name in expected]
    assert paths("corpus/*.txt") == [f"corpus/{name}" for name in expected if "/" not in name]
    assert paths("corpus/") == paths("corpus")


def test_names_that_are_not_utf8_are_read_and_sorted_by_bytes(folder: Path) -> None:
    for name in (b"c/\xff.txt", b"c/z.txt", b"c/\xf0\x9d\x84\x9e.txt"):
        write(os.fsdecode(name))
    assert [os.fsencode(path) for path in paths("c")] == [
        b"c/z.txt",
        b"c/\xf0\x9d\x84\x9e.txt",
        b"c/\xff.txt",
    ]
    assert len(read("c")) == 3


def test_a_folder_means_its_text_files(folder: Path) -> None:
    text = [
        "README",
        "a.txt",
        "b.text",
        "c.txt.gz",
        "d.zst",
        "e.text.bz2",
        "f.xz",
        "G.TXT",
        "wiki_00",
    ]
    other = ["a.json", "b.md.gz", "c.tar.gz", "d.txt.zip", "e.tfrecord", "v1.2", ".hid", ".h.txt"]
    for name in [*text, *other, ".git/a.txt", "x/.cache/a.txt"]:
        write(f"corpus/{name}")
    assert paths("corpus") == sorted(f"corpus/{name}" for name in text)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.jsonl", "b.NDJSON.gz", "c.json", "LICENSE"], ["a.jsonl", "b.NDJSON.gz", "c.json"]),
        (["0.parquet", "1.parquet", "dataset_info.json", "LICENSE"], ["0.parquet", "1.parquet"]),
        (["c4.0.json.gz", "c4.1.json.gz", "x.md"], ["c4.0.json.gz", "c4.1.json.gz"]),
        (["AA/wiki_00", "AB/wiki_01.bz2", "state.json"], ["AA/wiki_00", "AB/wiki_01.bz2"]),
        (["a.txt", "README", "state.json"], ["README", "a.txt"]),
    ],
    ids=["jsonl", "parquet", "json", "no suffix", "text"],
)
def test_a_folder_means_the_files_of_one_format(
    folder: Path, names: list[str], expected: list[str]
) -> None:
    for name in names:
        write(f"c/{name}")
    assert paths("c") == [f"c/{name}" for name in expected]


def test_a_folder_of_several_formats_is_asked_about(folder: Path) -> None:
    for name in ("a.txt", "b.jsonl", "c.json", "d.parquet", "LICENSE"):
        write(f"c/{name}")
    with pytest.raises(UsageError, match=r"^c: files of several formats .*--format text or jsonl"):
        find("c")
    expected = {
        "text": ["LICENSE", "a.txt"],
        "paragraphs": ["LICENSE", "a.txt"],
        "jsonl": ["b.jsonl", "c.json"],
        "parquet": ["d.parquet"],
        "wikiextractor": ["LICENSE", "a.txt", "b.jsonl", "c.json"],
    }
    for format, names in expected.items():
        assert [file.path for file in find("c", format=format).files] == [f"c/{n}" for n in names]
    os.remove("c/d.parquet")
    with pytest.raises(
        UsageError, match=r"no parquet files .* ends in \.parquet, followed by \.gz"
    ):
        find("c", format="parquet")


def test_a_folder_leaves_out_vocabulary_and_output(folder: Path) -> None:
    for name in ("a.txt", "vocab.txt", "out/vocab.txt", "out/.bertprep/stdin", "outer/b.txt"):
        write(f"corpus/{name}")
    found = find("corpus", vocab="corpus/vocab.txt", output="corpus/out")
    assert [file.path for file in found.files] == ["corpus/a.txt", "corpus/outer/b.txt"]
    found = find("**/*.txt", vocab="corpus/vocab.txt", output="corpus/out")
    assert [file.path for file in found.files] == ["corpus/a.txt", "corpus/outer/b.txt"]
    assert not found.warnings


def test_a_named_file_is_taken_whatever_its_name(folder: Path) -> None:
    for name in (".hidden", "notes.md", "a[1].txt", "b*.txt", "bc.txt"):
        write(name)
    assert paths(".hidden", "notes.md", "a[1].txt", "b*.txt") == [
        ".hidden",
        "notes.md",
        "a[1].txt",
        "b*.txt",
    ]


def test_two_stars_reach_every_folder(folder: Path) -> None:
    for name in ("a.md", "s/b.md", "s/t/c.md", "s/t/d.txt", "s/.h/e.md"):
        write(name)
    absolute = [f"{folder}/a.md", f"{folder}/s/b.md", f"{folder}/s/t/c.md"]
    assert paths("**/*.md") == ["a.md", "s/b.md", "s/t/c.md"]
    assert paths(f"{folder}/**/*.md") == absolute
    assert paths("s/**") == ["s/b.md", "s/t/c.md", "s/t/d.txt"]
    assert paths("?/**/t/**/c*") == ["s/t/c.md"]


def test_a_file_named_twice_is_read_once_with_a_warning(folder: Path) -> None:
    write("c/a.txt")
    write("c/b.txt")
    os.symlink("c/b.txt", "link.txt")
    found = find("c/b.txt", "c", "link.txt", "./c/../c/a.txt")
    assert [file.path for file in found.files] == ["c/b.txt", "c/a.txt"]
    assert found.warnings == ("c/b.txt, link.txt, ./c/../c/a.txt: named more than once, read once",)


def test_many_repeated_names_make_one_short_warning(folder: Path) -> None:
    for k in range(9):
        write(f"c/{k}.txt")
    (warning,) = find("c", "c").warnings
    assert warning.startswith("c/0.txt, c/1.txt, c/2.txt and 6 more:")


def test_links_to_files_are_followed_and_circles_of_folders_end(folder: Path) -> None:
    write("elsewhere/a.txt")
    write("c/b.txt")
    os.symlink("../elsewhere/a.txt", "c/link.txt")
    for name in ("round", "about"):
        os.symlink(".", f"c/{name}")
    os.symlink("nowhere", "c/broken.txt")
    os.symlink("self.txt", "c/self.txt")
    found = find("c")
    assert [file.path for file in found.files] == ["c/b.txt", "c/link.txt"]
    assert found.warnings == (
        "c/about, c/broken.txt, c/round and 1 more: link to a folder or to nothing, "
        "not followed (name the folder itself)",
    )
    assert paths("c/**/*.txt") == ["c/b.txt", "c/link.txt"]


def test_a_link_to_a_folder_can_be_named(folder: Path) -> None:
    write("elsewhere/a.txt")
    os.symlink("elsewhere", "link")
    assert paths("link") == ["link/a.txt"]


def test_an_empty_file_gets_a_warning(folder: Path) -> None:
    write("a.txt", b"")
    write("b.txt")
    found = find("a.txt", "b.txt")
    assert [file.path for file in found.files] == ["a.txt", "b.txt"]
    assert found.warnings == ("a.txt: empty file",)
    assert read_bytes("a.txt", "b.txt") == TEXT


def test_stdin_is_copied_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(TEXT)
    feed_stdin(monkeypatch, packed)
    write("a.txt")
    first, stdin = find("a.txt", "-").files
    spool = str(Path("out", "work", "stdin"))
    assert first.location == "a.txt"
    assert stdin == InputFile("-", len(packed), 0, "gzip", spool)
    assert stdin.location == spool
    assert os.listdir("out/work") == ["stdin"]
    (split,) = plan_splits([stdin], 5)
    assert b"".join(block.data for block in read_blocks(split, CorpusOptions(), 5)) == TEXT


def test_stdin_waits_until_the_other_names_are_right(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed_stdin(monkeypatch, TEXT)
    with pytest.raises(UsageError):
        find("-", "typo.txt")
    assert not Path("out").exists()
    assert find("-", "-").warnings == ("-: named more than once, read once",)


@pytest.mark.parametrize("pattern", ["a.txt", "no/*.txt", "no/**/*.txt", "[", ""])
def test_a_name_that_matches_nothing_is_a_usage_error(folder: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match=r"no such file|no file matches"):
        find(pattern)


def test_a_folder_without_text_says_which_names_count(folder: Path) -> None:
    write("c/a.csv")
    write("c/vocab.txt")
    with pytest.raises(UsageError, match=r"^c: no text files .*\.txt, \.text or has no suffix"):
        find("c", vocab="c/vocab.txt")


def test_inputs_in_the_output_folder_are_refused(folder: Path) -> None:
    write("out/a.txt")
    os.symlink("out", "link")
    for pattern in ("out", "out/", "out/a.txt", "./out/../out", "link", "link/a.txt"):
        with pytest.raises(UsageError, match="is in the output folder"):
            find(pattern)
    write("outer/a.txt")
    assert paths("outer") == ["outer/a.txt"]


def test_the_vocabulary_by_name_is_refused(folder: Path) -> None:
    write("vocab.txt")
    with pytest.raises(UsageError, match=r"^\./vocab\.txt: this is the vocabulary"):
        find("./vocab.txt")


def test_what_is_no_file_is_refused(folder: Path) -> None:
    os.mkfifo("pipe")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind("socket")
        os.symlink("nowhere", "broken.txt")
        with pytest.raises(UsageError, match=r"^pipe: this is a pipe\. Name - .*< pipe$"):
            find("pipe")
        for pattern in ("socket", "/dev/null"):
            with pytest.raises(UsageError, match="neither a file nor a folder"):
                find(pattern)
        with pytest.raises(UsageError, match="leads to no file"):
            find("broken.txt")
        write("a.txt")
        assert paths("*") == ["a.txt"]


def test_a_file_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    write("a.txt")
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(BertprepError, match=r"^a\.txt: cannot be read \(Permission denied\)$"):
        find("a.txt")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_text_is_refused_with_the_way_out(folder: Path, encoding: str) -> None:
    data = ("\ufeff" + TEXT.decode()).encode(encoding)
    write("a.txt", data)
    write("b.txt", gzip.compress(data))
    name = encoding[:6].upper()
    with pytest.raises(BertprepError, match=rf"^a\.txt: .*{name},.* iconv -f {name} -t UTF-8"):
        find("a.txt")
    with pytest.raises(BertprepError, match=rf"^b\.txt: .*{name}"):
        read("b.txt")


def test_a_utf8_mark_stays(folder: Path) -> None:
    write("a.txt", b"\xef\xbb\xbf" + TEXT)
    assert read_bytes("a.txt") == b"\xef\xbb\xbf" + TEXT


# Splits


def test_splits_are_equal_ranges_in_one_order() -> None:
    plain = InputFile("a", 10, 0, "none")
    packed = InputFile("b", 9, 0, "xz")
    empty = InputFile("c", 0, 0, "none")
    assert plan_splits([plain, packed, empty, plain], 4) == [
        Split(0, plain, 0, 3),
        Split(1, plain, 3, 6),
        Split(2, plain, 6, 10),
        Split(3, packed, 0, 9),
        Split(4, plain, 0, 3),
        Split(5, plain, 3, 6),
        Split(6, plain, 6, 10),
    ]


def test_small_files_share_a_split_in_their_order() -> None:
    a, b, packed, large = (
        InputFile("a", 3, 0, "none"),
        InputFile("b", 5, 0, "none"),
        InputFile("c", 1, 0, "gzip"),  # about 4 bytes of text
        InputFile("d", 16, 0, "none"),
    )
    assert plan_splits([a, b, packed, packed, large, a], 8) == [
        Split(0, a, 0, 3, more=(Split(0, b, 0, 5),)),
        Split(1, packed, 0, 1, more=(Split(1, packed, 0, 1),)),
        Split(2, large, 0, 8),
        Split(3, large, 8, 16),
        Split(4, a, 0, 3),
    ]
    splits = plan_splits([a] * 2_500, 1 << 20)
    assert [len(split.parts) for split in splits] == [1024, 1024, 452]
    assert [split.num_bytes for split in splits] == [3072, 3072, 1356]
    assert splits[1].name == "split 1 (a and 1,023 more)"


def test_a_shared_split_is_read_file_by_file(folder: Path) -> None:
    names = [write(f"{k}.txt", b"file %d\n" % k * (k + 1)) for k in range(5)]
    (split,) = plan_splits(find(*names).files, 1 << 20)
    blocks = list(read_blocks(split, CorpusOptions(), 1 << 20))
    assert [bytes(block.data) for block in blocks] == [Path(name).read_bytes() for name in names]
    assert [block.where(0) for block in blocks] == [f"{name}:1" for name in names]
    rewrite("3.txt", b"other\n")
    with pytest.raises(BertprepError, match=r"^3\.txt: .* has changed"):
        list(read_blocks(split, CorpusOptions(), 1 << 20))


def test_a_plan_keeps_one_digest_of_very_many_files() -> None:
    files = [InputFile(f"{k}.txt", k, k, "none") for k in range(1001)]
    assert identify(files[:-1]) == [file.identity() for file in files[:-1]]
    (kept,) = identify(files)
    assert (kept["path"], kept["bytes"]) == ("0.txt and 1,000 more", 500_500)
    for other in (replace(files[7], modified=8), replace(files[7], path="8.txt")):
        assert identify([*files[:7], other, *files[8:]])[0]["sha256"] != kept["sha256"]
    assert identify(files[::-1])[0]["sha256"] != kept["sha256"]


def test_text_bytes_are_guessed_from_sizes() -> None:
    files = [InputFile("a", 10, 0, "none"), InputFile("b", 9, 0, "zstd")]
    assert estimate_text_bytes(files) == 10 + 4 * 9


def test_a_document_over_several_splits_belongs_to_the_first(folder: Path) -> None:
    write("a.txt", b"one\n" * 20 + b"\n" + b"two\n")
    (file,) = find("a.txt").files
    splits = plan_splits([file], 10)
    held = [list(read_blocks(split, CorpusOptions(), 8)) for split in splits]
    assert [b"".join(block.data for block in blocks_) for blocks_ in held] == [
        b"one\n" * 20 + b"\n",
        *[b""] * 7,
        b"two\n",
    ]


# Blocks


def blank(line: bytes) -> bool:
    try:
        return line.replace(b"\r", b"").decode().strip() == ""
    except UnicodeDecodeError:
        return False


def document_borders(text: bytes) -> set[int]:
    """Line by line: the file's ends and the ends of all blank lines."""
    borders, position = {0, len(text)}, 0
    for line in text.split(b"\n")[:-1]:
        position += len(line) + 1
        if blank(line):
            borders.add(position)
    return borders


LINES = [
    *["a", "b c.", "\ufeff", "\u200b", "\x00", "¿", "。", "\u3001", "ー"],
    *["", "", "", " ", "\t \t", "\u3000", "\u2028\xa0", "\x1c", "\x85", "\r", "\u3000\r", " \r\r "],
]
RAW_LINES = [b"\x80", b"\xe3\x80", b"\xe3\r\x80\x80", b"\xc2", b"\xe2\x80\x8b", b"\xff\xfe"]
TEXTS = st.builds(
    lambda lines, end: b"\n".join(lines) + end,
    st.lists(st.sampled_from([line.encode() for line in LINES] + RAW_LINES), max_size=20),
    st.sampled_from([b"", b"\n", b"\n\n", b"\r\n\r\n", b"\n "]),
)
SIZES = st.integers(1, 60)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus") / "a.txt"


@settings(max_examples=600, deadline=None)
@given(text=TEXTS, target=SIZES, block=SIZES, compression=st.sampled_from(list(COMPRESS)))
def test_blocks_of_all_splits_are_the_file_cut_between_documents(
    scratch: Path, text: bytes, target: int, block: int, compression: str
) -> None:
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = b"a" + text
    scratch.write_bytes(COMPRESS[compression](text))
    position = 0
    borders = document_borders(text)
    for block_ in read(str(scratch), target=target, block=block):
        assert block_.offset == position
        assert block_.data
        assert text.startswith(block_.data, position)
        if block_.first_line is not None:
            assert block_.first_line == 1 + text.count(b"\n", 0, position)
        # As many documents as needed, and not one more.
        inside = {border - position for border in borders if border > position + block}
        assert len(block_.data) <= min(inside, default=len(text)) or len(block_.data) >= block
        position += len(block_.data)
        assert position in borders
    assert position == len(text)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, target=SIZES, block=SIZES, limit=st.integers(1, 30))
def test_the_document_limit_holds_whatever_the_splits_and_blocks(
    scratch: Path, text: bytes, target: int, block: int, limit: int
) -> None:
    text = b"a" + text
    scratch.write_bytes(text)
    borders = sorted(document_borders(text))
    too_large = [a for a, b in pairwise(borders) if b - a > limit]
    try:
        read(str(scratch), target=target, block=block, max_document_bytes=limit)
    except BertprepError as error:
        line = int(str(error).removeprefix(f"{scratch}:").split(":")[0])
        assert line in {1 + text.count(b"\n", 0, start) for start in too_large}
        assert "--max-document-bytes" in str(error)  # noqa: PT017
    else:
        # A long blank line alone is no document.
        assert all(blank(text[start:].split(b"\n")[0]) for start in too_large)


def test_every_white_space_character_makes_a_blank_line() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if 0xD800 <= code <= 0xDFFF or character == "\n":
            continue
        line = f"\n{character}\n".encode()
        if character.isspace():
            assert PlainText().find_boundary(bytearray(line), 1) == len(line), hex(code)
        elif _BLANK_CANDIDATE.search(line):
            assert PlainText().find_boundary(bytearray(line), 1) == 0, hex(code)


def test_a_border_is_the_end_of_the_first_blank_line_after_the_next_line_start(
    folder: Path,
) -> None:
    write("a.txt", b"a\n\nbb\n\n\nc\n")  # Line starts: 0, 2, 3, 6, 7, 8, 10.
    (file,) = find("a.txt").files
    text = PlainText()
    boundaries = [text._move(file, x, CorpusOptions()) for x in range(file.size + 1)]
    assert boundaries == [0, 3, 3, 7, 7, 7, 7, 8, 10, 10, 10]


def test_a_block_holds_whole_documents_of_about_its_size(folder: Path) -> None:
    write("a.txt", b"aaa\n\n" * 10)
    assert [len(block.data) for block in read("a.txt", block=12)] == [15, 15, 15, 5]
    assert [block.offset for block in read("a.txt", block=4)] == list(range(0, 50, 5))


@pytest.mark.parametrize("compression", COMPRESS)
def test_compression_is_known_by_its_bytes_whatever_the_name(
    folder: Path, compression: str
) -> None:
    text = b"".join(b"line %d.\n\n" % k for k in range(50_000))
    for suffix in (".txt", ".gz", ".zst"):
        write(f"a{suffix}", COMPRESS[compression](text))
        (file,) = find(f"a{suffix}").files
        assert file.compression == compression
        assert read_bytes(f"a{suffix}") == text


def test_text_that_begins_like_a_compressed_file_is_text(folder: Path) -> None:
    for text in (b"BZh9 is how it starts.\n", b"(\xb5 no.\n", b"\xfd7z\n", b"\x1f"):
        write("a.txt", text)
        assert find("a.txt").files[0].compression == "none"


@pytest.mark.parametrize("compression", PACKED)
def test_several_streams_in_a_file_are_one_text(folder: Path, compression: str) -> None:
    compress = COMPRESS[compression]
    write("a.txt", b"".join(compress(b"%d\n\n" % k) for k in range(3_000)) + compress(b""))
    assert read_bytes("a.txt") == b"".join(b"%d\n\n" % k for k in range(3_000))
    write("a.txt", compress(b""))
    assert read("a.txt") == []


def test_zeros_after_a_stream_are_padding(folder: Path) -> None:
    for compression in ("gzip", "xz"):
        write("a.txt", COMPRESS[compression](TEXT) + bytes(100_000))
        assert read_bytes("a.txt") == TEXT


def test_skippable_zstd_frames_are_skipped(folder: Path) -> None:
    write("a.txt", b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + zstandard.compress(TEXT))
    assert read_bytes("a.txt") == TEXT


@pytest.mark.parametrize("compression", PACKED)
def test_a_truncated_file_is_an_error_wherever_it_ends(folder: Path, compression: str) -> None:
    packed = COMPRESS[compression](os.urandom(3000).hex().encode())
    for cut in (len(packed) - 1, len(packed) - 5, len(packed) // 2, 11):
        write("a.txt.gz", packed[:cut])
        with pytest.raises(
            BertprepError, match=rf"^a\.txt\.gz: the {compression} stream ends in the middle"
        ):
            read("a.txt.gz")
    write("a.txt.gz", packed + packed[:-1])
    with pytest.raises(BertprepError, match="ends in the middle"):
        read("a.txt.gz")


@pytest.mark.parametrize("compression", PACKED)
def test_a_damaged_file_is_an_error(folder: Path, compression: str) -> None:
    text = os.urandom(3000).hex().encode()
    with_checksum = zstandard.ZstdCompressor(write_checksum=True).compress
    packed = bytearray((with_checksum if compression == "zstd" else COMPRESS[compression])(text))
    packed[len(packed) // 2] ^= 0x10
    write("a.txt", bytes(packed))
    with pytest.raises(BertprepError, match=rf"^a\.txt: the {compression} stream is damaged"):
        read("a.txt")


@pytest.mark.parametrize("unit", [b"\0", b"\n", b"A sentence of a text.\n\n"])
@pytest.mark.parametrize("compression", PACKED)
def test_a_piece_of_text_is_small_whatever_the_compression_ratio(
    folder: Path, compression: str, unit: bytes
) -> None:
    text = unit * ((8 << 20) // len(unit))
    write("a.txt", COMPRESS[compression](text))
    pieces = list(read_text(find("a.txt").files[0]))
    assert b"".join(pieces) == text
    assert max(map(len, pieces)) <= 3 << 17


@pytest.mark.parametrize("compression", PACKED)
def test_the_line_limit_stops_the_decoder(
    folder: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = 0

    def count(file: InputFile) -> Iterator[bytes]:
        nonlocal decoded
        for piece in read_text(file):
            decoded += len(piece)
            yield piece

    monkeypatch.setattr(text_ranges, "read_text", count)
    write("a.txt", COMPRESS[compression](bytes(32 << 20)))
    with pytest.raises(BertprepError, match=r"^a\.txt:1: line is over 1,000 characters"):
        read("a.txt", block=1, max_line_chars=1_000)
    assert decoded < 1 << 20


@pytest.mark.parametrize("content", ["runs", "text", "noise"])
@pytest.mark.parametrize("settings", range(6))
def test_frames_of_zstd_in_all_shapes_are_decoded(
    folder: Path, content: str, settings: int
) -> None:
    random = Random(settings)
    noise = random.randbytes(300_000)
    text = {"runs": bytes(700_000), "text": TEXT * 20_000, "noise": noise}[content]
    compressor = zstandard.ZstdCompressor(
        level=random.choice([1, 9]),
        write_checksum=settings % 2 == 0,
        write_content_size=settings % 3 != 0,
    )
    packed = b""
    for data in (text, b"", text[:300], text[:9]):
        if settings < 3:
            packed += compressor.compress(data)
        else:
            stream = compressor.compressobj()
            packed += stream.compress(data) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            packed += stream.compress(data) + stream.flush()
        packed += b"\x5a\x2a\x4d\x18\x05\0\0\0hello"
    expected = b"".join(data * (1 if settings < 3 else 2) for data in (text, text[:300], text[:9]))
    write("a.txt", packed)
    (file,) = find("a.txt").files
    assert b"".join(read_text(file)) == expected
    for size in (1, 2, 7, 1_000):
        decoder, decoded, rest = ZstdDecoder(), b"", packed[:20_000]
        for start in range(0, len(rest), size):
            decoded += decoder.decompress(rest[start : start + size], 100)
            while not (decoder.eof or decoder.needs_input):
                decoded += decoder.decompress(b"", 100)
            if decoder.eof:
                break
        assert expected.startswith(decoded)
        assert decoder.eof or len(packed) > len(rest)


@pytest.mark.parametrize("compression", PACKED)
def test_other_bytes_after_a_stream_are_an_error(folder: Path, compression: str) -> None:
    write("a.txt", COMPRESS[compression](TEXT) + bytes(8) + b"more text that is not compressed")
    with pytest.raises(BertprepError, match=rf"after the end of the {compression} stream"):
        read("a.txt")


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_large_document_is_an_error_that_names_its_first_line(
    folder: Path, compression: str
) -> None:
    write("a.txt", COMPRESS[compression](b"a\nb\n\n\n" + b"line\n" * 200 + b"\nend\n"))
    for block in (1, 100, 500, 5000):
        with pytest.raises(BertprepError) as caught:
            read("a.txt", block=block, max_document_bytes=500)
        assert str(caught.value) == (
            "a.txt:5: the document that starts here is over 500 bytes, the limit. Are the empty "
            "lines between documents missing? Add them, or pass --max-document-bytes"
        )
    assert len(read("a.txt", block=1, max_document_bytes=1001)) == 3


def test_every_split_of_a_large_document_names_its_first_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_ranges, "_SEARCH_BYTES", 16)
    write("a.txt", b"a\nb\n\n\n" + b"line\n" * 200 + b"\nend\n")
    for split in plan_splits(find("a.txt").files, 100)[:5]:
        with pytest.raises(BertprepError, match=r"^a\.txt:5: the document"):
            list(read_blocks(split, CorpusOptions(max_document_bytes=500), 50))


def test_a_long_line_is_an_error_before_the_rest_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.txt", b"a\n\nb\n" + b"x" * 1_000_000)
    monkeypatch.setattr(text_ranges, "READ_BYTES", 100)
    read_so_far = 0
    plain_read = text_ranges.read_bytes

    def count(file: InputFile, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
        nonlocal read_so_far
        for piece in plain_read(file, start, end, piece_bytes):
            read_so_far += len(piece)
            yield piece

    monkeypatch.setattr(text_ranges, "read_bytes", count)
    for target, enough in ((1 << 30, 10_000), (500_000, 600_000)):
        read_so_far = 0
        with pytest.raises(BertprepError) as caught:
            read("a.txt", target=target, block=3, max_line_chars=1000)
        assert str(caught.value) == (
            "a.txt:4: line is over 1,000 characters, the limit. "
            "Split it into sentences, or pass --max-line-chars"
        )
        assert read_so_far < enough
    write("a.txt", "𝄞".encode() * 1000)
    assert len(read("a.txt", block=1, max_line_chars=1000)) == 1


def rewrite(path: str, data: bytes) -> None:
    """Overwrite a file in place, at least a nanosecond later by its own time."""
    before = os.stat(path).st_mtime_ns
    Path(path).write_bytes(data)
    os.utime(path, ns=(before + 1, before + 1))


@pytest.mark.parametrize(
    ("data", "change"),
    [
        (TEXT[:-1], "had 31 bytes and now has 30"),
        (TEXT + b"!", "had 31 bytes and now has 32"),
        (TEXT[::-1], "was written to during the run"),
    ],
)
def test_a_file_that_changed_since_it_was_found_is_an_error(
    folder: Path, data: bytes, change: str
) -> None:
    write("a.txt")
    splits = plan_splits(find("a.txt").files, 10)
    assert len(splits) == 4
    rewrite("a.txt", data)
    for split in splits:
        with pytest.raises(BertprepError) as caught:
            list(read_blocks(split, CorpusOptions(), 10))
        assert str(caught.value) == (
            f"a.txt: the file {change}: it has changed. Let nothing write to it, and start again"
        )
    os.remove("a.txt")
    with pytest.raises(MachineError, match=r"^a\.txt: cannot be read \(No such file"):
        list(read_blocks(splits[0], CorpusOptions(), 10))


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("data", [TEXT[::-1], TEXT[:5], b"\0" * 9_000])
def test_a_file_that_changes_while_it_is_read_is_an_error(
    folder: Path, data: bytes, compression: str
) -> None:
    write("a.txt", COMPRESS[compression](TEXT * 5_000))
    (split,) = plan_splits(find("a.txt").files, 1 << 30)
    blocks = read_blocks(split, CorpusOptions(), 1_000)
    next(blocks)
    rewrite("a.txt", data)  # reads of what is left give other, damaged or no bytes
    with pytest.raises(BertprepError, match=r"^a\.txt: .* has changed"):
        list(blocks)


def test_the_copy_of_stdin_has_no_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed_stdin(monkeypatch, TEXT)
    (split,) = plan_splits(find("-").files, 100)
    os.utime(split.file.location, ns=(1, 1))
    assert b"".join(block.data for block in read_blocks(split, CorpusOptions(), 5)) == TEXT


@pytest.mark.parametrize("compression", COMPRESS)
def test_line_numbers_count_from_the_start_of_the_file(folder: Path, compression: str) -> None:
    write("a.txt", COMPRESS[compression](TEXT))
    (split,) = plan_splits(find("a.txt").files, 1 << 20)
    numbers = [line_number(split.file, offset) for offset in range(len(TEXT))]
    assert numbers == [1 + TEXT.count(b"\n", 0, offset) for offset in range(len(TEXT))]
    for block in read("a.txt", block=1):
        for line in range(block.data.count(b"\n")):
            assert block.where(line) == f"a.txt:{numbers[block.offset] + line}"
