"""An option is written once: a dataclass field with its default, help, group and bounds.

    @dataclass(frozen=True)
    class RecordOptions(Options):
        compression: str = option("none", "Shard compression.", choices=("none", "gzip"))

The check on construction, the command-line flag, its help and the tables in docs/ follow
from the field.
"""

import math
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from bertprep.errors import UsageError

T = TypeVar("T")

#: Of any count; a seed may be larger. Arithmetic with it stays within 64 bits.
_LARGEST = 10**12

#: Headings of `--help` and of the reference, in their order.
GROUPS = (
    *("Corpus", "Text", "Vocabulary", "Records", "Selection", "Mode", "Model", "Optimization"),
    *("Evaluation and checkpoints", "Output", "Execution", "Spark"),
)


def require(holds: bool, message: str) -> None:
    """Raise UsageError with the message unless something holds."""
    if not holds:
        raise UsageError(message)


@dataclass(frozen=True)
class Option:
    """What a field is on the command line, and which values it takes.

    Attributes:
        help: one or two sentences.
        group: heading of `--help`, one of GROUPS.
        flags: the flag, then its aliases; empty for `--field-name`. A field without a flag has
            `argument`.
        argument: the metavar of a positional argument; empty for a flag.
        metavar: stands for the value in `--help`; empty for the type's name.
        shown_default: stands for the default in `--help`; empty for the default itself.
        choices: the values that are allowed; empty for any.
        at_least, above, at_most, below: bounds of a number.
    """

    help: str
    group: str = "Output"
    flags: tuple[str, ...] = ()
    argument: str = ""
    metavar: str = ""
    shown_default: str = ""
    choices: tuple[str, ...] = ()
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        assert self.group in GROUPS, self.group

    def check(self, name: str, value: Any) -> None:
        """Raise UsageError for a value that the option does not take; None is always taken."""
        if value is None:
            return
        if self.choices:
            allowed = " or ".join([", ".join(self.choices[:-1]), self.choices[-1]])
            require(value in self.choices, f"{name} must be {allowed}, got {value}")
        require(self._is_in_bounds(value), f"{name} must be {self._bounds()}, got {value}")
        is_count = type(value) is int and not name.endswith("seed")
        require(
            not is_count or value <= _LARGEST, f"{name} must be at most {_LARGEST}, got {value}"
        )

    def _is_in_bounds(self, value: Any) -> bool:
        bounds = (self.at_least, self.above, self.at_most, self.below)
        if bounds == (None,) * 4:
            return True
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
            and not (isinstance(value, float) and math.isinf(value))
        )

    def _bounds(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            return f"between {self.at_least:g} and {self.at_most}"
        if self.above is not None:
            return f"above {self.above:g}"
        least = "0 or more" if self.at_least == 0 else f"at least {self.at_least}"
        return least if self.below is None else f"{least} and below {self.below:g}"


def option(default: Any, help: str, *, group: str, **settings: Any) -> Any:
    """Return a dataclass field for an option; `settings` are the fields of Option.

    Args:
        default: `...` for an option that must be given.
    """
    given = {} if default is ... else {"default": default}
    return field(**given, metadata={"option": Option(help, group, **settings)})


def part(kind: Callable[[], T], *, without: Sequence[str] = ()) -> T:
    """Return a dataclass field that holds other options, whose flags the command has too.

    Args:
        without: fields of `kind` that have no flag here, and keep their defaults.
    """
    made: T = field(default_factory=kind, metadata={"part": kind, "without": tuple(without)})
    return made


class Options:
    """Base of options: frozen dataclasses that check their fields when they are made.

    Raises:
        UsageError: a value that an option does not take.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __post_init__(self) -> None:
        for each in fields(self):
            value = _converted(each.type, getattr(self, each.name))
            object.__setattr__(self, each.name, value)
            if "option" in each.metadata:
                each.metadata["option"].check(each.name, value)
        self.check()

    def check(self) -> None:
        """Check what depends on several fields; fill in what follows from others."""


def _converted(annotation: Any, value: Any) -> Any:
    """Return a value in the type of its field: one name or a list is as good as a tuple."""
    types_of = get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    if any(getattr(kind, "__origin__", None) is tuple for kind in types_of):
        one = (str(value),) if isinstance(value, str | Path) else value
        return tuple(map(str, one))
    if Path in types_of and str not in types_of and isinstance(value, str):
        return Path(value)
    return value


def options_in(
    kind: type, without: Sequence[str] = ()
) -> Iterator[tuple[type, "Field[Any]", Option]]:
    """Yield the options of a class and of its parts: the class, the field, the option."""
    for each in fields(kind):
        if each.name in without:
            continue
        if "option" in each.metadata:
            yield kind, each, each.metadata["option"]
        elif "part" in each.metadata:
            yield from options_in(each.metadata["part"], each.metadata["without"])


def options_from(kind: type[T], values: dict[str, Any], without: Sequence[str] = ()) -> T:
    """Make options of a class and of its parts from the values of their fields, by name."""
    given: dict[str, Any] = {}
    for each in fields(kind):  # type: ignore[arg-type]
        if "part" in each.metadata:
            given[each.name] = options_from(each.metadata["part"], values, each.metadata["without"])
        elif each.name in values and each.name not in without:
            given[each.name] = values[each.name]
    return kind(**given)


def default_of(each: "Field[Any]") -> Any:
    """Return the default of a field, or MISSING where it must be given."""
    return each.default if each.default_factory is MISSING else each.default_factory()
