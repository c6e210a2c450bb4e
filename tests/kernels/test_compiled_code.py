"""Where compiled kernels are kept: in a folder that can be written, and nobody else's."""

import os
import subprocess
import sys
from pathlib import Path

WHERE = "from bertprep.kernels.mt19937 import refill; print(refill._cache.cache_path)"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_folder_is_named_by_the_kernels_sources(tmp_path: Path) -> None:
    by_user = run("-c", WHERE, XDG_CACHE_HOME=str(tmp_path)).stdout
    by_variable = run("-c", WHERE, NUMBA_CACHE_DIR=str(tmp_path / "own")).stdout
    assert by_user.startswith(f"{tmp_path}/bertprep/numba-")
    # An old kernel must not be taken from there after an upgrade, either.
    assert by_variable.startswith(f"{tmp_path}/own/numba-")


def test_other_users_of_numba_keep_their_folder() -> None:
    code = "import numba; was = numba.config.CACHE_DIR; import bertprep.kernels.wordpiece; "
    assert run("-c", code + "print(numba.config.CACHE_DIR == was)").stdout == "True\n"


def test_where_nothing_can_be_written_it_is_temporary_and_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {"XDG_CACHE_HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path)}
    flags = ("--vocab", "sample_corpus/vocab.txt", "--output", str(tmp_path / "out"))
    result = run("-m", "bertprep", "create", str(tmp_path / "none"), *flags, **environment)
    warning, error = result.stderr.splitlines()
    assert warning.startswith("Warning: ")
    assert "set NUMBA_CACHE_DIR" in warning
    assert error.startswith("Error: ")
    assert list(tmp_path.glob("bertprep-numba-*")) == []


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    flags = ("--vocab", "sample_corpus/vocab.txt", "--output", str(tmp_path / "out"))
    command = ("-m", "bertprep", "create", "sample_corpus", *flags)
    (cache := tmp_path / "cache").mkdir()
    cache.chmod(0o777)
    result = run(*command, NUMBA_CACHE_DIR=str(cache))
    assert result.returncode == 2
    assert result.stderr.startswith(f"Error: {cache}: can be written by others, and compiled code")
    assert not (tmp_path / "out").exists()
    (inner,) = cache.iterdir()
    cache.chmod(0o755)
    inner.chmod(0o777)
    result = run(*command, NUMBA_CACHE_DIR=str(cache))
    assert result.stderr.startswith(f"Error: {inner}: can be written by others")
    assert list(inner.iterdir()) == []
