"""Writes the tables of options in README.md from the options themselves.

python tests/support/option_reference.py            rewrites the tables
python tests/support/option_reference.py --check    exit status 1 if one is out of date
"""

import re
import sys
from pathlib import Path

import click

from bertprep.cli import main
from bertprep.cli.flags import Flag
from bertprep.options.fields import GROUPS

README = Path(__file__).parents[2] / "README.md"
_TABLE = re.compile(r"(<!-- options of (\w+) -->\n).*?(<!-- end of options -->)", re.DOTALL)


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
    """Return the text with its tables of options written anew."""
    return _TABLE.sub(lambda match: match[1] + option_table(match[2]) + match[3], text)


if __name__ == "__main__":
    before = README.read_text()
    after = with_tables(before)
    if "--check" in sys.argv:
        sys.exit(before != after)
    README.write_text(after)
