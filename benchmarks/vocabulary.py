"""`bertprep vocab` beside Hugging Face's trainer: the same text, the same size, two cores.

Documents held out of the text say how good the vocabularies are: the tokens a sentence that each
needs, counted by one tokenizer, the plain one. Whole processes, from start to exit, in turns.

Example:
    python benchmarks/vocabulary.py train text.txt vocab.txt
"""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # as a child of the benchmarks
    sys.path[:0] = [str(Path(__file__).parents[1])]

_SIZE = 30522
_WORKERS = 2
_TEXT_BYTES = 40_000_000
_HELD_OUT = 0.02
_MOST_TOKENS, _MOST_BYTES = 1.02, 1 << 30
OURS, PEER = "bertprep vocab", "BertWordPieceTokenizer.train"


def train(text: str, output: str) -> None:
    """The peer's way, as its documentation has it; its limit of 1,000 characters is its own."""
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train([text], vocab_size=_SIZE, show_progress=False)
    Path(output).write_text(
        "".join(f"{token}\n" for token in sorted(tokenizer.get_vocab(), key=tokenizer.token_to_id)),
        "utf-8",
    )


def main() -> None:
    """Runs the peer in a process of its own."""
    train(sys.argv[2], sys.argv[3])


def measure(settings: Any, report: Any, work: Path) -> None:
    """Runs the section."""
    import processes
    from corpora import Text, write_repeated
    from report import Row, megabytes, yes_or_no

    documents = settings.english.documents
    held_out = documents[:: round(1 / _HELD_OUT)]
    kept_back = set(held_out)
    others = [document for document in documents if document not in kept_back]
    rest = Text("English", b"\n\n".join(others) + b"\n\n", settings.english.vocab, False)
    text = work / "english.txt"
    size = write_repeated(text, rest, min(settings.bytes, _TEXT_BYTES))
    files = {name: work / f"{number}-vocab.txt" for number, name in enumerate((OURS, PEER))}
    commands = {
        OURS: [*_ours(text, files[OURS]), "--workers", str(_WORKERS)],
        PEER: [sys.executable, __file__, "train", str(text), str(files[PEER])],
    }
    try:
        import tokenizers  # noqa: F401
    except ImportError as error:
        report.left_out(f"vocab, {PEER}: {error}")
        del commands[PEER]
    runs: dict[str, list[processes.Run]] = {name: [] for name in commands}
    for number in range(settings.repeat):
        report.say(f"round {number + 1} of {settings.repeat}")
        for name, command in commands.items():
            run = processes.run(command)
            runs[name].append(run)
            report.record("run", what=name, bytes=size, wall=run.wall, cpu=run.cpu)
            report.say(f"{name}: {run.wall:.1f} s, {run.cpu:.1f} s of CPU")
    one = work / "one-vocab.txt"
    processes.run([*_ours(text, one), "--workers", "1"])
    same = one.read_bytes() == files[OURS].read_bytes()
    report.add(Row("same bytes with one worker", goal="yes", met=yes_or_no(same)))
    if PEER in commands:
        for what, goal in (("wall", "1x"), ("cpu", "")):
            ours, peer = (
                statistics.median(getattr(run, what) for run in runs[name]) for name in files
            )
            ratio = peer / ours
            met = yes_or_no(ratio >= 1) if goal else ""
            what = "" if what == "wall" else " of CPU"
            shown = f"{ours:.1f} s{what}", f"{PEER}: {peer:.1f} s{what}"
            report.add(Row(f"{megabytes(size)}, {_SIZE:,} lines", *shown, ratio, goal, met))
        lines = [line.decode() for document in held_out for line in document.split(b"\n")]
        ours, peer = (_tokens_a_sentence(lines, path) for path in files.values())
        report.record("tokens", ours=ours, peer=peer, sentences=len(lines))
        met = yes_or_no(ours <= _MOST_TOKENS * peer)
        shown = f"{ours:.2f}", f"{PEER}: {peer:.2f}"
        what = f"tokens a sentence held out, {len(lines):,}"
        report.add(Row(what, *shown, peer / ours, "at least 0.98x", met))
    _measure_memory(settings, report, work, text)
    text.unlink()


def _ours(text: Path, output: Path) -> list[str]:
    import processes

    command = processes.bertprep("vocab", text, "--output", output, "--size", _SIZE)
    return [*command, "--overwrite", "--quiet"]


def _tokens_a_sentence(lines: Sequence[str], vocab: Path) -> float:
    from bertprep.tokenization import FullTokenizer

    tokenizer = FullTokenizer(vocab)
    return sum(len(tokenizer.tokenize(line)) for line in lines) / len(lines)


def _measure_memory(settings: Any, report: Any, work: Path, text: Path) -> None:
    import processes
    from corpora import write_repeated
    from memory import peak_pss
    from report import Row, megabytes, yes_or_no

    if not Path("/proc/self/smaps_rollup").exists():
        report.left_out("vocab, memory: this system has no /proc/PID/smaps_rollup")
        return
    size = write_repeated(text, settings.english, settings.bytes)
    command = [*_ours(text, work / "vocab.txt"), "--workers", str(_WORKERS)]
    peak, samples = peak_pss(command)
    wall = processes.run(command).wall
    report.record("run", what="memory", bytes=size, peak_pss=peak, samples=samples, wall=wall)
    report.add(
        Row(
            f"peak PSS, {megabytes(size)}, {_WORKERS} workers",
            f"{peak / 2**20:.0f} MiB, {size / 1e6 / wall:.0f} MB/s",
            goal="under 1 GiB",
            met=yes_or_no(peak < _MOST_BYTES),
        )
    )


if __name__ == "__main__":
    main()
