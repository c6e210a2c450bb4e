"""The command line: flags in, one options object out, errors as one line with an exit status."""

import os
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

from bertprep import __version__
from bertprep.errors import BertprepError, MachineError, remedy
from bertprep.options import (
    CorpusOptions,
    CreateOptions,
    InstanceOptions,
    RecordOptions,
    TokenizerOptions,
)

F = TypeVar("F", bound=Callable[..., Any])

_CONTEXT = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
    # The reference's own spelling, --max_seq_length, is as good as --max-seq-length.
    "token_normalize_func": lambda token: token.replace("_", "-"),
}


def _default(kind: type, name: str) -> Any:
    """An option's default, which stands in its dataclass alone."""
    field = next(field for field in fields(kind) if field.name == name)
    return None if field.default is MISSING else field.default


def _option(kind: type, name: str, *flags: str, **settings: Any) -> Callable[[F], F]:
    """A click option for the field `name` of the options class `kind`."""
    flags = flags or (f"--{name.replace('_', '-')}",)
    default = _default(kind, name)
    shown: dict[str, Any] = {} if default is None else {"show_default": True}
    return click.option(*flags, name, default=default, **(shown | settings))


def _tokenizer_options(command: F) -> F:
    for option in reversed(
        (
            _option(
                TokenizerOptions,
                "lowercase",
                "--lowercase/--no-lowercase",
                "--do-lower-case/--no-do-lower-case",
                help="Lower-case the text; give --no-lowercase with a cased vocabulary.",
            ),
            _option(
                TokenizerOptions,
                "strip_accents",
                "--strip-accents/--no-strip-accents",
                help="Drop combining marks (é becomes e); follows --lowercase unless given.",
            ),
            _option(
                TokenizerOptions,
                "max_input_chars_per_word",
                type=int,
                help="A longer word is one [UNK].",
            ),
        )
    ):
        command = option(command)
    return command


def _instance_options(command: F) -> F:
    of = InstanceOptions
    for option in reversed(
        (
            _option(
                of, "max_seq_length", type=int, help="Tokens of an instance, specials counted."
            ),
            _option(
                of,
                "max_predictions_per_seq",
                type=int,
                show_default="length x probability, rounded up: 20",
                help="Most masks of an instance.",
            ),
            _option(of, "masked_lm_prob", type=float, help="Share of the tokens to mask."),
            _option(of, "dupe_factor", type=int, help="Times the corpus is gone through."),
            _option(of, "short_seq_prob", type=float, help="Share of documents with shorter aims."),
            _option(of, "random_seed", type=int, help="Partition p draws with seed + p."),
            _option(
                of,
                "whole_word_mask",
                "--whole-word-mask/--no-whole-word-mask",
                "--do-whole-word-mask/--no-do-whole-word-mask",
                help="Mask all pieces of a word or none.",
            ),
            _option(
                of,
                "quirks",
                type=click.Choice(["keep", "fix"]),
                help="Keep the reference's three oddities, or fix them (see the README).",
            ),
        )
    ):
        command = option(command)
    return command


def _split_options(values: dict[str, Any], kind: type) -> Any:
    """Takes the fields of an options class out of the flags' values."""
    return kind(**{f.name: values.pop(f.name) for f in fields(kind) if f.name in values})


