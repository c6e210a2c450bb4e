"""What was compared -> lines for a person, and one JSON object for a program.

A  /tmp/a: 4,821 records in 4 shards
B  /tmp/b: 4,821 records in 1 shard

not equal: 4,820 records are equal in the same place; 1 is only in A, 1 only in B

A  /tmp/a/x.tfrecord: record 17 at byte 13,944
B  /tmp/b/y.tfrecord: record 17 at byte 13,944
   masked_lm_ids[3]: ferry -> dawn
"""

import textwrap
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from bertprep.inspection.compare.compared import Compared
from bertprep.inspection.compare.differences import Difference, PlacedRecord
from bertprep.terminal import printable

_WIDTH = 80
_NAME, _VALUE = 30, 20
#: Values of a feature that are shown.
_MOST_VALUES = 3

Style = Callable[..., str]


def as_text(compared: Compared, style: Style) -> Iterator[str]:
    """The comparison, line by line."""
    both = zip("AB", compared.data_sets, compared.statistics, strict=True)
    for name, data_set, statistics in both:
        shards, unreadable = len(data_set.shards), statistics.measures.unreadable
        text = f"{data_set.name}: {_records(statistics.measures.records)}"
        text += f" in {shards:,} shard{'s' * (shards != 1)}"
        text += f", and {unreadable:,} that cannot be read" if unreadable else ""
        yield f"{style(name, bold=True)}  {text}"
    yield ""
    looks = {"fg": "green"} if compared.is_equal else {"fg": "red", "bold": True}
    for line in textwrap.wrap(_verdict(compared), _WIDTH):
        yield style(line, **looks)
    for difference in compared.differences:
        yield ""
        yield from _difference(difference, style)
    if not (compared.is_equal or compared.is_reordered):
        yield from _numbers(compared, style)


def _verdict(compared: Compared) -> str:
    a, b = compared.frames
    alignment = compared.alignment
    if alignment is None:
        return f"not equal: no records are compared, since {compared.reason}"
    if compared.is_equal:
        return f"equal: the same {_records(a)} in the same order"
    if compared.is_reordered:
        return f"not equal: the same {_records(a)} in another order"
    about = "" if alignment.share == 1.0 else "about "
    only = " and ".join(
        f"{about}{count:,} only in {name}" for count, name in zip(alignment.only, "AB", strict=True)
    )
    is_or_are = "is" if alignment.equal == 1 else "are"
    phrases = [f"not equal: {_records(alignment.equal)} {is_or_are} equal in the same place", only]
    if a != b:
        phrases.append(f"{'A' if a > b else 'B'} has {abs(a - b):,} more")
    if alignment.share < 1.0:
        phrases.append(f"counted by 1 of {round(1 / alignment.share):,} hashes")
    return "; ".join(phrases)


def _records(count: int) -> str:
    return f"{count:,} record{'s' * (count != 1)}"


def _difference(difference: Difference, style: Style) -> Iterator[str]:
    for name, record in (("A", difference.left), ("B", difference.right)):
        if record is not None:
            yield f"{style(name, bold=True)}  {_place(record)}"
    if difference.left is None or difference.right is None:
        name = "A" if difference.right is None else "B"
        yield f"   only in {name}"
    for line in _changes(difference):
        yield from textwrap.wrap(
            line, _WIDTH, initial_indent=" " * 3, subsequent_indent=" " * 5, break_on_hyphens=False
        )


def _place(record: PlacedRecord) -> str:
    byte = "" if record.byte is None else f" at byte {record.byte:,}"
    problem = "" if record.features else " cannot be read: --verify says why"
    return f"{printable(record.file)}: record {record.record:,}{byte}{problem}"


def _changes(difference: Difference) -> Iterator[str]:
    """Feature by feature: `masked_lm_ids[3]: ferry -> dawn, [4]: sea -> in, and 4 more`."""
    for name, group in groupby(difference.changes, lambda change: change["name"]):
        changes = list(group)
        shown = [
            f"[{change['index']}]: {_shown(change['left'])} -> {_shown(change['right'])}"
            for change in changes[:_MOST_VALUES]
        ]
        more = len(changes) - len(shown)
        yield f"{name}{', '.join(shown)}{f', and {more:,} more' if more else ''}"


def _shown(value: Any) -> str:
    return printable(value) if isinstance(value, str) else f"{value:g}"


def _numbers(compared: Compared, style: Style) -> Iterator[str]:
    """The findings side by side."""
    for title, pairs in groupby(compared.pairs, lambda pair: pair.title):
        yield ""
        gap = " " * (2 + _NAME - len(title))
        yield style(title, bold=True) + gap + style(f"{'A':<{_VALUE}}B", dim=True)
        for pair in pairs:
            left, right = pair.left, pair.right
            row = f"{left.name:<{_NAME}}{left.shown:<{_VALUE}}{right.shown}"
            yield style(f"! {row}", fg="red", bold=True) if pair.is_marked else f"  {row}"
    marked = sum(pair.is_marked for pair in compared.pairs)
    yield ""
    if not marked:
        yield "no number is marked: what differs may differ by chance"
    else:
        yield style(f"{marked:,} {'number is' if marked == 1 else 'numbers are'} marked", bold=True)


def as_json(compared: Compared) -> dict[str, Any]:
    """The comparison as values of JSON."""
    alignment = compared.alignment
    return {
        "a": compared.data_sets[0].name,
        "b": compared.data_sets[1].name,
        "is_equal": compared.is_equal,
        "is_reordered": compared.is_reordered,
        "records": list(compared.frames),
        "unreadable": [statistics.measures.unreadable for statistics in compared.statistics],
        "not_compared": compared.reason or None,
        "equal": alignment.equal if alignment else None,
        "only": list(alignment.only) if alignment else None,
        "share": alignment.share if alignment else None,
        "differences": [
            {
                "a": difference.left.place if difference.left else None,
                "b": difference.right.place if difference.right else None,
                "changes": difference.changes,
            }
            for difference in compared.differences
        ],
        "numbers": [
            {
                "section": pair.title,
                "key": pair.left.key,
                "a": pair.left.value,
                "b": pair.right.value,
                "p": pair.p,
                "is_marked": pair.is_marked,
            }
            for pair in compared.pairs
        ],
    }
