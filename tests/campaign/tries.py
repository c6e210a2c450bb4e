"""The tries: each makes an input with a seeded generator, runs commands on it, and judges them.

A try is a function of a generator, the seeds and an empty folder; it returns a complaint, or
nothing. `TRIES` has each with its weight.
"""

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import reference
from forks import run
from judging import Snapshot, complaint
from mutations_of_files import mutated_bytes, mutated_json, mutated_text
from seeds import COMPRESSIONS, Seeds
from tfrecords import read_features

from bertprep import FullTokenizer, TokenizerOptions

Try = Callable[[Random, Seeds, Path], str]
_OUTPUTS = ("out", "out.bertprep", ".out.bertprep", "vocab-out.txt", "report.html")


def _create(corpus: str, vocabulary: object, *more: object) -> list[str]:
    arguments = ["create", corpus, "--vocab", vocabulary, "--output", "out", "--workers", "1"]
    return [str(each) for each in (*arguments, "--dupe-factor", "1", *more)]


def _judge(folder: Path, *commands: list[str], faults_are_results: bool = False) -> str:
    """Run commands one after the other; return the first complaint."""
    before = Snapshot(folder, _OUTPUTS)
    for arguments in commands:
        found = complaint(run(arguments, folder), may_fail_silently=faults_are_results)
        found = found or before.complaint()
        if found:
            return f"{found} [{' '.join(arguments)}]"
    return ""


def corpora(rng: Random, seeds: Seeds, folder: Path) -> str:
    """A corpus of any format with faults, perhaps compressed, its name perhaps another."""
    suffix, data = rng.choice(list(seeds.files.items()))
    if suffix == ".txt" and rng.random() < 0.5:
        data = mutated_text(rng, data.decode()).encode()
    else:
        data = mutated_bytes(rng, data)
    if rng.random() < 0.3:
        more, compress = rng.choice(list(COMPRESSIONS.items()))
        data, suffix = compress(data), suffix + more
        if rng.random() < 0.5:
            data = mutated_bytes(rng, data)
    (folder / f"corpus{suffix}").write_bytes(data)
    flags: list[object] = []
    if suffix.startswith(".paragraphs"):
        flags = ["--format", "paragraphs", "--split-sentences", "en"]
    if suffix.startswith(".wiki"):
        flags = ["--format", "wikiextractor"]
    for name, values in (
        ("--encoding-errors", ("strict", "replace", "skip")),
        ("--on-error", ("stop", "skip")),
        ("--rows", ("documents", "lines")),
        ("--max-line-chars", (10, 1000)),
        ("--max-sentence-tokens", (2, 40)),
    ):
        if rng.random() < 0.25:
            flags += [name, rng.choice(values)]
    commands = [_create(f"corpus{suffix}", seeds.vocabulary, *flags)]
    if rng.random() < 0.2:
        commands[0].append("--dry-run")
    elif rng.random() < 0.2:
        size = ["--size", "800", "--output", "vocab-out.txt", "--workers", "1"]
        commands = [["vocab", f"corpus{suffix}", *size]]
    return _judge(folder, *commands)


def vocabularies(rng: Random, seeds: Seeds, folder: Path) -> str:
    """A vocabulary with faults."""
    lines = seeds.vocabulary.read_bytes().split(b"\n")
    kept = lines[:5] + rng.sample(lines[5:], rng.choice([0, 10, 300]))
    rng.random() < 0.2 and rng.shuffle(kept)
    (folder / "v.txt").write_bytes(mutated_bytes(rng, b"\n".join(kept) + b"\n", 2))
    (folder / "a.txt").write_text("\n\n".join("\n".join(d) for d in seeds.some_documents(rng)))
    flags = rng.choice(
        [[], ["--no-lowercase"], ["--quirks", "fix"], ["--no-tokenize-chinese-chars"]]
    )
    if rng.random() < 0.3:
        output = ["--output", "vocab-out.txt", "--workers", "1"]
        return _judge(folder, ["vocab", "a.txt", "--extend", "v.txt", *output])
    return _judge(folder, _create("a.txt", "v.txt", *flags))


_NUMBERS = ("0", "-1", "1", "7", "10000000000000000000000", "1e9", "nan", "0.5", "", "x", "２")
_FLAGS = (
    *("--max-seq-length", "--max-predictions-per-seq", "--masked-lm-prob", "--short-seq-prob"),
    *("--seed", "--num-shards", "--num-partitions", "--eval-fraction", "--max-line-chars"),
    *("--max-input-chars-per-word", "--max-document-bytes", "--max-sentence-tokens"),
)


