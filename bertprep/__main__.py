"""`python -m bertprep`, and the command `bertprep`."""

import signal


def run() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback before the command begins
    from bertprep.cli import main

    main(prog_name="bertprep")


if __name__ == "__main__":
    run()
