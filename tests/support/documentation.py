"""Writes what is generated in README.md and docs/: tables of options, output of commands.

python tests/support/documentation.py     `make reference`

A command in a `console` block is run, in the order of PAGES, in one folder with the sample corpus,
and what it prints stands below it. A table of options stands between two comments.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from click.testing import CliRunner

from bertprep.cli import main
from bertprep.cli.flags import Flag
from bertprep.options.fields import GROUPS

ROOT = Path(__file__).parents[2]
#: A page that reads records comes after the one that creates them.
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "create.md",
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "create.md"),
]
_TABLE = re.compile(r"(<!-- options of (\w+) -->\n).*?(<!-- end of options -->)", re.DOTALL)
_CONSOLE = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
_COMMAND = re.compile(r"^\$ (bertprep .*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
#: How long a run took is not part of its output.
_TIME = re.compile(r"(?m)^time +[\d,.]+ s$")


def option_table(name: str) -> str:
    """Return the Markdown table of a command's flags, by group."""
    command = main.commands[name]
    context = click.Context(command, info_name=name)
    flags = [each for each in command.params if isinstance(each, Flag)]
    lines = ["| option | default | what it does |", "|---|---|---|"]
    for group in GROUPS:
        members = [flag for flag in flags if flag.group == group]
        if members:
            lines.append(f"| **{group}** | | |")
        for flag in members:
            value = "" if flag.is_flag else f" {flag.make_metavar(context)}"
            shown = f"{flag.shown_name}{value}".replace("|", "\\|")
            default = "required" if flag.required else flag.shown_default
            lines.append(f"| `{shown}` | {default} | {flag.help} |")
    return "\n".join(lines) + "\n"


def with_tables(text: str) -> str:
    """Return a page with its tables of options written anew."""
    return _TABLE.sub(lambda match: match[1] + option_table(match[2]) + match[3], text)


def commands_shown(text: str) -> list[tuple[str, str]]:
    """Return each `bertprep` command of a page with the output that is shown."""
    return [found for block in _CONSOLE.findall(text) for found in _COMMAND.findall(block)]


def output_of(command: str) -> str:
    """Run a command in the current folder, and return what it prints."""
    return CliRunner().invoke(main, command.split()[1:], env={"COLUMNS": "80"}).output


def without_times(output: str) -> str:
    """Return output with the time of a run as a constant."""
    return _TIME.sub("time  ... s", output)


def with_output(text: str) -> str:
    """Return a page with the output of its commands written anew, if more than a time differs."""

    def run(match: re.Match[str]) -> str:
        output = output_of(match[1])
        if without_times(output) == without_times(match[2]):
            return match[0]
        return f"$ {match[1]}\n{output}"

    return _CONSOLE.sub(lambda block: _COMMAND.sub(run, block[0]), text)


@contextmanager
def folder_of_examples() -> Iterator[None]:
    """Make a folder with the inputs that the pages name the current one."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as name:
        folder, corpus = Path(name), ROOT / "sample_corpus"
        (folder / "sample_corpus").symlink_to(corpus)
        (folder / "vocab.txt").symlink_to(corpus / "vocab.txt")
        (folder / "broken.txt").write_bytes(b"One.\nTwo.\n\nThree \xff four.\n")
        documents = (corpus / "english-a.txt").read_text().strip("\n").split("\n\n")
        values = [{"id": k, "meta": {"body": document}} for k, document in enumerate(documents)]
        lines = "".join(f"{json.dumps(value)}\n" for value in values)
        (folder / "articles.jsonl").write_text(lines)
        articles = [document.replace("\n", " ") for document in documents]
        (folder / "articles.txt").write_text("\n\n".join(articles) + "\n")
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


if __name__ == "__main__":
    with folder_of_examples():
        for page in PAGES:
            page.write_text(with_output(with_tables(page.read_text())))
