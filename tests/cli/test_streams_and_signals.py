"""Closed and full streams, and stop signals at any moment: one line, and the right status."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bertprep.cli import main

CORPUS = Path(__file__).parents[2] / "sample_corpus"
#: Runs the command line after a preparation; the arguments are those of the command.
START = "{}\nfrom bertprep.__main__ import run\nrun()"


def run(redirection: str, *arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", START.format(before), *map(str, arguments)]
    shell = f'exec "$@" {redirection}'
    return subprocess.run(["sh", "-c", shell, "sh", *words], capture_output=True, text=True)


def create(output: Path) -> list[object]:
    return ["create", CORPUS, "--vocab", CORPUS / "vocab.txt", "--output", output, "--workers", 1]


@pytest.mark.parametrize(
    "redirection", [">&-", ">/dev/full", "2>&-", "2>/dev/full", ">&- 2>&- <&-"]
)
def test_a_data_set_is_complete_without_its_summary(redirection: str, tmp_path: Path) -> None:
    done = run(redirection, *create(tmp_path / "out"), before="")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
@pytest.mark.parametrize("command", ["inspect", "inspect --verify", "--help"])
def test_a_result_that_cannot_be_shown_is_an_error(
    redirection: str, command: str, tmp_path: Path
) -> None:
    first, *flags = command.split()
    if first == "inspect":
        assert run("", *create(tmp_path)).returncode == 0
        flags.append(str(tmp_path))
    done = run(redirection, first, *flags)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: stdout: ")
    assert "resume" not in line


def test_closed_stdin_is_one_line(tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = ["create", "-", "--vocab", CORPUS / "vocab.txt", "--output", output]
    done = run("<&-", *arguments)
    assert done.returncode == 1
    assert done.stderr.endswith("stdin cannot be copied here (Bad file descriptor)\n")
    assert not output.exists()


#: Moments at which a stop is not an exception like any other, and code that sends it there.
MOMENTS = {
    "while a module is imported": """
import builtins
real = builtins.__import__
def wrapper(name, *arguments, **keywords):
    if name == "bertprep.create.pipeline":
        try:
            STOP
        except BaseException as error:
            raise RuntimeError("from __set_name__") from error
    return real(name, *arguments, **keywords)
builtins.__import__ = wrapper
""",
    "in a destructor": """
import bertprep.create.pipeline as pipeline
class Resource:
    def __del__(self):
        STOP
def make_job(*arguments):
    Resource()
    import time
    time.sleep(6000)
pipeline.make_job = make_job
""",
    "at the end": """
import bertprep.cli.outcome as outcome, sys
def fail(text, status):
    STOP
outcome._fail = fail
""",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stop_at_any_moment_ends_the_run(
    moment: str, number: signal.Signals, tmp_path: Path
) -> None:
    code = MOMENTS[moment].replace(
        "STOP", f"os.kill(os.getpid(), {int(number)}); [None for _ in ()]"
    )
    arguments = create(tmp_path / "out")
    if moment == "at the end":
        arguments[1] = tmp_path / "missing"
    done = run("", *arguments, before=f"import os\n{code}")
    assert done.returncode == 128 + number
    shown = "" if moment == "at the end" else "Error: stopped; repeat the command to resume\n"
    assert done.stderr == shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_before_the_command_is_quiet(number: signal.Signals) -> None:
    before = f"""
import os, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "bertprep.cli":
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Finder())
"""
    done = run("", "--help", before=before)
    assert (done.returncode, done.stderr) == (-number, "")


def test_a_hangup_stops_a_run_that_reads_without_an_end(tmp_path: Path) -> None:
    arguments = ["create", "-", "--vocab", CORPUS / "vocab.txt", "--output", tmp_path / "out"]
    words = [sys.executable, "-m", "bertprep", *map(str, arguments)]
    with open("/dev/zero", "rb") as zeros, subprocess.Popen(words, stdin=zeros) as process:
        while not (tmp_path / "out" / ".bertprep" / "stdin.tmp").exists():
            assert process.poll() is None
            os.sched_yield()
        process.send_signal(signal.SIGHUP)
        assert process.wait() == 128 + signal.SIGHUP


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "{}"],
        ["export", "{}", "--output", "x"],
        ["create", str(CORPUS), "--vocab", "{}", "--output", "x"],
        ["create", "{}", "--vocab", str(CORPUS / "vocab.txt"), "--output", "x"],
        ["create", str(CORPUS), "--vocab", str(CORPUS / "vocab.txt"), "--output", "{}"],
        ["pretrain", "x", "--steps", "1", "--init-from", "{}", "--output", "y"],
    ],
)
@pytest.mark.parametrize("url", ["unknown://KEY:SEC/RET@h/a", "unknown://h/a?auth=SECRET"])
def test_no_message_has_the_credentials_of_a_url(url: str, arguments: list[str]) -> None:
    result = CliRunner().invoke(main, [argument.format(url) for argument in arguments])
    assert result.exit_code in (1, 2)
    assert "unknown://h/a" in result.stderr
    assert "SEC" not in result.stderr
    assert "RET" not in result.stderr


def test_a_name_with_escapes_is_shown_on_one_line(tmp_path: Path) -> None:
    name = tmp_path / "a\x1b[2J\nError: fine"
    name.write_bytes(b"\xff\n")
    flags = ["--vocab", str(CORPUS / "vocab.txt"), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["create", str(name), *flags])
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path}/a\\x1b[2J\\nError: fine:1: ")
