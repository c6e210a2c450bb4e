"""A matplotlib figure -> SVG for a page: text that can be selected, the page's colours, own ids.

    svg = as_svg("lengths", "Tokens a record", "Most have 128.", draw)

The same figure gives the same bytes, whatever the fonts, the settings and the day. 50 ms each.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Colours to draw with. The page has a variable of the same name for each, for light and dark.
INK, QUIET, FAINT = "#1c2733", "#5b6875", "#d9dee4"
FIRST, SECOND, PAPER = "#2b6c9e", "#c05f10", "#ffffff"
_VARIABLES = {
    INK: "--ink",
    QUIET: "--quiet",
    FAINT: "--faint",
    FIRST: "--first",
    SECOND: "--second",
    PAPER: "--paper",
}

#: Of a card on a phone, nearly: 11 units of text are 10 pixels there, and 12 on a desk.
_INCHES = (4.5, 2.7)
#: It comes with matplotlib, so that it is there; browsers show the page's own font in its place.
_FONT = "DejaVu Sans"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bertprep",
    "font.family": [_FONT],
    "font.size": 11,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": QUIET,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": QUIET,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": QUIET,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.unicode_minus": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
}
_XML = "{http://www.w3.org/XML/1998/namespace}"
_REFERENCE = re.compile(r"#([\w.-]+)")


def as_svg(key: str, title: str, description: str, draw: Callable[[Axes], None]) -> str:
    """Draws on new axes, and gives the figure as an `svg` element.

    Args:
        key: unlike that of any other figure of the page; its ids begin with it.
        title, description: what those hear who do not see it.
        draw: draws with the colours of this module.
    """
    file = io.StringIO()
    with _our_style(), warnings.catch_warnings():
        # The browser has the glyphs that the font for measuring lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=_INCHES, layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(file, format="svg", transparent=True)
    svg = _without_namespaces(ElementTree.fromstring(file.getvalue()))
    _remove(svg, "metadata")  # has the date
    _remove(svg, "style")  # says how lines join, to all of the page; the page says it too
    _own_ids(svg, key)
    svg.attrib = {
        "viewBox": svg.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-description",
    }
    for place, (name, text) in enumerate((("title", title), ("description", description))):
        element = ElementTree.Element("title" if name == "title" else "desc", id=f"{key}-{name}")
        element.text = text
        svg.insert(place, element)
    return ElementTree.tostring(svg, encoding="unicode")


@contextmanager
def _our_style() -> Iterator[None]:
    """Our settings and the defaults, whatever a matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        with matplotlib.rc_context(_STYLE):
            yield


def _without_namespaces(svg: ElementTree.Element) -> ElementTree.Element:
    """HTML knows svg without them; blanks between elements go as well."""
    for element in svg.iter():
        element.tag = element.tag.rpartition("}")[2]
        # Blanks within a text count by way of the page's style.
        named = {k: v for k, v in element.items() if not k.startswith(_XML)}
        element.attrib = {k.rpartition("}")[2]: _on_page(v) for k, v in named.items()}
        element.tail = None
        if element.tag not in ("text", "tspan"):
            element.text = None
    return svg


def _on_page(value: str) -> str:
    """An attribute on one line, with the page's colours and font."""
    value = " ".join(value.split()).replace(f"'{_FONT}'", "var(--font)")
    for colour, variable in _VARIABLES.items():
        value = value.replace(colour, f"var({variable})")
    return value


def _remove(svg: ElementTree.Element, tag: str) -> None:
    for parent in list(svg.iter()):
        for child in parent.findall(tag):
            parent.remove(child)


def _own_ids(svg: ElementTree.Element, key: str) -> None:
    """Keeps the ids that are referred to, under names that no other figure has."""
    elements = list(svg.iter())
    used = {
        name: f"{key}-{i}"
        for i, name in enumerate(
            dict.fromkeys(
                name
                for element in elements
                for value in element.attrib.values()
                for name in _REFERENCE.findall(value)
            )
        )
    }
    for element in elements:
        own = used.get(element.attrib.pop("id", ""))
        for attribute, value in element.items():
            element.set(attribute, _REFERENCE.sub(lambda match: f"#{used[match[1]]}", value))
        if own:
            element.set("id", own)
