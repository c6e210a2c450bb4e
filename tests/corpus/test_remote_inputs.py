"""Inputs on object stores and web servers: the same files, the same bytes, and every way to fail.

A web server of the test answers on this machine; `memory://` and `local://` are fsspec's own.
"""

import bz2
import gzip
import lzma
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import fsspec
import psutil
import pytest
import zstandard
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from waiting import LIMIT, finish
from web_server import Fault, WebServer

from bertprep.cli import main
from bertprep.corpus import Inputs, find_inputs, plan_splits, read_blocks
from bertprep.create import job as create_job
from bertprep.create import tokenizing
from bertprep.data import RemoteFile
from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.options import CorpusOptions, place
from bertprep.storage import open_remote, reading, require_unchanged, stores
from bertprep.storage import run_in_subprocess as apart

ROOT = Path(__file__).parents[2]
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}
TEXT = b"".join(b"Line %d stands here.\n%s" % (i, b"\n" * (i % 5 == 0)) for i in range(3_000))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No waits between tries, no proxy, and nothing left in fsspec's memory."""
    monkeypatch.setattr(stores, "WAITS", (0.0,) * len(stores.WAITS))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fsspec.filesystem("memory").store.clear()
    yield
    fsspec.filesystem("memory").store.clear()
    fsspec.filesystem("memory").pseudo_dirs[:] = [""]


def remember(**files: bytes) -> None:
    for name, data in files.items():
        fsspec.filesystem("memory").pipe_file(f"/{name}", data)


def find(*patterns: str, vocab: Path = Path("vocab.txt"), output: str | Path = "out") -> Inputs:
    return find_inputs(patterns, vocab=vocab, output=output, spool=Path("spool"))


def names(*patterns: str, **keywords: Any) -> list[str]:
    return [file.path for file in find(*patterns, **keywords).files]


def read(inputs: Inputs) -> bytes:
    splits = plan_splits(inputs.files, 10_000)
    return b"".join(
        block.data for split in splits for block in read_blocks(split, CorpusOptions(), 4_000)
    )


# Which files


def test_a_folder_comes_in_byte_order_without_hidden_and_other_files() -> None:
    for name in ("b.txt", "Z.txt", "é.txt", "a/x.text.gz", "a/y", "a-b.txt"):
        remember(**{f"corpus/{name}": TEXT})
    for name in (".hidden.txt", "a/.git/x.txt", "a/picture.png"):
        remember(**{f"corpus/{name}": TEXT})
    expected = ["Z.txt", "a-b.txt", "a/x.text.gz", "a/y", "b.txt", "é.txt"]
    assert names("memory://corpus") == [f"memory://corpus/{name}" for name in expected]
    assert names("memory://corpus/") == names("memory://corpus")


def test_a_glob_takes_any_suffix_and_hidden_files_only_where_they_are_asked_for() -> None:
    for name in ("a.md", "b.md", ".c.md", "d/e.md", "d/.f/g.md"):
        remember(**{f"corpus/{name}": TEXT})
    assert names("memory://corpus/*.md") == ["memory://corpus/a.md", "memory://corpus/b.md"]
    assert names("memory://corpus/.*.md") == ["memory://corpus/.c.md"]
    every = ["a.md", "b.md", "d/e.md"]
    assert names("memory://corpus/**/*.md") == [f"memory://corpus/{name}" for name in every]


def test_patterns_keep_their_order_beside_local_ones(tmp_path: Path) -> None:
    remember(**{"z.txt": TEXT, "a.txt": TEXT})
    here = tmp_path / "here.txt"
    here.write_bytes(TEXT)
    given = ["memory://z.txt", str(here), "memory://a.txt"]
    assert names(*given) == given


def test_a_file_that_is_named_twice_is_read_once() -> None:
    remember(**{"corpus/a.txt": TEXT})
    inputs = find("memory://corpus/a.txt", "memory://corpus")
    assert [file.path for file in inputs.files] == ["memory://corpus/a.txt"]
    assert inputs.warnings == ("memory://corpus/a.txt: named more than once, read once",)


