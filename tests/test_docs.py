"""The commands of README.md and docs/ are run, and the output that they show is theirs."""

import re
import shlex
from pathlib import Path

import pytest
from documentation import (
    PAGES,
    ROOT,
    commands_shown,
    folder_of_examples,
    option_table,
    output_of,
    without_times,
)

from bertprep.cli import main

TEXTS = {page: page.read_text() for page in PAGES}


def test_commands_print_what_the_pages_show() -> None:
    # `make reference` writes it anew.
    found = [shown for text in TEXTS.values() for shown in commands_shown(text)]
    names = {command.split()[1] for command, _ in found}
    assert names == {"create", "inspect", "pretrain", "vocab"}
    with folder_of_examples():
        for command, shown in found:
            assert without_times(output_of(command)) == without_times(shown), command


def test_all_examples_are_run() -> None:
    # A console block without `$ bertprep` would be an example that nobody runs.
    for page, text in TEXTS.items():
        for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
            assert block.startswith("$ bertprep "), f"{page}: {block}"


@pytest.mark.parametrize("command", ["create", "export", "inspect", "pretrain", "vocab"])
def test_the_table_of_options_is_current(command: str) -> None:
    # `make reference` writes it anew.
    text = TEXTS[ROOT / "docs" / f"{command}.md"]
    table = text.split(f"<!-- options of {command} -->\n")[1].split("<!-- end of options -->")[0]
    assert table == option_table(command)


def shell_commands() -> list[str]:
    """The `bertprep` commands that the pages show without their output."""
    joined = [text.replace("\\\n", " ") for text in TEXTS.values()]
    blocks = [block for text in joined for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    return [line for block in blocks for line in block.splitlines() if line[:9] == "bertprep "]


def test_commands_of_the_pages_are_ones_that_can_be_given() -> None:
    # Training takes minutes: here its flags and those of its neighbours are read, and no more.
    found = [shlex.split(line, comments=True) for line in shell_commands()]
    assert [words[1] for words in found].count("pretrain") >= 3
    for _, name, *arguments in found:
        if "--config" not in arguments and "…" not in arguments:
            main.commands[name].make_context(name, list(arguments))


def test_links_between_pages_lead_somewhere() -> None:
    for page, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_every_page_is_in_the_contents() -> None:
    contents = TEXTS[ROOT / "docs" / "index.md"]
    listed = set(re.findall(r"(?m)^(\w+)$", contents))
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} == listed


def test_the_readme_is_short() -> None:
    assert len(TEXTS[ROOT / "README.md"].encode()) <= 8 * 1024


@pytest.mark.parametrize("page", [Path("README.md"), Path("docs/architecture.md")])
def test_the_tree_names_every_module(page: Path) -> None:
    text = TEXTS[ROOT / page]
    package = ROOT / "bertprep"
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    folders = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert {name for name in modules | folders if name not in text} == set()
