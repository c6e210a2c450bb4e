"""Commands whose flags are the fields of an options class.

@command(ExportOptions, "Export a trained model.")
def export(options: ExportOptions) -> None: ...
"""

import inspect
import types
import warnings
from collections.abc import Callable
from dataclasses import MISSING, Field
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from bertprep.cli.config import ConfigFlag
from bertprep.cli.reference_flags import translate
from bertprep.options import Place, place, shown_url
from bertprep.options.fields import GROUPS, Option, default_of, options_from, options_in
from bertprep.terminal import printable

T = TypeVar("T")

#: Columns of a flag with its value in `--help`; the text of a longer one begins on the next line.
_FLAG_COLUMNS = 28
_BREAKABLE = {0x2011: "-", 0xA0: " "}
_METAVARS: dict[Any, str] = {int: "N", float: "X", Path: "PATH", str: "TEXT"}


class Flag(click.Option):
    """A flag in a group of `--help`, where aliases are left out."""

    def __init__(self, *arguments: Any, group: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.group = group

    @property
    def shown_name(self) -> str:
        """Return the flag as people type it: `-o, --output`, `--[no-]xla`."""
        short = [name for name in self.opts if not name.startswith("--")]
        name = next(name for name in self.opts if name.startswith("--"))
        if self.secondary_opts:
            name = f"--[no-]{name.removeprefix('--')}"
        return ", ".join([*short, name])

    @property
    def shown_default(self) -> str:
        """Return the default as people read it; empty where there is none to show."""
        if isinstance(self.show_default, str):
            return self.show_default
        if not self.show_default or self.required:
            return ""
        if self.secondary_opts:
            return "on" if self.default else "off"
        return str(self.default)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        shown = "" if self.is_flag else f" {self.make_metavar(ctx)}"
        default = "required" if self.required else f"default: {self.shown_default}"
        note = f"  [{default}]" if self.required or self.shown_default else ""
        return f"{self.shown_name}{shown}", f"{self.help}{note}"


class _PlaceType(click.ParamType[Place]):
    name = "path|url"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        return place(str(value))


class _PathType(click.ParamType[Path]):
    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = place(str(value))
        if isinstance(path, str):
            self.fail(f"{shown_url(path)}: name a path on this machine, not a URL", param, ctx)
        return path


class Command(click.Command):
    """Shows flags by group, and takes the reference's spelling: `--do_lower_case=False`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "group", "Help"), []).append(row)
        for group in (*GROUPS, "Help"):
            if group in groups:
                with formatter.section(group):
                    rows = [
                        (name.ljust(_FLAG_COLUMNS), _unbroken(text)) for name, text in groups[group]
                    ]
                    formatter.write_dl(rows, col_max=_FLAG_COLUMNS)
        formatter.buffer = [text.translate(_BREAKABLE) for text in formatter.buffer]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any(parameter.name == "output_file" for parameter in self.params):
            args = translate(args)
        return super().parse_args(ctx, [self._as_switch(argument) for argument in args])

    def _as_switch(self, argument: str) -> str:
        name, _, value = argument.partition("=")
        name, value = name.replace("_", "-"), value.lower()
        options = [option for option in self.params if isinstance(option, click.Option)]
        for on, off in ((o.opts, o.secondary_opts) for o in options if o.secondary_opts):
            if name in on and value in ("true", "false"):
                return name if value == "true" else off[on.index(name)]
        return argument


def _unbroken(text: str) -> str:
    """Return a text that is not wrapped at the hyphen of a flag, nor inside a short default."""
    text = text.replace("-", "\u2011")
    help, bracket, note = text.rpartition("  [")
    if not bracket or len(note) > _FLAG_COLUMNS:
        return text
    return f"{help} [{note}".replace(f"[{note}", f"[{note}".replace(" ", "\xa0"))


def command(kind: type[T], summary: str) -> Callable[[Callable[[T], None]], Command]:
    """Return a decorator that makes a command of a function of one options object."""

    def decorate(function: Callable[[T], None]) -> Command:
        def run(**values: Any) -> None:
            warnings.formatwarning = lambda text, *_, **__: f"Warning: {printable(str(text))}\n"
            function(options_from(kind, values))

        parameters = [_parameter(each, option) for _, each, option in options_in(kind)]
        return Command(
            name=function.__name__,
            callback=run,
            params=[*sorted(parameters, key=_is_optional), ConfigFlag()],
            help=(inspect.getdoc(function) or "").replace("-", "\u2011"),
            short_help=summary,
        )

    return decorate


def _is_optional(parameter: click.Parameter) -> bool:
    return not parameter.required


def _parameter(each: "Field[Any]", option: Option) -> click.Parameter:
    """Return the flag, or the positional argument, of a field."""
    default = default_of(each)
    is_required = default is MISSING
    kind, is_many = _click_type(each, option)
    settings: dict[str, Any] = {"required": is_required, "type": kind}
    if not is_required:
        settings["default"] = default
    if option.argument:
        metavar = option.argument
        return click.Argument([each.name], nargs=-1 if is_many else 1, metavar=metavar, **settings)
    names = option.flags or (f"--{each.name.replace('_', '-')}",)
    shown: bool | str = option.shown_default or (default not in (None, MISSING) and not is_many)
    if kind is bool:
        if default is False:
            settings["is_flag"], shown = True, False
        else:
            names = tuple(f"{name}/--no-{name.removeprefix('--')}" for name in names)
    return Flag(
        [*names, each.name],
        group=option.group,
        multiple=is_many,
        metavar=option.metavar or (None if option.choices else _METAVARS.get(_type_of(each))),
        show_default=shown,
        help=option.help,
        **settings,
    )


def _click_type(each: "Field[Any]", option: Option) -> tuple[Any, bool]:
    """Return the click type of a field's values, and whether it takes several."""
    kind = _type_of(each)
    if option.choices:
        return click.Choice(option.choices), False
    if each.type == Place:
        return _PlaceType(), False
    if getattr(kind, "__origin__", None) is tuple:
        return str, True
    return (_PathType() if kind is Path else kind), False


def _type_of(each: "Field[Any]") -> Any:
    """Return the type of a field's values: of `int | None`, int."""
    if isinstance(each.type, types.UnionType):
        return next(kind for kind in get_args(each.type) if kind is not type(None))
    return each.type