def test_file_urls_are_paths(tmp_path: Path) -> None:
    path = tmp_path / "a b.txt"
    path.write_bytes(TEXT)
    assert find(f"file://{path}") == find(str(path))
    assert place(f"file://{path}") == path
    assert place("s3://bucket/run") == "s3://bucket/run"


def test_what_lies_in_the_output_is_no_input() -> None:
    remember(**{"bucket/a.txt": TEXT, "bucket/run/b.txt": TEXT, "bucket/runs.txt": TEXT})
    found = names("memory://bucket", output="memory://bucket/run")
    assert found == ["memory://bucket/a.txt", "memory://bucket/runs.txt"]
    with pytest.raises(UsageError, match="this input is in the output folder"):
        find("memory://bucket/run/b.txt", output="memory://bucket/run/")


def test_a_copy_of_the_vocabulary_is_no_text(tmp_path: Path) -> None:
    vocab = tmp_path / "vocab.txt"
    vocab.write_bytes(b"[PAD]\n[UNK]\n")
    remember(**{"corpus/a.txt": TEXT, "corpus/vocab.txt": vocab.read_bytes()})
    remember(**{"other/vocab.txt": b"[PAD]\n[UNX]\n"})
    assert names("memory://corpus", vocab=vocab) == ["memory://corpus/a.txt"]
    assert names("memory://other", vocab=vocab) == ["memory://other/vocab.txt"]
    with pytest.raises(UsageError, match="this is the vocabulary"):
        find("memory://corpus/vocab.txt", vocab=vocab)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("memory://nothing.txt", "no such file or folder"),
        ("memory://corpus/*.nope", "no file matches this glob"),
        ("memory://pictures", "no text files in this folder"),
        ("memory://corpus/wide.md", "this text is UTF-16"),
        ("nosuch://a/b", "unknown scheme nosuch://"),
        ("https://example.org/corpus/", "a web server cannot list files"),
        ("https://example.org/*.txt", "a web server cannot list files"),
    ],
)
def test_a_name_that_cannot_be_read_is_one_line(pattern: str, message: str) -> None:
    remember(**{"corpus/wide.md": b"\xff\xfea\0", "pictures/a.png": b"png"})
    with pytest.raises(BertprepError, match=message) as caught:
        find(pattern)
    assert str(caught.value).startswith(pattern)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UsageError, match=r"s3:// needs another package: pip install s3fs$"):
        find("s3://bucket/a.txt")


def test_a_web_page_is_read_with_a_warning() -> None:
    with WebServer({"a.txt": TEXT}, media_type="text/html") as server:
        inputs = find(server.url("a.txt"))
    assert inputs.warnings == (
        f"{server.url('a.txt')}: the server calls it a web page; read as text",
    )


def test_a_file_of_unknown_size_is_to_be_piped() -> None:
    expected = r"does not state the size .* bertprep create -$"
    with (
        WebServer({"a.txt": TEXT}, has_size=False) as server,
        pytest.raises(UsageError, match=expected),
    ):
        find(server.url("a.txt"))


def test_a_web_file_that_is_not_there_is_a_mistake() -> None:
    with WebServer({}) as server, pytest.raises(UsageError, match="no such file"):
        find(server.url("a.txt"))


# Their bytes


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("store", ["ranges", "no ranges", "memory", "local"])
def test_the_bytes_are_those_of_the_file(store: str, compression: str, tmp_path: Path) -> None:
    data = COMPRESS[compression](TEXT)
    remember(**{"a.txt": data})
    (tmp_path / "a.txt").write_bytes(data)
    with WebServer({"a.txt": data}, has_ranges=store == "ranges") as server:
        url = {"memory": "memory://a.txt", "local": f"local://{tmp_path}/a.txt"}.get(
            store, server.url("a.txt")
        )
        inputs = find(url)
        assert read(inputs) == TEXT
    assert inputs.files[0].compression == compression
    assert inputs.files[0].size == len(data)


