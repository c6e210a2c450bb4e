"""Options are written once: their flags, help and checks follow from the fields."""

from dataclasses import MISSING, dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bertprep.cli import main
from bertprep.cli.flags import Flag
from bertprep.errors import UsageError
from bertprep.options import (
    CreateOptions,
    ExportOptions,
    InspectOptions,
    PretrainOptions,
    VocabOptions,
)
from bertprep.options.fields import Options, default_of, option, options_from, options_in, part

COMMANDS = {
    "create": CreateOptions,
    "export": ExportOptions,
    "inspect": InspectOptions,
    "pretrain": PretrainOptions,
    "vocab": VocabOptions,
}


def test_every_command_has_its_options() -> None:
    assert {*COMMANDS, "help"} == set(main.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_flag_with_its_default_and_help(name: str) -> None:
    command = main.commands[name]
    parameters = {each.name: each for each in command.params if each.expose_value}
    context = click.Context(command, info_name=name)
    listed = list(options_in(COMMANDS[name]))
    assert len(listed) == len(parameters)
    for _, field, given in listed:
        parameter = parameters[field.name]
        assert parameter.required == (default_of(field) is MISSING)
        if given.argument:
            assert isinstance(parameter, click.Argument)
            continue
        assert isinstance(parameter, Flag)
        assert given.help.endswith((".", "..."))
        record = parameter.get_help_record(context)
        assert given.help in record[1]
        if not parameter.required:
            assert parameter.get_default(context) == default_of(field)
            assert parameter.shown_default in record[1]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("columns", [80, 120])
def test_help_breaks_no_flag_and_fits_the_terminal(name: str, columns: int) -> None:
    shown = CliRunner().invoke(main, [name, "--help"], env={"COLUMNS": str(columns)}).stdout
    flags = {flag for parameter in main.commands[name].params for flag in parameter.opts[:1]}
    words = set(shown.replace("--[no-]", "--").split())
    assert {flag for flag in flags if flag.startswith("--")} <= words
    assert all(len(line) <= columns for line in shown.splitlines() if "[auto|" not in line)
    assert shown.isascii() or "é" in shown
    assert not [line for line in shown.splitlines() if line.endswith("-")]


@dataclass(frozen=True)
class Inner(Options):
    size: int = option(3, "Size.", group="Text", at_least=1, below=9)
    kind: str = option("a", "Kind.", group="Text", choices=("a", "b", "c"))


@dataclass(frozen=True)
class Outer(Options):
    names: tuple[str, ...] = option(..., "Names.", group="Corpus", argument="NAME...")
    folder: Path | None = option(None, "Folder.", group="Output")
    rate: float = option(0.5, "Rate.", group="Output", above=0)
    inner: Inner = part(Inner, without=("kind",))


def test_one_name_or_a_list_is_as_good_as_a_tuple() -> None:
    assert Outer(names="a.txt").names == ("a.txt",)  # type: ignore[arg-type]
    assert Outer(names=["a", "b"]).names == ("a", "b")  # type: ignore[arg-type]
    assert Outer(names=Path("a/b")).names == ("a/b",)  # type: ignore[arg-type]
    assert Outer(names=("a",), folder="x").folder == Path("x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "size must be at least 1 and below 9, got 0"),
        ({"size": 9}, "size must be at least 1 and below 9, got 9"),
        ({"kind": "d"}, "kind must be a, b or c, got d"),
        ({"rate": 0.0}, "rate must be above 0, got 0.0"),
        ({"rate": float("nan")}, "rate must be above 0, got nan"),
        ({"rate": float("inf")}, "rate must be above 0, got inf"),
    ],
)
def test_a_value_out_of_bounds_is_an_error(values: dict[str, object], message: str) -> None:
    kind = Outer if "rate" in values else Inner
    given = {"names": ("a",), **values} if kind is Outer else values
    with pytest.raises(UsageError) as caught:
        kind(**given)
    assert str(caught.value) == message


def test_parts_take_their_values_and_what_has_no_flag_keeps_its_default() -> None:
    made = options_from(Outer, {"names": ("a",), "size": 4, "kind": "b"})
    assert made == Outer(names=("a",), inner=Inner(size=4))
    assert [field.name for _, field, _ in options_in(Outer)] == ["names", "folder", "rate", "size"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_count_beyond_reason_is_refused_and_a_seed_is_not(name: str) -> None:
    counts = [part for part in options_in(COMMANDS[name]) if part[1].type in (int, int | None)]
    for _, each, given in counts:
        if each.name.endswith("seed"):
            given.check(each.name, 10**30)
        else:
            with pytest.raises(UsageError, match=f"{each.name} must be "):
                given.check(each.name, 10**13)
