"""Seeded tries against the commands, until a time is over: `make campaign SECONDS=120 SEED=1`.

PYTHONPATH=tests/support python tests/campaign --seconds 120 --seed 1 [--only kills]
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from forks import warm_up
from judging import signature
from seeds import SAMPLE, Seeds
from tries import TRIES


def main() -> int:
    """Run the campaign; return 1 if a try failed."""
    parser = argparse.ArgumentParser(prog="campaign")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first try")
    parser.add_argument("--only", choices=[each.__name__ for each in TRIES])
    parser.add_argument("--keep", type=Path, default=Path("/tmp/bertprep-campaign"))
    given = parser.parse_args()
    chosen = [each for each in TRIES if given.only in (None, each.__name__)]
    tried: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        home = Path(name)
        warm_up(home, SAMPLE / "english-b.txt", SAMPLE / "vocab.txt")
        seeds = Seeds(home)
        end = time.monotonic() + given.seconds
        number = given.first
        while time.monotonic() < end:
            rng = Random(f"{given.seed}:{number}")
            (each,) = rng.choices(chosen, [TRIES[each] for each in chosen])
            folder = home / "try"
            folder.mkdir()
            found = each(rng, seeds, folder)
            tried[each.__name__] += 1
            if found:
                failed[each.__name__] += 1
                kind = f"{each.__name__}: {signature(found)}"
                seen[kind] += 1
                if seen[kind] <= 3:
                    kept = given.keep / f"{given.seed}-{number}"
                    shutil.rmtree(kept, ignore_errors=True)
                    shutil.copytree(folder, kept, symlinks=True)
                    print(
                        f"try {number}, {each.__name__}: {found}\n  its files: {kept}", flush=True
                    )
            shutil.rmtree(folder)
            number += 1
    print(f"\nseed {given.seed}, tries {given.first} to {number - 1}\n")
    print(f"{'class':18}{'tries':>8}{'failures':>10}")
    for each in chosen:
        print(f"{each.__name__:18}{tried[each.__name__]:8,}{failed[each.__name__]:10,}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
