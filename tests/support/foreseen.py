"""The line that `create` says on stderr before it works."""

import re

LINE = re.compile(
    r"[\d,]+ files? of \w+[^:\n]*: (about )?[\d,]+ documents? -> (about )?[\d,]+ records, "
    r"[\d.]+ [KMG]?B, in .+\n"
)


def without_line(stderr: str) -> str:
    """What else is said there; the line must be there once."""
    rest, number = LINE.subn("", stderr)
    assert number == 1, stderr
    return rest
