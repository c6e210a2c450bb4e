"""Where options come from beside flags: `--config`, environment variables; and `bertprep help`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bertprep.cli import main


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], env=environment)


def instances_of(output: Path) -> dict[str, object]:
    plan = json.loads((output / "manifest.json").read_bytes())["plan"]
    return {**plan["instances"], **plan["tokenizer"]}


@pytest.fixture
def config(tmp_path: Path, sample_corpus: Path) -> Path:
    path = tmp_path / "bertprep.toml"
    path.write_text(
        "quiet = true\n"
        f'[create]\ncorpus = ["{sample_corpus / "chinese.txt"}"]\n'
        f'vocab = "{sample_corpus / "vocab.txt"}"\n'
        "max-seq-length = 64\ndupe_factor = 2\ndo-lower-case = false\n"
        "[vocab]\nsize = 3000\n"
    )
    return path


def test_a_config_file_gives_defaults_and_flags_take_precedence(
    config: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    done = run("create", "--config", config, "-o", output, "--dupe-factor", 3)
    assert (done.exit_code, done.output) == (0, "")
    made = instances_of(output)
    assert (made["max_seq_length"], made["dupe_factor"], made["lowercase"]) == (64, 3, False)


def test_an_environment_variable_stands_between_flags_and_the_config_file(
    config: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    environment = {"BERTPREP_CREATE_DUPE_FACTOR": "4", "BERTPREP_CREATE_MAX_SEQ_LENGTH": "32"}
    done = run("create", "--config", config, "-o", output, "--max-seq-length", 48, **environment)
    assert done.exit_code == 0, done.output
    made = instances_of(output)
    assert (made["max_seq_length"], made["dupe_factor"]) == (48, 4)


def test_the_plan_of_a_data_set_repeats_it(config: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    options = ("--no-whole-word-mask", "--eval-fraction", 0.2, "--compression", "gzip")
    assert run("create", "--config", config, "-o", first, *options).exit_code == 0
    done = run("create", "--config", first / "plan.json", "-o", second, "--quiet")
    assert done.exit_code == 0, done.output
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    assert Path("manifest.json") in names


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.toml", "dup-factor = 1", "create has no option dup_factor: see create -h"),
        ("a.toml", "dupe-factor = many", "is not valid TOML: Invalid value (at line 1, column 15)"),
        ("a.toml", "create = 3", "create has no option create: see create -h"),
        ("a.json", "{}", "corpus must be an object, is missing. Name the plan.json"),
        ("a.json", "[]", "this file must be an object, got []. Name the plan.json of a data set"),
        ("a.json", '{"corpus": {}, "tokenizer": 3}', "tokenizer must be an object, got 3. Name"),
        ("a.json", "[" * 100_000, "more than 64 levels of JSON. Name the plan.json"),
    ],
)
def test_a_file_that_is_no_config_is_one_line(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    done = run("create", "--config", path)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {path}: {problem}")
    assert done.stderr.count("\n") == 1


def test_a_config_file_that_is_not_there_is_one_line() -> None:
    done = run("create", "--config", "nowhere.toml")
    expected = "Error: nowhere.toml: No such file or directory; --config names a TOML file\n"
    assert (done.exit_code, done.stderr) == (2, expected)


def test_a_value_of_the_wrong_type_names_the_flag(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('vocab = "v.txt"\noutput = "o"\ncorpus = ["c"]\ndupe-factor = "many"\n')
    done = run("create", "--config", path)
    assert done.exit_code == 2
    assert "Invalid value for '--dupe-factor': 'many' is not a valid integer." in done.stderr


def test_help_of_a_command_is_its_own_help() -> None:
    assert run("help", "export").output == run("export", "--help").output
    assert run("help").output == run("--help").output
    wrong = run("help", "exort")
    assert wrong.exit_code == 2
    assert "no such command 'exort': name help, create, export" in wrong.stderr


def test_the_version_has_a_short_flag() -> None:
    assert run("-V").output == run("--version").output


def test_a_plan_is_for_create_alone(config: Path, tmp_path: Path) -> None:
    assert run("create", "--config", config, "-o", tmp_path / "out").exit_code == 0
    plan = tmp_path / "out" / "plan.json"
    done = run("vocab", "--config", plan, "-o", tmp_path / "v.txt")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"Error: {plan}: a plan is for bertprep create")


def test_a_plan_without_inputs_asks_for_them(config: Path, tmp_path: Path) -> None:
    assert run("create", "--config", config, "-o", tmp_path / "out").exit_code == 0
    plan = tmp_path / "out" / "plan.json"
    plan.write_text(json.dumps(json.loads(plan.read_bytes()) | {"inputs": []}))
    done = run("create", "--config", plan, "-o", tmp_path / "again")
    assert done.exit_code == 2
    assert "Missing argument 'CORPUS...'" in done.stderr
