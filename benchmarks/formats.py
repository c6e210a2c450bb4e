"""The same documents in each format: what `create` takes beside plain text, and decompression.

Whole processes with one worker, in rounds of all formats; seconds are those of the processor, user
and system, of all their processes. Every format must leave shards with the same checksums. What
compression adds is a few hundredths of that: it is measured on reading alone, in this process.
"""

import gzip
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What a format may take beside plain text of the same content.
_MOST = 1.5
#: Reading packed files may take more by this share than their decoder and plain reading together.
_NOISE = 0.1
_READS = 7


def _write_json_lines(path: Path, documents: list[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for number, text in enumerate(documents):
            value = {"id": number, "url": f"https://example.org/{number}", "text": text}
            file.write(json.dumps(value) + "\n")


def _write_parquet(path: Path, documents: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    urls = [f"https://example.org/{number}" for number in range(len(documents))]
    table = pa.table({"url": urls, "text": documents})
    pq.write_table(table, path, row_group_size=max(1, len(documents) // 8), compression="zstd")


def _write_wiki(path: Path, documents: list[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for number, text in enumerate(documents):
            safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            file.write(f'<doc id="{number}" url="u" title="t">\nt\n\n{safe}\n\n</doc>\n')


_FORMATS: dict[str, tuple[str, Callable[[Path, list[str]], None]]] = {
    "jsonl": ("a.jsonl", _write_json_lines),
    "parquet": ("a.parquet", _write_parquet),
    "wikiextractor": ("wiki_00", _write_wiki),
}


def measure(settings: Any, report: Any, work: Path) -> None:
    """Runs the section."""
    import processes
    from corpora import write_repeated

    size = settings.bytes // 10
    problem = processes.enough_disk(work, size)
    if problem:
        report.left_out(f"formats: {problem}")
        return
    text = work / "a.txt"
    write_repeated(text, settings.english, size)
    documents = [part.strip("\n") for part in text.read_text().split("\n\n") if part.strip()]
    files = {"text": text}
    for kind, (name, write) in _FORMATS.items():
        files[kind] = work / name
        write(files[kind], documents)
    files |= _packed(text, "text") | _packed(files["jsonl"], "jsonl")
    seconds = _seconds(settings, report, work, files)
    _add_rows(report, seconds, size)
    for kind, path in files.items():
        if path.suffix in _DECODERS:
            _add_packed_row(report, kind, path, files[kind.partition(".")[0]])
    for path in files.values():
        path.unlink()


def _packed(path: Path, kind: str) -> dict[str, Path]:
    import zstandard

    data = path.read_bytes()
    packed = {".gz": gzip.compress(data, 6), ".zst": zstandard.compress(data, 3)}
    files = {}
    for suffix, found in packed.items():
        files[kind + suffix] = path.with_name(path.name + suffix)
        files[kind + suffix].write_bytes(found)
    return files


def _seconds(
    settings: Any, report: Any, work: Path, files: dict[str, Path]
) -> dict[str, list[float]]:
    """Processor seconds of each run of each file."""
    import processes

    output = work / "records"
    shards = set()
    runs: dict[str, list[float]] = {kind: [] for kind in files}
    for number in range(settings.repeat):
        report.say(f"round {number + 1} of {settings.repeat}")
        for kind, path in files.items():
            # As many partitions for all: sizes, from which they follow, are those of the files.
            command = processes.create(
                path, settings.english.vocab, output, workers=1, partitions=5
            )
            run = processes.run(command)
            manifest = json.loads((output / "manifest.json").read_text())
            shards.add(json.dumps(manifest["shards"]))
            shutil.rmtree(output)
            runs[kind].append(run.cpu)
            report.record("run", what=kind, cpu=run.cpu, wall=run.wall)
            report.say(f"{kind}: {run.cpu:.2f} s of CPU, {run.wall:.2f} s")
    if len(shards) != 1:
        raise SystemExit("the formats do not give the same records")
    return runs


def _add_rows(report: Any, seconds: dict[str, list[float]], size: int) -> None:
    from report import Row, megabytes, yes_or_no

    text = statistics.median(seconds["text"])
    for kind in _FORMATS:
        median = statistics.median(seconds[kind])
        row = Row(
            f"create from {kind}, {megabytes(size)} of text",
            f"{median:.2f} s",
            f"plain text: {text:.2f} s",
            text / median,
            f"{1 / _MOST:.2f}x",
            yes_or_no(median <= _MOST * text),
        )
        report.add(row)


def _decoder_of(suffix: str) -> Any:
    import zlib

    import zstandard

    if suffix == ".gz":
        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    return zstandard.ZstdDecompressor().decompressobj()


_DECODERS = (".gz", ".zst")


def _decode(path: Path) -> None:
    decoder = _decoder_of(path.suffix)
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(1 << 15):
            decoder.decompress(piece)


def _read(path: Path) -> None:
    """Reads a file as the stages do."""
    from bertprep.corpus import find_formats, find_inputs, plan_splits, read_blocks
    from bertprep.create.job import BLOCK_BYTES
    from bertprep.options import CorpusOptions

    nowhere, options = path.with_name("nowhere"), CorpusOptions()
    found = find_inputs([str(path)], vocab=nowhere, output=nowhere, spool=nowhere)
    files, _ = find_formats(found.files, options)
    for split in plan_splits(files, BLOCK_BYTES, options):
        for _ in read_blocks(split, options, BLOCK_BYTES):
            pass


def _add_packed_row(report: Any, kind: str, packed: Path, plain: Path) -> None:
    from report import Row, yes_or_no

    runs: dict[str, list[float]] = {"packed": [], "plain": [], "decoder": []}
    for _ in range(_READS):
        for name, work in (
            ("packed", lambda: _read(packed)),
            ("plain", lambda: _read(plain)),
            ("decoder", lambda: _decode(packed)),
        ):
            begin = time.process_time()
            work()
            runs[name].append(time.process_time() - begin)
    report.record("run", what=f"read {kind}", **runs)
    ours, theirs, alone = (statistics.median(runs[name]) for name in runs)
    row = Row(
        f"read {kind}",
        f"{ours:.3f} s",
        f"decoder alone: {alone:.3f} s, plain: {theirs:.3f} s",
        (alone + theirs) / ours,
        f"{1 / (1 + _NOISE):.2f}x",
        yes_or_no(ours <= (alone + theirs) * (1 + _NOISE)),
    )
    report.add(row)


if __name__ == "__main__":
    sys.exit("a section of bench.py: python benchmarks/bench.py formats")
