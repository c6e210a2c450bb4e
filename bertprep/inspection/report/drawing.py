"""Numbers -> the shapes and texts of a chart, which the template of the page writes as SVG.

    drawing = Drawing(x=(0, 128), y=(0, 0.5))
    drawing.y_axis("share of records", as_share)
    drawing.bars([0, 4, 8], 4, [0.1, 0.4, 0.2])
    drawing.shapes, drawing.texts

Shapes and texts have a style, which is a class of `report.css`. Coordinates are those of an SVG of
`WIDTH` times `HEIGHT`, which is a card on a phone, nearly.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 324, 194
_RIGHT, _TOP, _BOTTOM = 310, 26, 158
#: Mean width of a character, to place a legend.
_CHARACTER = 6
_MOST_TICKS = 6


class Shape(NamedTuple):
    """A path."""

    style: str
    path: str


class Text(NamedTuple):
    """A line of text; `anchor` says which end of it `x` is: start, middle or end."""

    style: str
    x: float
    y: float
    text: str
    anchor: str = "start"


class Scale(NamedTuple):
    """Values from `low` to `high` -> coordinates from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the coordinate of a value; one outside is moved to the nearest end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


class Drawing:
    """A chart in the making.

    Args:
        x, y: lowest and highest value of each axis.
        left: coordinate of the left end; the names of rows are to the left of it.
    """

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, left: float = 40) -> None:
        self.shapes: list[Shape] = []
        self.texts: list[Text] = []
        self._left = left
        self._x = Scale(*x, left, _RIGHT)
        self._y = Scale(*y, _BOTTOM, _TOP)

    def x_axis(
        self, label: str, name: Callable[[float], str], *, step: float = 1, has_grid: bool = False
    ) -> None:
        """Draw the axis, or a grid; ticks are at multiples of `step`, if it is not 0."""
        for tick in _ticks(self._x, step):
            x = self._x(tick)
            end = _TOP if has_grid else _BOTTOM + 3
            self.shapes.append(Shape("grid" if has_grid else "axis", f"M{x} {_BOTTOM}V{end}"))
            self.texts.append(Text("tick", x, _BOTTOM + 15, name(tick), "middle"))
        if not has_grid:
            self.shapes.append(Shape("axis", f"M{self._left} {_BOTTOM}H{_RIGHT}"))
        if label:
            middle = (self._left + _RIGHT) / 2
            self.texts.append(Text("label", middle, _BOTTOM + 31, label, "middle"))

    def y_axis(self, label: str, name: Callable[[float], str], *, step: float = 0) -> None:
        """Draw a grid, and the label above it; `step` as for the other axis."""
        for tick in _ticks(self._y, step):
            y = self._y(tick)
            self.shapes.append(Shape("grid", f"M{self._left} {y}H{_RIGHT}"))
            self.texts.append(Text("tick", self._left - 5, y + 4, name(tick), "end"))
        self.texts.append(Text("label", self._left, 12, label))

    def bars(self, starts: Sequence[float], width: float, values: Sequence[float]) -> None:
        """Draw bars that start at `starts`, each `width` wide with a gap, all above 0."""
        base, gap = self._y(0), 0.1 * width
        for start, value in zip(starts, values, strict=True):
            if value > 0:
                left, right = self._x(start + gap), self._x(start + width - gap)
                self.shapes.append(Shape("bar", f"M{left} {base}V{self._y(value)}H{right}V{base}Z"))

    def break_bar(self, start: float, width: float, text: str) -> None:
        """Draw two gaps near the top of a bar that the axis cuts off, and its value beside it."""
        left, right = self._x(start), self._x(start + width)
        for y in (_TOP + 12, _TOP + 17):
            self.shapes.append(Shape("gap", f"M{left} {y + 3}L{right} {y - 3}"))
        is_left = left < (self._left + _RIGHT) / 2
        x, anchor = (right + 4, "start") if is_left else (left - 4, "end")
        self.texts.append(Text("value", x, _TOP + 11, text, anchor))

    def steps(self, style: str, edges: Sequence[float], values: Sequence[float]) -> None:
        """Draw values that are constant between edges, from 0 back to 0."""
        path = f"M{self._x(edges[0])} {self._y(0)}"
        for edge, value in zip(edges[1:], values, strict=True):
            path += f"V{self._y(value)}H{self._x(edge)}"
        self.shapes.append(Shape(style, f"{path}V{self._y(0)}"))

    def curve(self, points: Sequence[tuple[float, float]]) -> None:
        """Draw a line through points."""
        if points:
            path = "L".join(f"{self._x(x)} {self._y(y)}" for x, y in points)
            self.shapes.append(Shape("line first", f"M{path}"))

    def point(self, x: float, y: float, text: str) -> None:
        """Draw a dot with a text to its upper right."""
        at, height = self._x(x), self._y(y)
        self.shapes.append(Shape("dot", f"M{at} {height}h0"))
        self.texts.append(Text("value", at + 5, height - 4, text))

    def rows(self, rows: Sequence[tuple[str, float, str, float]]) -> None:
        """Draw a horizontal bar per row: name, value, value as text, expected value."""
        height = (_BOTTOM - _TOP) / len(rows)
        for i, (name, value, text, expected) in enumerate(rows):
            middle = round(_TOP + (i + 0.5) * height, 1)
            top, bottom = round(middle - 0.28 * height, 1), round(middle + 0.28 * height, 1)
            end, mark = self._x(value), self._x(expected)
            self.shapes.append(Shape("bar", f"M{self._left} {top}H{end}V{bottom}H{self._left}Z"))
            self.shapes.append(Shape("line second", f"M{mark} {top - 5}V{bottom + 5}"))
            self.texts.append(Text("value", self._left - 6, middle + 4, name, "end"))
            if value > 0.85:
                self.texts.append(Text("inside", end - 6, middle + 4, text, "end"))
            else:
                self.texts.append(Text("value", max(end, mark) + 6, middle + 4, text))

    def legend(self, *entries: tuple[str, str]) -> None:
        """Draw the styles and names of what is drawn, at the top right."""
        x = _RIGHT
        for style, name in reversed(entries):
            x -= _CHARACTER * len(name)
            self.texts.append(Text("tick", x, 12, name))
            path = f"M{x - 18} 12V4H{x - 4}V12Z" if "area" in style else f"M{x - 18} 8H{x - 4}"
            self.shapes.append(Shape(style, path))
            x -= 30


def _ticks(scale: Scale, step: float) -> list[float]:
    """Return round numbers in the range of a scale; multiples of `step`, if it is not 0."""
    smallest = max(step, (scale.high - scale.low) / _MOST_TICKS)
    power = 10.0 ** math.floor(math.log10(smallest))
    rounded = (number * power for number in (1, 2, 2.5, 5, 10))
    chosen = next(
        number
        for number in rounded
        if number >= smallest * (1 - 1e-9) and not (step and number % step)
    )
    first, last = math.ceil(scale.low / chosen), math.floor(scale.high / chosen + 1e-9)
    return [i * chosen for i in range(first, last + 1)]


def as_share(share: float) -> str:
    """Return a tick of shares: 0%, 2.5%, 50%."""
    return f"{100 * share:.4g}%"


def as_power(power: float) -> str:
    """Return a tick of logarithms as the number: 1, 10, 1k."""
    return as_count(10.0**power)


def as_count(number: float) -> str:
    """Return a tick of numbers: 0.5, 250, 1.5k, 3M."""
    if number < 1:
        return f"{number:.3g}"
    power = min(int(math.log10(number) + 1e-9) // 3, 4)
    return f"{number / 1000**power:.4g}{'kMGT'[power - 1] if power else ''}"