def flags(rng: Random, seeds: Seeds, folder: Path) -> str:
    """Flags with values that nobody should pass."""
    (folder / "a.txt").write_text("\n\n".join("\n".join(d) for d in seeds.some_documents(rng)))
    chosen = []
    for _ in range(rng.randint(1, 3)):
        chosen += [rng.choice(_FLAGS), rng.choice([*_NUMBERS, str(rng.randint(1, 300))])]
    ending = run(_create("a.txt", seeds.vocabulary, *chosen), folder)
    # click's own errors have a line of usage, and ours none.
    return complaint(ending, may_fail_silently="Usage:" in ending.stderr)


def resumed_folders(rng: Random, seeds: Seeds, folder: Path) -> str:
    """A data set whose plan or manifest has faults, and the same command again."""
    (folder / "a.txt").write_text("\n\n".join("\n".join(d) for d in seeds.some_documents(rng)))
    command = _create("a.txt", seeds.vocabulary, "--eval-fraction", "0.2")
    run(command, folder)
    if not (folder / "out" / "manifest.json").exists():
        return ""  # too few documents: an error, judged elsewhere
    path = folder / "out" / rng.choice(["plan.json", "manifest.json"])
    path.write_bytes(mutated_json(rng, path.read_bytes()))
    if rng.random() < 0.5:
        (folder / "out" / "manifest.json").unlink()
    return _judge(
        folder,
        ["inspect", "out", *rng.choice([[], ["--stats", "--workers", "1"]])],
        [*command, *rng.choice([[], ["--overwrite"], ["--dry-run"]])],
        faults_are_results=True,
    )


def records(rng: Random, seeds: Seeds, folder: Path) -> str:
    """A shard with faults, or its vocabulary or manifest, looked into in every way."""
    source = _good_records(seeds)
    shutil.copytree(source, folder / "rec")
    name = rng.choice([path.name for path in (folder / "rec").iterdir() if path.is_file()])
    path = folder / "rec" / name
    mutate = mutated_json if name.endswith(".json") else mutated_bytes
    path.write_bytes(mutate(rng, path.read_bytes()))
    if rng.random() < 0.3:
        for other in ("manifest.json", "plan.json"):
            (folder / "rec" / other).unlink()
    modes = ([], ["--raw"], ["--json"], ["--find", "the"], ["--verify"], ["--stats"])
    more = (["--compare", str(source)], ["--report", "report.html"], ["--stats", "--json"])
    commands = [["inspect", "rec", *mode] for mode in rng.sample([*modes, *more], 3)]
    return _judge(folder, *commands, faults_are_results=True)


def _good_records(seeds: Seeds) -> Path:
    output = seeds.folder / "records"
    if not output.exists():
        (seeds.folder / "a.txt").write_bytes(seeds.files[".txt"])
        more = ["--eval-fraction", "0.2", "--compression", "gzip"]
        run(_create("a.txt", seeds.vocabulary, "--dupe-factor", "2", *more), seeds.folder)
        (seeds.folder / "out").rename(output)
    return output


def equality(rng: Random, seeds: Seeds, folder: Path) -> str:
    """Random text and options: the records are those of the plain twin."""
    documents = seeds.some_documents(rng, 12)
    text = "\n\n".join("\n".join(lines) for lines in documents) + "\n"
    if rng.random() < 0.5:
        text = mutated_text(rng, text).replace("\0", "?")
    (folder / "a.txt").write_text(text, newline="")
    length = rng.choice([8, 16, 32, 64, 128])
    options = {
        "max_seq_length": length,
        "max_predictions_per_seq": rng.randint(1, min(length, 20)),
        "masked_lm_prob": rng.choice([0.05, 0.15, 0.5]),
        "dupe_factor": rng.randint(1, 4),
        "short_seq_prob": rng.choice([0.0, 0.1, 0.7]),
        "random_seed": rng.randrange(1 << 40),
        "quirks": rng.choice(["keep", "fix"]),
        "whole_word_mask": rng.random() < 0.7,
    }
    lowercase = rng.random() < 0.7
    arguments: list[object] = ["--num-partitions", 1]
    for name, value in options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            arguments += [f"--{flag}", value]
    arguments.append("--lowercase" if lowercase else "--no-lowercase")
    ending = run([*_create("a.txt", seeds.vocabulary), *map(str, arguments)], folder)
    found = complaint(ending)
    if found or ending.status:
        return found
    expected = _twin_records(folder / "a.txt", seeds, lowercase, dict(options))
    return "unequal to the twin" if expected != _records_of(folder / "out") else ""