class _Group(click.Group):
    """Turns our errors into one line and their exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BertprepError as error:
            advice = remedy(error.number) if isinstance(error, MachineError) else ""
            _fail(f"{error}{advice}", error.exit_status)
        except BrokenPipeError:
            _close_quietly()
        except _Stopped as stop:
            _fail("stopped; the same command goes on from here", 128 + stop.args[0])
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _fail(f"{where}{error.strerror or error}{remedy(error.errno)}", 1)
        except MemoryError:
            _fail("out of memory: try fewer --workers, or more --num-partitions", 1)


_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Command(click.Command):
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


class _Stopped(BaseException):
    """SIGINT or SIGTERM, by its number."""


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Once is enough: a second Ctrl-C would cut the cleaning up short.
    for stop_signal in _STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    raise _Stopped(number)


def _catch_stop_signals(context: click.Context) -> None:
    for stop_signal in _STOP_SIGNALS:
        before = signal.getsignal(stop_signal)
        if before is not signal.SIG_IGN:  # as in a job that was put in the background
            signal.signal(stop_signal, _stop)
            context.call_on_close(partial(signal.signal, stop_signal, before))


def _fail(text: str, status: int) -> NoReturn:
    click.echo(f"Error: {text}", err=True)
    sys.exit(status)


def _close_quietly() -> NoReturn:
    # Python would complain about the broken pipe once more when it flushes stdout at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Make BERT pretraining data from raw text."""
    _catch_stop_signals(context)


@main.command(cls=_Command, short_help="Make tf_examples.tfrecord shards from a raw corpus.")
@click.argument("inputs", nargs=-1, required=True, metavar="CORPUS...")
@click.option(
    "--vocab",
    "--vocab-file",
    required=True,
    type=click.Path(path_type=Path),
    help="The vocabulary, a piece a line.",
)
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder of the shards.",
)
@_instance_options
@_tokenizer_options
@_option(CreateOptions, "num_shards", type=int, show_default="one a partition", help="Files.")
@_option(
    CreateOptions,
    "num_partitions",
    type=int,
    show_default="one for 8 MB of text",
    help="Parts of the corpus that are shuffled, and draw random sentences, by themselves.",
)
@_option(
    CreateOptions,
    "eval_fraction",
    type=float,
    help="Share of the documents that goes to shards in eval/ instead.",
)
@_option(
    CreateOptions,
    "workers",
    "--workers",
    "-j",
    type=int,
    show_default="all cores",
    help="Processes.",
)
@_option(RecordOptions, "compression", type=click.Choice(["none", "gzip"]), help="Of the shards.")
@_option(
    RecordOptions,
    "feature_names",
    type=click.Choice(["v1", "v2"]),
    help="input_ids as the reference, or input_word_ids as the TensorFlow Model Garden.",
)
@_option(
    CorpusOptions,
    "encoding_errors",
    type=click.Choice(["strict", "replace", "skip"]),
    help="At bytes that are not UTF-8 and NUL: stop, replace them, or leave out the line.",
)
@_option(CorpusOptions, "max_line_chars", type=int, help="A longer line is an error.")
@_option(CorpusOptions, "max_document_bytes", type=int, help="A larger document is an error.")
@_option(
    CreateOptions,
    "check_disk",
    "--check-disk/--no-check-disk",
    help="Compare an estimate of the output with the free disk first.",
)
@_option(
    CreateOptions,
    "overwrite",
    "--overwrite",
    is_flag=True,
    show_default=False,
    help="Remove what another command left in the output folder.",
)
@_option(
    CreateOptions,
    "quiet",
    "--quiet",
    "-q",
    is_flag=True,
    show_default=False,
    help="Nothing but errors: no progress, no warnings, no summary.",
)
def create(**values: Any) -> None:
    """Make tf_examples.tfrecord shards from a raw corpus.

    CORPUS is files, globs, folders, or - for stdin: one sentence a line, an empty line after each
    document, plain or compressed with gzip, bzip2, xz or zstd. The records are those of
    google-research/bert's create_pretraining_data.py. A command that was stopped goes on when it
    is given again.

    \b
    Example:
      bertprep create sample_corpus --vocab sample_corpus/vocab.txt --output /tmp/records
    """  # noqa: D301 (click wants the backspace itself)
    parts = {
        "tokenizer": _split_options(values, TokenizerOptions),
        "instances": _split_options(values, InstanceOptions),
        "corpus": _split_options(values, CorpusOptions),
        "records": _split_options(values, RecordOptions),
    }
    options = CreateOptions(**values, **parts)
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    from bertprep.create import create as run  # numba's import is too slow for --help

    summary = run(options)
    if not options.quiet:
        click.echo(summary.text(options.output))
