"""The kernels once more: with bounds checked, as on another processor, and compiled just once.

Each in a Python of its own, with compiled code of its own: numba's cache does not tell a checked
kernel from one that is not. This file is the program, too.

    export NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=/tmp/own
    python tests/kernels/test_kernels_checked.py sample_corpus
"""

import hashlib
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
OTHER_PROCESSOR = "--other-processor"

#: Kernels that Python calls. Others are compiled into these, for each kind of array they are given.
CALLED_FROM_PYTHON = {
    *("build_trie", "tokenize", "gather_documents", "shuffle_order", "fill_instances"),
    *("pack_varints", "serialize_instances", "extend_crc32c"),
    *("cut_sentences",),
    *("scan_frames", "find_header", "masked_crc32c", "parse_examples", "check_rows"),
    *("count_words", "map_words", "empty_memo", "add_words", "bucket_words", "gather_words"),
    *("count_characters", "split_words", "spell_words", "find_pairs", "fill_heap", "merge_pairs"),
}


def results(corpus: Path) -> dict[str, str]:
    """Digests of what every kernel makes of some of the sample corpus, by the public ways."""
    # Not at the top: the program decides first what machine this is.
    import numpy as np

    from bertprep.create.partitions import pack_partitions, plan_partitions, unpack_documents
    from bertprep.kernels.mt19937 import seeded
    from bertprep.objectives import create_training_instances
    from bertprep.objectives.sentence_pairs import create_masked_lm_predictions
    from bertprep.options import CorpusOptions, InstanceOptions, RecordOptions, TokenizerOptions
    from bertprep.records.serializer import RecordLayout, RecordSerializer
    from bertprep.records.shards import checksum
    from bertprep.tokenization import FastTokenizer
    from bertprep.tokenization.long_sentences import cut_long_sentences
    from bertprep.vocab import Vocabulary

    made: dict[str, str] = {}

    def keep(name: str, *parts: object) -> None:
        data = b"".join(
            p.tobytes() if isinstance(p, np.ndarray) else str(p).encode() for p in parts
        )
        made[name] = hashlib.sha256(data).hexdigest()

    vocabulary = Vocabulary.load(corpus / "vocab.txt")
    lines = [
        line
        for path in sorted(corpus.glob("*.txt"))
        for line in path.read_bytes().split(b"\n")[:120]
        if path.name != "vocab.txt"
    ]
    odd = ["x" * 500, "Ⅷ ΟΔΟΣ.a", "\u200b", "a\u0301" * 70, "東京tower", "\ufffd", ""]
    text = b"\n".join([*lines, *(line.encode() for line in odd)])
    for lowercase in (True, False):
        tokenizer = FastTokenizer(
            vocabulary, TokenizerOptions(lowercase=lowercase), corpus=CorpusOptions(), seed=3
        )
        for end in (len(text), 0, 1, 7, 1001):  # in buffers that were larger before
            hashed = tokenizer.tokenize_text(text[:end].decode(errors="ignore").encode())
            documents = hashed.documents
            offsets = documents.sentence_offsets, documents.document_offsets
            keep(f"tokens {lowercase} {end}", documents.tokens, *offsets, hashed.hashes)

    # The tokenizer's other half: words of ideographs, and tokens that are never split.
    marking = TokenizerOptions(segmented=True, never_split=("[unused7]", "的", "the"))
    marker = FastTokenizer(vocabulary, marking, seed=3)
    for end in (len(text), 0, 1001):
        part = text[:end].decode(errors="ignore").encode() + "\u200b的\u0301".encode()
        keep(f"marked {end}", marker.tokenize_text(part).documents.tokens)

    hashed = tokenizer.tokenize_text(text)
    packed = pack_partitions(hashed, plan_partitions(1, num_partitions=5, eval_fraction=0.2))
    for number, part in enumerate(packed):
        keep(f"partition {number}", part)

    documents = unpack_documents(packed)
    for most in (1, 2, 7, 40):
        cut, num_cut = cut_long_sentences(documents, most, vocabulary)
        keep(f"cut {most}", cut.sentence_offsets, cut.document_offsets, num_cut)
    for length, predictions, quirks, names in (
        (128, 20, "keep", "v1"),
        (512, 77, "fix", "v2"),
        (5, 5, "fix", "v1"),
        (7, 1, "keep", "v2"),
        (300, 300, "keep", "v1"),
    ):
        options = InstanceOptions(
            max_seq_length=length,
            max_predictions_per_seq=predictions,
            masked_lm_prob=1.0 if predictions == length else 0.15,
            dupe_factor=2,
            quirks=quirks,
        )
        instances = create_training_instances(documents, vocabulary, options)
        arrays = instances.arrays, instances.masks, instances.order
        keep(f"instances {length}", *arrays, instances.num_random_next, instances.num_truncated)
        layout = RecordLayout.of(vocabulary, options, RecordOptions(feature_names=names))
        for first in range(3):
            serializer = RecordSerializer(instances, layout, first, 3)
            buffer = np.zeros(20_000 + layout.slack, np.uint8)
            written, sums = [], []
            while end := serializer.fill(buffer, 0):
                written.append(buffer[:end].copy())
                sums.append(checksum(buffer, end))
            keep(f"records {length} {first}", *written, *sums)

    for name, lines in verified(vocabulary).items():
        keep(name, *lines)
    for name, pieces in vocabularies(text).items():
        keep(name, *pieces)

    a, b = documents.tokens[:9], documents.tokens[9:30]
    options = InstanceOptions(max_seq_length=33)
    keep("pair", create_masked_lm_predictions(a, b, vocabulary, options, seeded(1)))
    return made