def test_blocks_of_a_remote_file_are_those_of_a_local_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    remember(**{"a.txt": TEXT})

    def cuts(pattern: str) -> list[tuple[int, bytes]]:
        splits = plan_splits(find(pattern).files, 7_000)
        options = CorpusOptions()
        return [(b.offset, bytes(b.data)) for s in splits for b in read_blocks(s, options, 2_000)]

    assert cuts("memory://a.txt") == cuts(str(tmp_path / "a.txt"))


def test_a_split_fetches_its_range_over_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer({"a.txt": TEXT}) as server:
        split = plan_splits(find(server.url("a.txt")).files, 10_000)[3]
        server.requests.clear()
        server.connections = 0
        assert b"".join(b.data for b in read_blocks(split, CorpusOptions(), 1 << 20))
        spans = [span for method, _, span in server.requests if method == "GET" and span]
        assert len(spans) == 3  # both borders, and what is between them
        assert server.requests[-1][0] == "HEAD"  # unchanged to the end
        assert server.connections <= 2


def test_pieces_grow_to_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 20_000)
    with WebServer({"a.txt": TEXT}) as server:
        file = find(server.url("a.txt")).files[0].remote
        assert file is not None
        server.requests.clear()
        pieces = list(reading.read_remote(file, 100, 60_000, 1_000))
        assert b"".join(pieces) == TEXT[100:60_000]
        assert {len(piece) for piece in pieces[:-1]} == {1_000}
        spans = [span for _, _, span in server.requests if span]
    assert spans == [
        *("bytes=100-1099", "bytes=1100-9099", "bytes=9100-29099", "bytes=29100-49099"),
        "bytes=49100-59999",
    ]


def test_a_server_without_ranges_is_asked_once_for_each_file() -> None:
    with WebServer({"a.txt": TEXT}, has_ranges=False) as server:
        inputs = find(server.url("a.txt"))
        assert len(plan_splits(inputs.files, 1_000)) == 1
        server.requests.clear()
        assert read(inputs) == TEXT
        assert [method for method, _, _ in server.requests] == ["GET", "HEAD"]


def remote_file(url: str) -> RemoteFile:
    (file,) = find(url).files
    assert file.remote
    return file.remote


def test_a_seekable_file_reads_as_a_local_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    draw = random.Random(5)
    with (
        WebServer({"a.txt": TEXT}) as server,
        open(tmp_path / "a.txt", "rb") as plain,
        open_remote(remote_file(server.url("a.txt"))) as stream,
    ):
        assert stream.seek(-10, os.SEEK_END) == plain.seek(-10, os.SEEK_END)
        assert stream.read() == plain.read() == TEXT[-10:]
        for _ in range(50):
            position, size = draw.randrange(len(TEXT) + 10), draw.randrange(9_000)
            plain.seek(position)
            stream.seek(position)
            assert stream.read(size) == plain.read(size)
            assert stream.tell() == plain.tell()


def test_a_seekable_file_that_has_changed_is_refused_at_the_end() -> None:
    with WebServer({"a.txt": TEXT}) as server:
        file = remote_file(server.url("a.txt"))
        with open_remote(file) as stream:
            assert stream.read(100) == TEXT[:100]
        require_unchanged(file)
        server.files["a.txt"] = TEXT[::-1]
        with pytest.raises(BertprepError, match="it has changed"):
            require_unchanged(file)


def test_a_seekable_file_needs_ranges() -> None:
    with WebServer({"a.txt": TEXT}, has_ranges=False) as server:
        file = remote_file(server.url("a.txt"))
    with pytest.raises(UsageError, match="does not support byte ranges"):
        open_remote(file)


# What goes wrong


def faults(*of_gets: Fault) -> Callable[[str, int], Fault]:
    """The fault of each GET after the two that look at a file."""
    return lambda _, number: of_gets[number - 3] if 0 <= number - 3 < len(of_gets) else None


@pytest.mark.parametrize("has_ranges", [True, False])
@pytest.mark.parametrize("fault", [500, 503, 429, "cut"])
def test_what_passes_is_tried_again(fault: Fault, has_ranges: bool) -> None:
    with WebServer({"a.txt": TEXT}, has_ranges=has_ranges, fault=faults(fault, fault)) as server:
        assert read(find(server.url("a.txt"))) == TEXT


