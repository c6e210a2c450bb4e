"""`bertprep inspect`."""

import click

from bertprep.cli.flags import command
from bertprep.options import InspectOptions


@command(InspectOptions, "Show, measure, verify and compare records.")
def inspect(options: InspectOptions) -> None:
    """Show, measure, verify and compare records.

    PATH is record files, globs or folders that bertprep create or another tool wrote, with v1 or v2
    feature names, gzip or not. Without a mode, the first records are shown as text.

    \b
    Examples:
      bertprep inspect /tmp/records
      bertprep inspect /tmp/records --find ferry --num 1
      bertprep inspect /tmp/records --verify
      bertprep inspect /tmp/records --report report.html
    """  # noqa: D301 (click wants the backspace itself)
    context = click.get_current_context()
    # Each mode has its own imports: showing a record waits for no compiler and no plot.
    if options.verify:
        from bertprep.inspection.verify import Verification
        from bertprep.terminal import result

        verification = Verification(options)
        for line in verification:
            result(line)
        context.exit(1 if verification.num_faults else 0)
    if options.compare is not None:
        from bertprep.inspection.compare import compare, show_comparison

        comparison = compare(options)
        for line in show_comparison(comparison, click.style, as_json=options.json):
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
