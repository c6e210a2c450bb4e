"""`--config FILE`: defaults of a command's options from TOML, or from the plan of a data set.

    [create]
    vocab = "vocab.txt"
    max-seq-length = 512

Flags and environment variables take precedence.
"""

import tomllib
from pathlib import Path
from typing import Any

import click

from bertprep.errors import UsageError
from bertprep.json_files import COUNT, read_json, require_shape

#: Parts of a plan whose keys are fields of options.
_PARTS = ("corpus", "tokenizer", "instances", "records")
_NUMBERS = {"num_partitions": COUNT, "num_shards": COUNT, "eval_fraction": float}
_PLAN = {
    **dict.fromkeys(_PARTS, dict),
    "instances": {"masking": str},
    "inputs": [{"path": str}],
    "partitions": _NUMBERS,
}


class ConfigFlag(click.Option):
    """`--config`: sets the defaults of the other options before they are read."""

    group = "Help"

    def __init__(self) -> None:
        super().__init__(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_set_defaults,
            help="TOML file with options, or the plan.json of a data set to repeat.",
        )


def _set_defaults(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    names = _names(context.command)
    if path.suffix != ".json":
        values = _from_toml(path, context.command)
    elif context.command.name == "create":
        values = _from_plan(path)
    else:
        raise UsageError(f"{path}: a plan is for bertprep create; --config takes a TOML file here")
    context.default_map = {
        names[name]: value for name, value in values.items() if name in names and value is not None
    }


def _names(command: click.Command) -> dict[str, str]:
    """Return the field of each name: of a flag and its aliases, or of a positional argument."""
    names = {}
    for parameter in command.params:
        is_flag = isinstance(parameter, click.Option)
        shown = parameter.opts if is_flag else [str(parameter.metavar).strip(".").lower()]
        for name in (str(parameter.name), *shown):
            names[name.lstrip("-").replace("-", "_")] = str(parameter.name)
    return names


def _from_toml(path: Path, command: click.Command) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; --config names a TOML file") from None
    except ValueError as error:
        raise UsageError(f"{path}: is not valid TOML: {error}") from None
    # A table named after a command is for this one; one file may serve several commands.
    shared = {name: value for name, value in table.items() if not isinstance(value, dict)}
    own = table.get(str(command.name), {})
    given = shared | (own if isinstance(own, dict) else {})
    values = {name.replace("-", "_"): value for name, value in given.items()}
    known = _names(command)
    for name in values:
        if name not in known:
            raise UsageError(f"{path}: {command.name} has no option {name}: see {command.name} -h")
    return values


def _from_plan(path: Path) -> dict[str, Any]:
    """Return the options that a plan.json or manifest.json of a data set records."""
    content = read_json(path, dict, "Name the plan.json of a data set")
    plan = content.get("plan", content)
    require_shape(plan, str(path), _PLAN, "Name the plan.json of a data set")
    if any("sha256" in file for file in plan["inputs"]):
        raise UsageError(f"{path}: has too many files to list them; pass CORPUS as well")
    values = {name: value for part in _PARTS for name, value in plan[part].items()}
    values["inputs"] = [file["path"] for file in plan["inputs"]]
    values["whole_word_mask"] = values["masking"] == "whole-word"
    values |= {name: plan["partitions"][name] for name in _NUMBERS}
    vocabulary = path.with_name("vocab.txt")
    return values | ({"vocab": str(vocabulary)} if vocabulary.exists() else {})
