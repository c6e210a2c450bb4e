"""`bertprep inspect`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bertprep.cli.flags import Command, F, option
from bertprep.options import InspectOptions

_PATH = click.Path(path_type=Path)


def _switch(name: str, *flags: str, help: str) -> Callable[[F], F]:
    flags = flags or (f"--{name}",)
    return option(InspectOptions, name, *flags, is_flag=True, show_default=False, help=help)


@click.command(cls=Command, short_help="Show, measure and verify records.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@option(InspectOptions, "vocab", "--vocab", "--vocab-file", type=_PATH, help="The vocabulary.")
@option(InspectOptions, "num", "--num", "-n", type=int, help="Records, or differences, to show.")
@option(InspectOptions, "skip", type=int, help="Records to pass over first.")
@option(
    InspectOptions,
    "index",
    metavar="SHARD:K",
    help="One record: the shard's name or its place in the list, and the record's, from 0.",
)
@option(InspectOptions, "sample", type=int, metavar="N", help="N records drawn at random.")
@option(InspectOptions, "seed", type=int, help="Of the sample.")
@option(InspectOptions, "find", metavar="TOKEN", help="Records with this piece or word only.")
@_switch("raw", help="Features as they are stored.")
@_switch("stats", help="Measure all records, against what the algorithm leads to expect.")
@_switch("verify", help="Check every byte and every rule; exit status 1 where one is broken.")
@option(InspectOptions, "report", type=_PATH, help="Write a page with charts: report.html.")
@option(InspectOptions, "compare", metavar="PATH", help="Compare with the records in PATH.")
@_switch("json", help="JSON: an object a record, a fault, or for the whole.")
@option(
    InspectOptions,
    "workers",
    "--workers",
    "-j",
    type=int,
    show_default="all cores",
    help="Processes.",
)
@_switch("quiet", "--quiet", "-q", help="No progress, no notes.")
@click.pass_context
def inspect(context: click.Context, /, **values: Any) -> None:
    """Show, measure and verify records.

    PATH is record files, globs, or a folder that bertprep create or another tool has made: v1 or v2
    names, gzip or not. Without an option, the first records as a person reads them.

    \b
    Examples:
      bertprep inspect /tmp/records
      bertprep inspect /tmp/records --find ferry --num 1
      bertprep inspect /tmp/records --verify
      bertprep inspect /tmp/records --report report.html
    """  # noqa: D301 (click wants the backspace itself)
    options = InspectOptions(**values)
    # Each way has its own imports: looking at a record waits for no compiler and no plot.
    if options.verify:
        from bertprep.inspection.verify import Verification
        from bertprep.terminal import result

        verification = Verification(options)
        for line in verification:
            result(line)
        context.exit(1 if verification.num_faults else 0)
    if options.compare is not None:
        from bertprep.inspection.compare import compare

        comparison = compare(options, click.style)
        for line in comparison.lines:
            click.echo(line)
        context.exit(0 if comparison.is_equal else 1)
    if options.stats:
        from bertprep.inspection.statistics import show_statistics as lines
    elif options.report is not None:
        from bertprep.inspection.report import write_report

        click.echo(write_report(options))
        return
    else:
        from bertprep.inspection.show import show_records as lines
    for line in lines(options, click.style):
        click.echo(line)