def vocabularies(text: bytes) -> dict[str, list[str]]:
    """Words of a text, counted with much and with little room, and what is learned from them."""
    import numpy as np

    from bertprep.kernels import counting
    from bertprep.options import CorpusOptions, TokenizerOptions
    from bertprep.vocabulary import training
    from bertprep.vocabulary.words import WordCounter, merge_words, pack_buckets, unpack_words

    made: dict[str, list[str]] = {}
    for room in ((1 << 14, 1 << 18), (5, 2000)):
        counter = WordCounter(TokenizerOptions(), CorpusOptions(), room=room)
        counter.count_text(text)
        packed = pack_buckets(counter.take_words(), 7)
        words = merge_words([unpack_words(part) for part in packed])
        made[f"words {room}"] = sorted(map(str, words.items()))
        totals = np.zeros(0x110000, np.int64)
        counting.count_characters(words.data, words.offsets, words.counts, totals)
        alphabet = training.choose_alphabet(totals, 2, None)
        training._FIRST_ROWS = room[0]
        space = len(words), words.num_bytes + len(words)
        trainer = training.Trainer(alphabet, space, 3000, 1, 2)
        trainer.add(words)
        made[f"pieces {room}"] = trainer.train(3000)
    return made


def verified(vocabulary: Any) -> dict[str, list[str]]:
    """What is said of good records, of faulty ones, and of files that are damaged."""
    from hand_built import frames, made_records, write_data_set
    from mutations import Faults

    from bertprep.inspection import scan
    from bertprep.inspection.verify import Verification
    from bertprep.options import InspectOptions, InstanceOptions, RecordOptions

    said: dict[str, list[str]] = {}
    rng, faults = random.Random(1), Faults(vocabulary)
    for length, predictions, whole_words, how in (
        *((128, 20, True, "keep"), (5, 1, True, "fix"), (33, 33, True, "fix")),
        *((512, 77, False, "keep"), (64, 4, False, "fix")),
    ):
        options = InstanceOptions(
            max_seq_length=length,
            max_predictions_per_seq=predictions,
            masked_lm_prob=1.0 if predictions == length else 0.15,
            dupe_factor=1,
            whole_word_mask=whole_words,
            quirks=how,
        )
        good = made_records(vocabulary, options, RecordOptions())
        bad = [faults.put(rng, rng.choice(good), kind) for kind in sorted(faults.kinds) * 3]
        stream = bytearray(frames(rng.sample(good + bad, len(good + bad))))
        for _ in range(9):
            at = rng.randrange(len(stream))
            stream[at : at + rng.choice([1, 1, 700])] = rng.randbytes(rng.choice([1, 1, 50]))
        with tempfile.TemporaryDirectory() as parent:
            folder = write_data_set(Path(parent, "set"), [good, bad, bad], vocabulary, options)
            sorted(folder.glob("*tfrecord*"))[-1].write_bytes(stream)
            for scan.RANGE_BYTES in (5_000, 1 << 25):
                for known in (True, False):
                    if not known:
                        (folder / "manifest.json").rename(folder / "manifest.old")
                    paths = (str(folder),)
                    lines = Verification(InspectOptions(paths, workers=2, quiet=True))
                    name = f"verified {length} {known} {scan.RANGE_BYTES}"
                    said[name] = [line.replace(parent, "") for line in lines]
                (folder / "manifest.old").rename(folder / "manifest.json")
    return said


