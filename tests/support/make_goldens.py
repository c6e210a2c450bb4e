"""The reference's own script + the sample corpus -> goldens.json: what our records must equal.

Runs google-research/bert's `create_pretraining_data.py` as it is, once for each case below, and
keeps for each output file the number of records and the digest of their features; for two cases
also the first records in words. A minute on two cores; needs TensorFlow 2.

Example:
    git clone https://github.com/google-research/bert /tmp/bert
    python tests/support/make_goldens.py --reference /tmp/bert --check
"""

import argparse
import difflib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from feature_digest import digest

GOLDENS = Path(__file__).parents[1] / "goldens" / "goldens.json"
CORPUS = Path(__file__).parents[2] / "sample_corpus"
VOCAB = CORPUS / "vocab.txt"
SCRIPTS = ("create_pretraining_data.py", "tokenization.py")

ENGLISH_A, ENGLISH_B = "english-a.txt", "english-b.txt"
CHINESE, OTHERS = "chinese.txt", "scripts.txt"
ENGLISH = (ENGLISH_A, ENGLISH_B)
ALL = (*ENGLISH, CHINESE, OTHERS)


@dataclass(frozen=True)
class Case:
    """The flags of one run, with its own defaults; input files are in the order of reading."""

    input_files: tuple[str, ...]
    num_output_files: int = 1
    do_lower_case: bool = True
    do_whole_word_mask: bool = False
    max_seq_length: int = 128
    max_predictions_per_seq: int = 20
    random_seed: int = 12345
    dupe_factor: int = 10
    masked_lm_prob: float = 0.15
    short_seq_prob: float = 0.1


# Each length, dupe factor, switch and number of files stands in two cases or more, among others.
CASES = {
    "defaults": Case(ENGLISH),
    "defaults-whole-words": Case(ENGLISH, do_whole_word_mask=True),
    "one-file": Case((ENGLISH_B,), max_seq_length=64, max_predictions_per_seq=10, dupe_factor=2),
    "other-file-order": Case((ENGLISH_B, ENGLISH_A), 3, dupe_factor=1, do_whole_word_mask=True),
    "short": Case(
        (ENGLISH_A,), 3, max_seq_length=32, max_predictions_per_seq=5, random_seed=0, dupe_factor=2
    ),
    "short-whole-words": Case(
        ENGLISH,
        do_whole_word_mask=True,
        max_seq_length=32,
        max_predictions_per_seq=5,
        random_seed=1,
        dupe_factor=1,
    ),
    "long": Case(ENGLISH, max_seq_length=512, max_predictions_per_seq=77, random_seed=7),
    "long-cased-whole-words": Case(
        ALL,
        3,
        do_lower_case=False,
        do_whole_word_mask=True,
        max_seq_length=512,
        max_predictions_per_seq=77,
        random_seed=2**32 + 1,
    ),
    "cased": Case(ENGLISH, do_lower_case=False, random_seed=42, dupe_factor=2),
    "chinese": Case((CHINESE,), 3, max_seq_length=64, max_predictions_per_seq=10, random_seed=3),
    "chinese-cased-whole-words": Case(
        (CHINESE,), do_lower_case=False, do_whole_word_mask=True, dupe_factor=1
    ),
    "scripts-whole-words": Case(
        (OTHERS,),
        do_whole_word_mask=True,
        max_seq_length=32,
        max_predictions_per_seq=5,
        random_seed=2**31 - 1,
    ),
    "scripts-cased": Case(
        (OTHERS,), do_lower_case=False, max_seq_length=64, max_predictions_per_seq=10, dupe_factor=2
    ),
    "all-files": Case(ALL, 3, random_seed=2**40, dupe_factor=1),
    "few-masks": Case(ALL, do_whole_word_mask=True, max_predictions_per_seq=1, dupe_factor=1),
    "many-masks-always-short": Case(
        (ENGLISH_A, CHINESE),
        do_whole_word_mask=True,
        max_seq_length=64,
        max_predictions_per_seq=64,
        dupe_factor=2,
        masked_lm_prob=0.6,
        short_seq_prob=1.0,
    ),
}
CASES_IN_WORDS = ("defaults-whole-words", "chinese")
NUM_RECORDS_IN_WORDS = 3