@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_server_that_breaks_each_time_is_one_line(has_ranges: bool) -> None:
    def fault(_: str, number: int) -> Fault:
        return 500 if number > 2 else None

    with WebServer({"a.txt": TEXT}, has_ranges=has_ranges, fault=fault) as server:
        inputs = find(server.url("a.txt"))
        expected = r"a.txt: cannot be read at byte [\d,]+ \(500 Internal Server Error, tried 8 "
        with pytest.raises(MachineError, match=expected):
            read(inputs)


def test_a_stream_that_always_breaks_names_the_byte() -> None:
    # Half of the file comes each time, and no more.
    with WebServer({"a.txt": TEXT}, has_ranges=False, fault=lambda *_: "cut") as server:
        file = RemoteFile(server.url("a.txt"), len(TEXT), "", has_ranges=False)
        pieces = reading.read_remote(file, 0, len(TEXT), 1_000)
        got: list[bytes] = []
        with pytest.raises(MachineError, match=r"at byte [\d,]+ \(.*, tried 8 times\)") as caught:
            got.extend(pieces)
    read_so_far = b"".join(got)
    assert TEXT.startswith(read_so_far)
    assert f"at byte {len(read_so_far):,} (" in str(caught.value)


def test_what_is_forbidden_is_not_tried_twice() -> None:
    with WebServer({"a.txt": TEXT}, fault=faults(403)) as server:
        inputs = find(server.url("a.txt"))
        server.requests.clear()
        with pytest.raises(MachineError, match=r"\(403 Forbidden\)$"):
            read(inputs)
        assert len(server.requests) == 1


@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_file_that_vanishes_half_way_is_one_line(has_ranges: bool) -> None:
    with WebServer({"a.txt": TEXT}, has_ranges=has_ranges) as server:
        inputs = find(server.url("a.txt"))
        del server.files["a.txt"]
        with pytest.raises(MachineError, match=r"a.txt: has disappeared, at byte .* resume"):
            read(inputs)
        server.files["a.txt"] = TEXT
        assert read(inputs) == TEXT


@pytest.mark.parametrize("has_ranges", [True, False])
@pytest.mark.parametrize("new", [TEXT[:20_000], TEXT + b"more", TEXT[::-1]])
def test_a_file_that_changes_half_way_is_an_error(new: bytes, has_ranges: bool) -> None:
    with WebServer({"a.txt": TEXT}, has_ranges=has_ranges) as server:
        inputs = find(server.url("a.txt"))
        server.files["a.txt"] = new
        with pytest.raises(BertprepError, match=r"it has changed\. Let nothing write") as caught:
            read(inputs)
    assert not isinstance(caught.value, MachineError)


class StoreError(Exception):
    """As of a store's library: S3's keeps its status in a dict, others in an attribute."""

    def __init__(self, status: int, attribute: str) -> None:
        super().__init__("as the store\nsays")
        is_amazon = attribute == "response"
        value = {"ResponseMetadata": {"HTTPStatusCode": status}} if is_amazon else status
        setattr(self, attribute, value)


@pytest.mark.parametrize("attribute", ["response", "status", "status_code", "code"])
@pytest.mark.parametrize(("status", "tries"), [(403, 1), (400, 1), (429, 8), (500, 8), (503, 8)])
def test_a_status_tells_whether_to_try_again(status: int, tries: int, attribute: str) -> None:
    calls = count()

    def fail() -> None:
        next(calls)
        raise StoreError(status, attribute)

    with pytest.raises(MachineError, match=rf"^s3://b/a: cannot be read \({status} as the store "):
        stores.attempt("s3://b/a", "cannot be read", fail)
    assert next(calls) == tries
    with pytest.raises(FileNotFoundError):
        stores.attempt("s3://b/a", "cannot be read", partial(raise_, StoreError(404, attribute)))