def _twin_records(
    path: Path, seeds: Seeds, lowercase: bool, options: dict[str, Any]
) -> list[dict[str, list[float]]]:
    tokenizer = FullTokenizer(seeds.vocabulary, TokenizerOptions(lowercase=lowercase))
    documents = reference.read_documents([path], tokenizer.tokenize)
    seed, ids = options.pop("random_seed"), tokenizer.vocab.ids
    instances = reference.create_training_instances(documents, [*ids], Random(seed), **options)
    sizes = options["max_seq_length"], options["max_predictions_per_seq"]
    # float32 weights are whole numbers.
    return [reference.features(instance, ids, *sizes) for instance in instances]


def _records_of(output: Path) -> list[dict[str, list[float]]]:
    (shard,) = output.glob("tf_examples.tfrecord-*")
    return [{name: v.tolist() for name, v in r.items()} for r in read_features(shard)]


def kills(rng: Random, seeds: Seeds, folder: Path) -> str:
    """A command that is killed at a random moment, several times, ends with the same bytes."""
    (folder / "a.txt").write_bytes(seeds.files[".txt"] * 3)
    kind = rng.choice(["create", "create", "vocab"])
    if kind == "create":
        command = _create("a.txt", seeds.vocabulary, "--num-partitions", "4", "--dupe-factor", "3")
        command[command.index("--workers") + 1] = rng.choice(["1", "2"])
    else:
        command = ["vocab", "a.txt", "--size", "6000", "--output", "out", "--workers", "2"]
    whole = seeds.folder / f"whole-{kind}"
    if not whole.exists():
        found = complaint(run(command, folder))
        if found:
            return found
        (folder / "out").rename(whole)
    number = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    for _ in range(rng.randint(1, 3)):
        moment = rng.uniform(0.0, 0.6)

        def kill(process: int, moment: float = moment) -> None:
            time.sleep(moment)
            os.kill(process, number)

        # No worker lives longer than five seconds after its parent was killed.
        ending = run(command, folder, meanwhile=kill, patience=10.0)
        if ending.status == 0 or (kind == "vocab" and (folder / "out").exists()):
            return "" if _same(folder / "out", whole) else f"other bytes after {number.name}"
        if ending.traceback or "Traceback" in ending.stderr:
            return f"traceback after {number.name}: {ending.stderr[-300:]}"
        if ending.status not in (0, -number, 128 + number):
            return f"status {ending.status} after {number.name}: {ending.stderr[-300:]}"
        if ending.left:
            return f"a process is left after {number.name}"
    found = complaint(run(command, folder))
    if found:
        return found
    return "" if _same(folder / "out", whole) else "other bytes than without the kill"


def _same(a: Path, b: Path) -> bool:
    if a.is_file():
        return b.is_file() and a.read_bytes() == b.read_bytes()
    names = [sorted(str(p.relative_to(x)) for p in x.rglob("*")) for x in (a, b)]
    # The plan and the manifest name the time of the input, which each try writes anew.
    shards = [name for name in names[0] if "tfrecord" in name]
    return names[0] == names[1] and all(
        (a / s).read_bytes() == (b / s).read_bytes() for s in shards
    )


def limits(rng: Random, seeds: Seeds, folder: Path) -> str:
    """Too small limits of descriptors or file sizes: one line, and then the same command works."""
    (folder / "a.txt").write_bytes(seeds.files[".txt"])
    command = _create("a.txt", seeds.vocabulary, "--dupe-factor", "3")
    limit = rng.choice(
        [
            {resource.RLIMIT_FSIZE: rng.choice([0, 100, 10_000, 300_000])},
            {resource.RLIMIT_NOFILE: rng.randint(8, 40)},
        ]
    )

    def ignore_size_signal() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    ending = run(command, folder, limits=limit, before=ignore_size_signal)
    # Its messages are files, too: they may be cut.
    found = complaint(ending, may_fail_silently=True)
    return found or complaint(run(command, folder))


#: Each try with its share.
TRIES: dict[Try, int] = {
    corpora: 30,
    vocabularies: 10,
    flags: 10,
    resumed_folders: 12,
    records: 15,
    equality: 12,
    kills: 5,
    limits: 4,
}
