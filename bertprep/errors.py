"""What a person did wrong or the machine could not do, said in one line.

`cli` turns these into a message and an exit status; nothing else catches them.
"""


class BertprepError(Exception):
    """A job that cannot go on. The message says what was found, where, and what to do."""

    exit_status = 1


class UsageError(BertprepError):
    """A flag, a path or a combination of them that cannot be meant."""

    exit_status = 2


class TextError(BertprepError):
    """Text that is not as it should be. Who reads the file puts its name and the line before it.

    Attributes:
        problem: what was found.
        position: byte of the block where it was found, 0x0D bytes not counted.
        line: newlines of the block before it.
    """

    def __init__(self, problem: str, position: int, line: int) -> None:
        super().__init__(problem, position, line)
        self.problem = problem
        self.position = position
        self.line = line

    def __str__(self) -> str:
        return self.problem