# The script was written for TensorFlow 1, which lives on in TensorFlow 2 under another name. Every
# case gets its own process: the flags that the script defines are global.
SHIM = """
import os, runpy, sys
import tensorflow.compat.v1
sys.modules["tensorflow"] = tensorflow.compat.v1
del sys.argv[0]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_reference(reference: Path, case: Case, output_files: list[Path]) -> None:
    """Runs the reference script in a process of its own; its output is shown only if it fails."""
    flags: dict[str, Any] = asdict(case)
    del flags["num_output_files"]
    del flags["input_files"]
    flags["input_file"] = ",".join(str(CORPUS / name) for name in case.input_files)
    flags["output_file"] = ",".join(map(str, output_files))
    flags["vocab_file"] = VOCAB
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    script = str(reference.resolve() / SCRIPTS[0])
    run = subprocess.run(
        [sys.executable, "-c", SHIM, script, *arguments],
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise SystemExit(f"{run.stderr[-4000:]}\nThe reference failed: {' '.join(arguments)}")


def read_records(path: Path) -> Iterator[dict[str, list[float]]]:
    """Reads records with TensorFlow, so that nothing of ours takes part in its own test."""
    import tensorflow as tf

    for example in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        parsed = tf.train.Example.FromString(example).features.feature
        yield {
            name: list(values.int64_list.value or values.float_list.value)
            for name, values in parsed.items()
        }


def in_words(record: dict[str, list[float]], tokens: list[str]) -> dict[str, Any]:
    """Spells a record out, without its padding; `tokens` are the vocabulary's, by id."""
    num_tokens, num_masks = int(sum(record["input_mask"])), int(sum(record["masked_lm_weights"]))
    return {
        "tokens": " ".join(tokens[int(i)] for i in record["input_ids"][:num_tokens]),
        "masked_lm_positions": record["masked_lm_positions"][:num_masks],
        "masked_lm_labels": [tokens[int(i)] for i in record["masked_lm_ids"][:num_masks]],
        "next_sentence_label": record["next_sentence_labels"][0],
    }


def make_case(name: str, reference: Path) -> dict[str, Any]:
    """Returns the entry of one case in goldens.json: its options and what came out."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{k}.tfrecord") for k in range(case.num_output_files)]
        run_reference(reference, case, paths)
        files = [list(read_records(path)) for path in paths]
    golden: dict[str, Any] = {
        "options": asdict(case),
        "outputs": [{"num_records": len(file), "digest": digest(file)} for file in files],
    }
    if name in CASES_IN_WORDS:
        # Not `splitlines`: a token may hold U+2028.
        tokens = [line.strip() for line in VOCAB.read_text(encoding="utf-8").split("\n")]
        golden["first_records"] = [in_words(r, tokens) for r in files[0][:NUM_RECORDS_IN_WORDS]]
    return golden


def make_goldens(reference: Path) -> dict[str, Any]:
    """Runs every case and notes what the result depends on beside the options."""
    for name in ALL:
        # Without it the reference joins the last document of a file and the first of the next.
        if not (CORPUS / name).read_bytes().endswith(b"\n\n"):
            raise SystemExit(f"{CORPUS / name} must end with an empty line. Add one.")
    sources = [CORPUS / name for name in ALL] + [VOCAB] + [reference / name for name in SCRIPTS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        cases = pool.map(partial(make_case, reference=reference), CASES)
        return {
            "unicode_version": unicodedata.unidata_version,
            "sha256": {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources
            },
            "cases": dict(zip(CASES, cases, strict=True)),
        }


def main() -> int:
    """Prints the difference to the kept goldens; without --check also replaces them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--reference", type=Path, required=True, help="checkout of the reference")
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if they differ")
    arguments = parser.parse_args()
    # For this process and its children: no search for a GPU, no words about it.
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}

    goldens = make_goldens(arguments.reference)
    new = json.dumps(goldens, indent=1, ensure_ascii=False) + "\n"
    old = GOLDENS.read_text(encoding="utf-8") if GOLDENS.exists() else ""
    difference = difflib.unified_diff(old.split("\n"), new.split("\n"), "kept", "made", lineterm="")
    print("\n".join(difference) or f"no difference in {len(CASES)} cases")
    if not arguments.check:
        GOLDENS.write_text(new, encoding="utf-8")
    return int(arguments.check and old != new)


if __name__ == "__main__":
    sys.exit(main())
