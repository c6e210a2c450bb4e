"""Flags from the fields of options classes: a default stands in its dataclass alone."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, TypeVar

import click

from bertprep.options import ENGINES, FORMATS, CorpusOptions, EngineOptions, TokenizerOptions

F = TypeVar("F", bound=Callable[..., Any])


def _default(kind: type, name: str) -> Any:
    """An option's default, which stands in its dataclass alone."""
    field = next(field for field in fields(kind) if field.name == name)
    return None if field.default is MISSING else field.default


def option(kind: type, name: str, *flags: str, **settings: Any) -> Callable[[F], F]:
    """A click option for the field `name` of the options class `kind`."""
    flags = flags or (f"--{name.replace('_', '-')}",)
    default = _default(kind, name)
    shown: dict[str, Any] = {} if default is None else {"show_default": True}
    return click.option(*flags, name, default=default, **(shown | settings))


def together(*flags: Callable[[F], F]) -> Callable[[F], F]:
    """Some options as one decorator; `--help` shows them in this order."""

    def decorate(command: F) -> F:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return decorate


def split_options(values: dict[str, Any], kind: type) -> Any:
    """Takes the fields of an options class out of the flags' values."""
    return kind(**{f.name: values.pop(f.name) for f in fields(kind) if f.name in values})


#: The flags of every command that makes words of text.
tokenizer_options = together(
    option(
        TokenizerOptions,
        "lowercase",
        "--lowercase/--no-lowercase",
        "--do-lower-case/--no-do-lower-case",
        help="Lower-case the text; give --no-lowercase with a cased vocabulary.",
    ),
    option(
        TokenizerOptions,
        "strip_accents",
        "--strip-accents/--no-strip-accents",
        help="Drop combining marks (é becomes e); follows --lowercase unless given.",
    ),
    option(
        TokenizerOptions,
        "max_input_chars_per_word",
        type=int,
        help="A longer word is one [UNK].",
    ),
)


#: The flags of every command that reads a corpus.
corpus_options = together(
    option(
        CorpusOptions,
        "format",
        type=click.Choice(["auto", *FORMATS]),
        help="What CORPUS is stored as; auto looks at each file.",
    ),
    option(
        CorpusOptions,
        "document_break",
        type=click.Choice(["empty-line", "file"]),
        help="What ends a document of paragraphs.",
    ),
    option(CorpusOptions, "text_field", help="Field of the text in JSON lines, as in meta.body."),
    option(CorpusOptions, "text_column", help="Column of the text in parquet files."),
    option(
        CorpusOptions,
        "on_error",
        type=click.Choice(["stop", "skip"]),
        help="At a document that cannot be read: stop, or leave it out and count it.",
    ),
    option(
        CorpusOptions,
        "encoding_errors",
        type=click.Choice(["strict", "replace", "skip"]),
        help="At bytes that are not UTF-8 and NUL: stop, replace, or leave out the line.",
    ),
    option(CorpusOptions, "max_line_chars", type=int, help="A longer line is an error."),
    option(CorpusOptions, "max_document_bytes", type=int, help="A larger document is an error."),
)


#: The flags of every command whose tasks can run on a cluster.
engine_options = together(
    option(
        EngineOptions,
        "engine",
        type=click.Choice(list(ENGINES)),
        help="Processes of this machine, or a Spark cluster; changes no byte.",
    ),
    option(
        EngineOptions,
        "spark_master",
        metavar="URL",
        show_default="as spark-submit says",
        help="Of the cluster: spark://HOST:7077, yarn, k8s://..., local[2].",
    ),
    option(
        EngineOptions,
        "spark_conf",
        metavar="KEY=VALUE",
        multiple=True,
        show_default=False,
        help="A setting of Spark; can be given again.",
    ),
)


class Command(click.Command):
    """Takes the reference's spelling of switches too: `--do_lower_case=False`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [self._as_switch(argument) for argument in args])

    def _as_switch(self, argument: str) -> str:
        name, _, value = argument.partition("=")
        name, value = name.replace("_", "-"), value.lower()
        options = [option for option in self.params if isinstance(option, click.Option)]
        for on, off in ((o.opts, o.secondary_opts) for o in options if o.secondary_opts):
            if name in on and value in ("true", "false"):
                return name if value == "true" else off[on.index(name)]
        return argument