def main() -> None:
    if OTHER_PROCESSOR in sys.argv:
        # One that we know no CRC32C instruction of.
        platform.machine = lambda: "unknown"
    made = results(Path(sys.argv[1]))

    from bertprep.kernels import crc32c

    print(json.dumps({"made": made, "instruction": crc32c._INSTRUCTION}))


if __name__ == "__main__":
    main()


def sources_digest() -> str:
    from bertprep import kernels

    sources = sorted(Path(kernels.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


@pytest.fixture(scope="module")
def cache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where these runs keep their compiled code, for the next time that the tests run."""
    if not hasattr(request.config, "cache"):  # -p no:cacheprovider
        return tmp_path_factory.mktemp("kernels")
    folder = request.config.cache.mkdir("bertprep-checked-kernels")
    current = folder / sources_digest()
    for old in folder.iterdir():
        if old != current:
            shutil.rmtree(old, ignore_errors=True)
    return current


def run(cache: Path | None, *command: str | Path, **environment: str) -> str:
    environment["PYTHONPATH"] = f"{SUPPORT.parents[1]}:{SUPPORT}"
    if cache:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        cwd=SUPPORT.parents[1],
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def printed(cache: Path | None, *arguments: str | Path, **environment: str) -> dict[str, Any]:
    """What this file prints as a program."""
    printed: dict[str, Any] = json.loads(run(cache, __file__, *arguments, **environment))
    return printed


@pytest.fixture(scope="module")
def checked(cache: Path, sample_corpus: Path) -> dict[str, Any]:
    return printed(cache / "checked", sample_corpus, NUMBA_BOUNDSCHECK="1")


@pytest.fixture(scope="module")
def ordinary(sample_corpus: Path) -> dict[str, Any]:
    """As it is always. Not in this process: kernels that write where they must not could end it."""
    return printed(None, sample_corpus)


def test_results_with_bounds_checked(checked: dict[str, Any], ordinary: dict[str, Any]) -> None:
    assert checked["made"] == ordinary["made"]


def test_bounds_are_really_checked(cache: Path) -> None:
    program = """
import numpy as np
from bertprep.kernels.partitions import gather_documents
one, two = np.zeros(1, np.uint32), np.array([0, 1])
try:
    gather_documents(one, two, two, np.array([0, 1]), one, one, one)
except IndexError:
    print("caught")
"""
    assert run(cache / "checked", "-c", program, NUMBA_BOUNDSCHECK="1") == "caught\n"


@pytest.mark.parametrize("name", ["kernels/test_mt19937.py", "objectives/test_sentence_pairs.py"])
def test_other_tests_with_bounds_checked(cache: Path, name: str) -> None:
    flags = ["-q", "-x", "-p", "no:cacheprovider"]
    run(cache / "checked", "-m", "pytest", *flags, SUPPORT.parent / name, NUMBA_BOUNDSCHECK="1")


def test_results_on_a_processor_without_the_crc32c_instruction(
    cache: Path, sample_corpus: Path, ordinary: dict[str, Any]
) -> None:
    other = printed(cache / "other", sample_corpus, OTHER_PROCESSOR)
    assert other["instruction"] is None
    assert other["made"] == ordinary["made"]


COMPILATIONS = """
import os, sys
from numba.core import event

parent = os.getpid()

class Log(event.Listener):
    def on_start(self, event):
        kernel = event.data["dispatcher"].py_func
        if kernel.__module__.startswith("bertprep"):
            who = "parent" if os.getpid() == parent else "worker"
            os.write(log, f"{who} {kernel.__name__}\\n".encode())

    def on_end(self, event):
        pass

log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
event.register("numba:compile", Log())
corpus, output = sys.argv[2:]

from bertprep.cli import main
from bertprep.inspection import scan
from bertprep.inspection.verify import Verification
from bertprep.options import InspectOptions

scan.RANGE_BYTES = 200_000

for number, flags in enumerate((
    ["--num-partitions", "9"],
    ["--num-partitions", "3", "--num-shards", "6", "--quirks", "fix", "--eval-fraction", "0.4",
     "--compression", "gzip", "--feature-names", "v2", "--max-seq-length", "512"],
    ["--num-partitions", "70", "--no-lowercase", "--no-whole-word-mask"],
    # A shard of several blocks.
    ["--num-partitions", "1", "--dupe-factor", "10", "--max-sentence-tokens", "30"],
    ["--num-partitions", "4", "--word-segmenter", "rjieba", "--never-split", "the"],
)):
    main(["create", corpus, "--vocab", corpus + "/vocab.txt", "--output", f"{output}/{number}",
          "--dupe-factor", "1", "--workers", "3", "--quiet", *flags], standalone_mode=False)
    options = InspectOptions((f"{output}/{number}",), verify=True, workers=3, quiet=True)
    assert len(list(Verification(options))) == 1

for size in ("3000", "2500"):
    main(["vocab", corpus, "--size", size, "--output", f"{output}/vocab.txt", "--workers", "3",
          "--overwrite", "--quiet"], standalone_mode=False)
main(["vocab", corpus, "--extend", corpus + "/vocab.txt", "--output", f"{output}/vocab.txt",
      "--workers", "3", "--overwrite", "--quiet", "--no-lowercase"], standalone_mode=False)

shard = sorted(os.listdir(f"{output}/2"))[-2]
with open(f"{output}/2/{shard}", "r+b") as file:
    file.write(bytes(30))
    file.truncate(os.path.getsize(file.name) - 5)
assert len(list(Verification(InspectOptions((f"{output}/2",), workers=3, quiet=True)))) > 2
"""


def test_each_kernel_is_compiled_once_by_the_parent(sample_corpus: Path, tmp_path: Path) -> None:
    # With nothing in the cache. What the parent has not warmed up, and a second signature of what
    # it has, would be compiled by every worker, for seconds.
    log = tmp_path / "log"
    run(tmp_path / "kernels", "-c", COMPILATIONS, log, sample_corpus, tmp_path)
    compiled = log.read_text().splitlines()
    assert {line.split()[0] for line in compiled} == {"parent"}
    names = [line.split()[1] for line in compiled]
    # The tokenizer without marks and tokens of their own, and with both.
    assert {name: names.count(name) for name in CALLED_FROM_PYTHON} == dict.fromkeys(
        CALLED_FROM_PYTHON, 1
    ) | {"tokenize": 2}
