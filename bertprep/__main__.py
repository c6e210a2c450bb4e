"""`python -m bertprep`."""

from bertprep.cli import main

main(prog_name="bertprep")