def raise_(error: Exception) -> None:
    raise error


def test_a_message_does_not_show_the_signature_that_an_error_repeats() -> None:
    url = "https://host/a.txt?sig=secret"
    with pytest.raises(MachineError) as caught:
        stores.attempt(url, "cannot be read", partial(raise_, ValueError(f"no {url}")))
    assert str(caught.value) == (
        "https://host/a.txt: cannot be read (ValueError: no https://host/a.txt)"
    )


@given(st.integers(0, 10**9), st.integers(0, 10**8), st.integers(1, 10**7))
def test_spans_cover_the_range_in_pieces_that_are_not_too_large(
    start: int, size: int, first: int
) -> None:
    first = min(max(first, size // 1_000 + 1), reading.PIECE_BYTES)
    spans = list(reading._spans(start, start + size, first))
    assert [begin for begin, _ in spans] == [start, *(end for _, end in spans)][: len(spans)]
    assert (spans[-1][1] if spans else start) == start + size
    assert all(0 < end - begin <= reading.PIECE_BYTES for begin, end in spans)


# Apart


def explode() -> None:
    raise UsageError("as it was said there")


def test_a_call_apart_brings_results_and_errors_back() -> None:
    assert apart(divmod, 17, 5) == (3, 2)
    with pytest.raises(UsageError, match=r"^as it was said there$"):
        apart(explode)
    with pytest.raises(ZeroDivisionError):
        apart(divmod, 1, 0)
    with pytest.raises(MachineError, match=r"died \(exit code 3\)"):
        apart(os._exit, 3)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_a_run_that_is_stopped_while_a_server_is_silent_leaves_nobody_behind(
    number: int, status: int, sample_corpus: Path, tmp_path: Path
) -> None:
    waiting, go_on = threading.Event(), threading.Event()

    def fault(_: str, __: int) -> Fault:
        waiting.set()
        go_on.wait()
        return None

    with WebServer({"a.txt": TEXT}, fault=fault) as server:
        words = [server.url("a.txt"), "--vocab", str(sample_corpus / "vocab.txt")]
        words += ["--output", str(tmp_path / "out")]
        process = subprocess.Popen(
            [sys.executable, "-m", "bertprep", "create", *words], stderr=subprocess.PIPE, cwd=ROOT
        )
        try:
            assert waiting.wait(LIMIT)
            children = psutil.Process(process.pid).children()
            assert len(children) == 1
            process.send_signal(number)
            exit_status, _, stderr = finish(process)
            assert exit_status == status
            assert stderr.count(b"\n") == (0 if number == signal.SIGKILL else 1)
            assert psutil.wait_procs(children, LIMIT)[1] == []
        finally:
            process.kill()
            go_on.set()


# The whole command


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks, splits and blobs of a small corpus."""
    monkeypatch.setattr(tokenizing, "BLOCK_BYTES", 4_000)
    monkeypatch.setattr(create_job, "BLOCK_BYTES", 12_000)


def create(corpus: Path, output: Path, *inputs: str) -> Result:
    flags = ["--vocab", str(corpus / "vocab.txt"), "--output", str(output), "--workers", "2"]
    flags += ["--num-partitions", "3", "--dupe-factor", "2", "--quiet"]
    return CliRunner().invoke(main, ["create", *inputs, *flags])


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("tf_examples*")}


def corpus_files(corpus: Path) -> dict[str, bytes]:
    return {
        "english-a.txt": (corpus / "english-a.txt").read_bytes(),
        "chinese.txt.gz": gzip.compress((corpus / "chinese.txt").read_bytes(), mtime=0),
        "scripts.txt": (corpus / "scripts.txt").read_bytes(),
    }


@pytest.fixture
def expected(sample_corpus: Path, tmp_path: Path, small_blocks: None) -> dict[str, bytes]:
    (tmp_path / "local").mkdir()
    for name, data in corpus_files(sample_corpus).items():
        (tmp_path / "local" / name).write_bytes(data)
    inputs = [str(tmp_path / "local" / name) for name in corpus_files(sample_corpus)]
    assert create(sample_corpus, tmp_path / "expected", *inputs).exit_code == 0
    return shards(tmp_path / "expected")


@pytest.mark.parametrize("has_ranges", [True, False])
def test_workers_read_from_a_server_what_they_read_from_a_disk(
    has_ranges: bool, sample_corpus: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    with WebServer(corpus_files(sample_corpus), has_ranges=has_ranges) as server:
        urls = [server.url(name) for name in server.files]
        # An event loop of fsspec's in the process that forks does no harm.
        fsspec.filesystem("http").info(urls[0])
        result = create(sample_corpus, tmp_path / "out", *urls)
    assert result.exit_code == 0, result.output
    assert shards(tmp_path / "out") == expected


def test_a_run_goes_on_when_a_file_is_back(
    sample_corpus: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    calls = count()
    work = tmp_path / "out/.bertprep"

    def fault(name: str, number: int) -> Fault:
        # The last file: others are tokenized by then, and the look before the work is over.
        is_time = name == "scripts.txt" and any(work.glob("tokens-*.json"))
        return "gone" if is_time and next(calls) == 0 else None

    with WebServer(corpus_files(sample_corpus), fault=fault) as server:
        urls = [server.url(name) for name in server.files]
        result = create(sample_corpus, tmp_path / "out", *urls)
        assert result.exit_code == 1
        assert "scripts.txt: has disappeared, at byte" in result.stderr
        assert result.stderr.count("\n") == 1
        left = {path.name for path in (tmp_path / "out").iterdir()}
        assert left == {"plan.json", ".bertprep"}
        server.files |= corpus_files(sample_corpus)
        assert any(work.glob("tokens-*.json"))
        result = create(sample_corpus, tmp_path / "out", *urls)
        assert result.exit_code == 0, result.output
    assert shards(tmp_path / "out") == expected


def test_a_changed_file_leaves_nothing_half_made(
    sample_corpus: Path, tmp_path: Path, small_blocks: None
) -> None:
    with WebServer(corpus_files(sample_corpus)) as server:

        def fault(name: str, number: int) -> Fault:
            if name == "scripts.txt" and number > 3:
                server.files[name] = server.files[name][:-7]
            return None

        server.fault = fault
        result = create(sample_corpus, tmp_path / "out", server.url("scripts.txt"))
    assert result.exit_code == 1
    assert "it has changed" in result.stderr
    assert not (tmp_path / "out").exists()


def test_another_version_of_a_file_is_another_plan(
    sample_corpus: Path, tmp_path: Path, small_blocks: None
) -> None:
    with WebServer(corpus_files(sample_corpus)) as server:
        url = server.url("english-a.txt")
        signed = f"{url}?X-Amz-Signature="
        assert create(sample_corpus, tmp_path / "out", f"{signed}1").exit_code == 0
        plan = (tmp_path / "out/plan.json").read_text()
        assert "Signature" not in plan
        assert url in plan
        # A signature is renewed from day to day, and the file is the same.
        again = create(sample_corpus, tmp_path / "out", f"{signed}2")
        assert again.exit_code == 0
        data = bytearray(server.files["english-a.txt"])
        data[0] ^= 1
        server.files["english-a.txt"] = bytes(data)
        result = create(sample_corpus, tmp_path / "out", f"{signed}3")
    assert result.exit_code == 2
    assert f"input {url} was" in result.stderr
    assert "Signature" not in result.stderr


def test_create_without_a_url_does_not_load_fsspec(sample_corpus: Path, tmp_path: Path) -> None:
    program = """
import sys
from bertprep.cli import main
main(["create", *sys.argv[1:], "--dupe-factor", "1", "--quiet"], standalone_mode=False)
assert not {"fsspec", "aiohttp", "asyncio"} & sys.modules.keys()
"""
    arguments = [sample_corpus / "scripts.txt", "--vocab", sample_corpus / "vocab.txt"]
    arguments += ["--output", tmp_path / "out"]
    subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=True, cwd=ROOT)
    assert (tmp_path / "out/manifest.json").exists()
