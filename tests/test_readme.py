"""The README's commands are run, and its output is theirs."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from option_reference import option_table

from bertprep.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def console_blocks() -> list[tuple[str, str]]:
    """Each `$ bertprep` command of the README with what stands below it."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            if command.startswith("bertprep "):
                found.append((command, output))
    return found


def test_commands_print_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sample_corpus", "vocab.txt"):
        target = ROOT / "sample_corpus" / ("vocab.txt" if name == "vocab.txt" else ".")
        (tmp_path / name).symlink_to(target)
    (tmp_path / "broken.txt").write_bytes(b"One.\nTwo.\n\nThree \xff four.\n")
    documents = (ROOT / "sample_corpus" / "english-a.txt").read_text().strip("\n").split("\n\n")
    values = [{"id": k, "meta": {"body": document}} for k, document in enumerate(documents)]
    lines = "".join(f"{json.dumps(value)}\n" for value in values)
    (tmp_path / "articles.jsonl").write_text(lines)
    articles = [document.replace("\n", " ") for document in documents]
    (tmp_path / "articles.txt").write_text("\n\n".join(articles) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    blocks = console_blocks()
    assert {c.split()[1] for c, _ in blocks} == {"create", "inspect", "pretrain", "vocab"}
    assert len(blocks) == 15
    for command, expected in blocks:
        arguments = command.replace("/tmp/", "").split()[1:]
        result = CliRunner().invoke(main, arguments)
        shown = re.sub(r"(?m)^time .*\n", "", expected.replace("/tmp/", ""))
        assert re.sub(r"(?m)^time .*\n", "", result.output) == shown


@pytest.mark.parametrize("command", main.commands)
def test_the_table_of_options_is_current(command: str) -> None:
    # `make reference` writes it anew.
    table = README.split(f"<!-- options of {command} -->\n")[1].split("<!-- end of options -->")[0]
    assert table == option_table(command)


def shell_blocks() -> list[list[str]]:
    """The `bertprep` commands of the README that are shown without their output."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line.split() for block in blocks for line in block.splitlines() if "bertprep" in line]


def test_commands_of_the_readme_are_ones_that_can_be_given() -> None:
    # Training takes minutes: here its flags and those of its neighbours are read, and no more.
    found = [words for words in shell_blocks() if words[0] == "bertprep"]
    assert [words[1] for words in found].count("pretrain") >= 3
    for _, name, *arguments in found:
        main.commands[name].make_context(name, list(arguments))


def test_the_tree_names_every_module() -> None:
    tree = README.split("## The tree")[1]
    modules = {path.name for path in (ROOT / "bertprep").glob("*.py")} - {
        "__init__.py",
        "__main__.py",
    }
    folders = {
        path.name for path in (ROOT / "bertprep").iterdir() if (path / "__init__.py").exists()
    }
    assert {name for name in modules | folders if name not in tree} == set()
