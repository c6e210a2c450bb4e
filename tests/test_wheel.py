"""The wheel in an empty environment: what the core needs, and what the trainer adds.

Environments are made from a package index, which takes minutes: `make test-wheel` runs these.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import LIMIT

pytestmark = pytest.mark.skipif(
    "BERTPREP_TEST_WHEEL" not in os.environ,
    reason="environments are made from a package index: make test-wheel",
)

ROOT = Path(__file__).parent.parent
#: What the README promises of an installation without extras, with their own dependencies.
CORE = {
    *("bertprep", "click", "fsspec", "llvmlite", "numba", "numpy", "orjson", "pip"),
    *("safetensors", "tqdm", "zstandard"),
}
NOBODY = 65534


def run(*command: object, **settings: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, timeout=LIMIT, **settings
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", wheel)
    return folder


def is_open_to_others(path: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (path, *path.parents))


@pytest.fixture
def work(tmp_path: Path, environment: Path) -> Path:
    """A folder that everybody may write to; its parents and the environment may be read."""
    for each in (*tmp_path.parents[:2], *environment.parents[:2], environment, tmp_path):
        each.chmod(0o755)
    tmp_path.chmod(0o777)
    return tmp_path


def test_the_core_installs_what_it_says(environment: Path) -> None:
    listed = run(environment / "bin/python", "-m", "pip", "list", "--format", "freeze").stdout
    names = {line.partition("==")[0].partition(" @")[0].lower() for line in listed.splitlines()}
    assert names - {"setuptools"} == CORE


def test_the_core_makes_records_for_a_user_without_a_home(
    environment: Path, work: Path, sample_corpus: Path
) -> None:
    # Not even root may write in /proc.
    variables = {"HOME": "/proc/nobody", "PATH": os.environ["PATH"], "TMPDIR": str(work)}
    settings: dict[str, object] = {"cwd": work, "env": variables}
    if os.geteuid() == 0 and is_open_to_others(Path(sys.base_prefix)):
        settings |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    bertprep = environment / "bin/bertprep"
    # The path of the corpus may lead through folders of somebody else.
    corpus = work / "corpus"
    corpus.mkdir()
    for name in ("english-b.txt", "chinese.txt"):
        (corpus / name).write_bytes((sample_corpus / name).read_bytes())
    run(bertprep, "vocab", corpus, "--size", 2000, "--output", "vocab.txt", **settings)
    run(bertprep, "create", corpus, "--vocab", "vocab.txt", "--output", "records", **settings)
    verified = run(bertprep, "inspect", "records", "--verify", **settings)
    assert "0 faults" in verified.stdout or "no fault" in verified.stdout, verified.stdout
    for command, extra in (
        (("pretrain", "records", "--model", "tiny", "--steps", 2, "-o", "run"), "train"),
        (("inspect", "records", "--report", "report.html"), "report"),
    ):
        refused = subprocess.run(
            [str(each) for each in (bertprep, *command)],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            **settings,  # type: ignore[call-overload]
        )
        assert refused.returncode == 2
        problems = [line for line in refused.stderr.splitlines() if line[:9] != "Warning: "]
        assert len(problems) == 1
        assert problems[0].endswith(f"pip install 'bertprep[{extra}]'")


def test_the_trainer_is_an_extra(wheel: Path, environment: Path, work: Path) -> None:
    python, bertprep = environment / "bin/python", environment / "bin/bertprep"
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[train,report]")
    corpus = ROOT / "sample_corpus"
    records, model = work / "records", work / "model"
    run(bertprep, "create", corpus, "--vocab", corpus / "vocab.txt", "--output", records)
    run(bertprep, "pretrain", records, "--model", "tiny", "--steps", 2, "--output", work / "run")
    run(bertprep, "export", work / "run", "--output", model)
    assert (model / "model.safetensors").stat().st_size > 1_000_000
    run(bertprep, "inspect", records, "--report", work / "report.html")
    assert (work / "report.html").read_text().startswith("<!DOCTYPE html>")
