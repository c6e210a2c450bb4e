"""`bertprep inspect --report`: the page's contents, and the page in a real browser."""

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import browser as chromium
import numpy as np
import pytest

from bertprep.create.pipeline import create
from bertprep.errors import BertprepError, UsageError
from bertprep.inspection.masked_record import Mask, Piece, Word
from bertprep.inspection.report import Excerpt, read_excerpts, render_page, write_report
from bertprep.inspection.report.charts import binned
from bertprep.inspection.report.drawing import as_count
from bertprep.inspection.statistics.counts import Counts
from bertprep.inspection.statistics.duplicates import Duplicates
from bertprep.inspection.statistics.findings import Finding, Statistics, percent
from bertprep.options import CreateOptions, InspectOptions, InstanceOptions
from bertprep.records import DataSet, RecordSchema, find_data_set
from bertprep.records.manifest import describe_instances
from bertprep.terminal import printable
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary

TITLES = {
    "lengths": "Tokens per record",
    "segments": "Tokens per segment",
    "next-sentence": "Next sentence",
    "masks": "Masks per record",
    "positions": "Mask positions",
    "replacements": "80/10/10",
    "pieces": "Pieces by rank",
}
SECTIONS = ("summary", "charts", "statistics", "vocabulary", "records", "manifest")
HOSTILE = (
    "<script>document.title='owned'</script>",
    "</title></svg></style>",
    '"onload="alert(1)',
    "'><img/src=x>",
    "&lt;b&gt;",
    "$\\frac{1}{0}$",
    "{{7*7}}",
    "]]>",
    "\x07\x1b[31m",
    "\u202eevil",
    "漢字",
    "שלום",
)


def statistics_of(
    num_pieces: int, *, length: int = 128, predictions: int = 20, records: int = 1000
) -> Statistics:
    """Statistics that are like those of real records, of as many as wanted."""
    rng = np.random.default_rng(5)

    def histogram(values: Any, size: int) -> np.ndarray:
        return np.bincount(np.clip(values, 0, size - 1), minlength=size)

    lengths = np.where(rng.random(records) < 0.7, length, rng.integers(5, length + 1, records))
    masks = np.clip((lengths * 0.15).round().astype(int), 1, predictions)
    expected = np.full(length, masks.sum() / (length - 1))
    expected[0] = 0
    total = int(masks.sum())
    counts = Counts(
        records=records,
        tokens=int(lengths.sum()),
        full=int((lengths == length).sum()),
        masks=total,
        mask_tokens=round(total * 0.8),
        kept=round(total * 0.1),
        replaced=total - round(total * 0.8) - round(total * 0.1),
        pair_label_1=round(records * 0.55),
        budget=total,
        at_budget=records,
        unknown=records // 10,
        tokens_a=int(lengths.sum()) // 2,
        tokens_b=int(lengths.sum()) // 2,
        lengths=histogram(lengths, length + 1),
        lengths_a=histogram(lengths // 2, length + 1),
        lengths_b=histogram(lengths // 2, length + 1),
        masks_per_record=histogram(masks, predictions + 1),
        mask_positions=rng.poisson(expected),
        expected_positions=expected,
        variance_positions=expected * 0.85,
        pieces=np.append((1e6 / np.arange(1, num_pieces)).astype(np.int64), 0),
        misplaced=np.zeros(num_pieces, np.int64),
        unknown_contexts={(i, num_pieces - 1 - i): 9 - i for i in range(min(9, num_pieces))},
    )
    sections = {
        "Masks": [
            Finding("replaced", "replaced pieces", 0.2, "20%", "10%", 1e-9, True, "drawn oddly"),
            Finding("kept", "kept pieces", 0.1, "10.01%", "10%", 0.25),
            Finding("odd", "odd pieces", 0.1, "3%", "2%", 0.0042),
        ],
        "Length": [Finding("tokens", "mean of the tokens", 99.5, "99.5")],
    }
    schema = RecordSchema(length, predictions)
    return Statistics(DataSet("", ()), schema, counts, Duplicates(3, 2, records, 1.0), sections)


def vocabulary_of(*pieces: str) -> Vocabulary:
    return Vocabulary.parse("\n".join((*SPECIAL_TOKENS, *pieces)).encode(), lenient=True)


def page_of(
    data_set: DataSet, statistics: Statistics, excerpts: list[Excerpt] | None = None
) -> str:
    options = InstanceOptions(
        max_seq_length=statistics.schema.max_seq_length,
        max_predictions_per_seq=statistics.schema.max_predictions,
    )
    data_set = dataclasses.replace(data_set, plan={"instances": describe_instances(options)})
    return render_page(dataclasses.replace(statistics, data_set=data_set), excerpts or [])


@pytest.fixture(scope="module")
def record_folder(sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of English and Chinese."""
    folder = tmp_path_factory.mktemp("report") / "records"
    inputs = tuple(str(sample_corpus / name) for name in ("english-a.txt", "chinese.txt"))
    options = CreateOptions(
        *(inputs, sample_corpus / "vocab.txt", folder),
        num_shards=2,
        quiet=True,
        instances=InstanceOptions(dupe_factor=2),
    )
    create(options)
    return folder


@pytest.fixture(scope="module")
def page(record_folder: Path) -> str:
    """A page with everything on it: marks, [UNK], records, a manifest."""
    data_set = find_data_set([str(record_folder)])
    statistics = statistics_of(len(data_set.require_vocabulary().tokens))
    options = InspectOptions(paths=(str(record_folder),), num=12)
    return page_of(data_set, statistics, read_excerpts(data_set, options))


class Reader(HTMLParser):
    """What a browser would find in a page, as far as these tests ask."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self._is_style = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._is_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False

    def handle_data(self, data: str) -> None:
        if self._is_style:
            self.style += data
        else:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.elements if name in attributes]


# What is on the page.


def test_every_section_and_every_chart_is_there(page: str) -> None:
    ids = Reader(page).attributes("id")
    assert [name for name in SECTIONS if name not in ids] == []
    assert [name for name in TITLES if f"chart-{name}" not in ids] == []
    for name, title in TITLES.items():
        assert f'<title id="{name}-title">{title}</title>' in page


def test_statistics_are_shown_with_expectations_and_anomalies(page: str) -> None:
    text = " ".join(Reader(page).text.split())
    assert "mean of the tokens 99.5" in text
    assert "kept pieces 10.01% 10% odd pieces 3% 2%p = 0.0042" in text
    assert "replaced pieces ▲ anomaly 20% 10%p < 1e-6 drawn oddly" in text
    assert "1 anomaly found: replaced pieces" in text
    assert page.count("▲ anomaly") == 2  # the row and what the sign means


def test_records_are_shown_before_masking_with_each_kind_of_mask(
    page: str, record_folder: Path
) -> None:
    data_set = find_data_set([str(record_folder)])
    excerpts = read_excerpts(data_set, InspectOptions(paths=(str(record_folder),), num=12))
    assert len(excerpts) == 12
    text = Reader(page).text
    for excerpt in excerpts:
        assert excerpt.place in text
        assert not excerpt.problems
    masks = [mask for excerpt in excerpts for mask in excerpt.masks]
    assert {mask.kind for mask in masks} == {"mask", "kept", "replaced"}
    for kind in ("mask", "kept", "replaced"):
        # The legend shows one of each.
        count = len([mask for mask in masks if mask.kind == kind]) + 1
        assert page.count(f'<mark class="{kind}"') == count


def test_the_whole_manifest_is_shown(page: str, record_folder: Path) -> None:
    text = " ".join(Reader(page).text.split())
    home = find_data_set([str(record_folder)]).homes[0]
    for values in (home.manifest["plan"]["instances"], home.manifest["counts"]):
        for name, value in values.items():
            shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
            assert f"{name}{shown}" in text
    for shard in home.manifest["shards"]:
        assert shard["name"] in text
        assert f"{shard['crc32c']:08x}" in text


def test_without_a_manifest_the_page_says_so() -> None:
    data_set = DataSet("strange", (), vocabulary_of("a", "b"))
    statistics = dataclasses.replace(statistics_of(7), data_set=data_set)
    text = Reader(render_page(statistics, [])).text
    assert "There is no manifest" in text
    assert "Without a manifest the budget is not known." in text


def test_the_page_loads_nothing(page: str) -> None:
    reader = Reader(page)
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("style") == 1
    assert set(tags).isdisjoint({"script", "iframe", "img", "object", "embed", "base", "form"})
    for name in ("href", "src", "srcset", "action", "data"):
        assert {value[0] for value in reader.attributes(name)} - {"#"} <= {"d"}
    assert [value for value in reader.attributes("href") if value[0] == "d"] == ["data:,"]
    assert not re.search(r"https?:|@import|//", reader.style)
    assert "url(" not in page
    assert not re.search(r"https?://", page)
    names = {name for _, attributes in reader.elements for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    assert "default-src 'none'" in reader.attributes("content")[0]


def test_ids_are_unique_and_references_lead_to_them(page: str) -> None:
    reader = Reader(page)
    ids = reader.attributes("id")
    assert len(ids) == len(set(ids))
    referred = [value[1:] for value in reader.attributes("href") if value.startswith("#")]
    referred += " ".join(reader.attributes("aria-labelledby")).split()
    assert len(referred) > 2 * len(TITLES) + 5
    assert set(referred) <= set(ids)


def page_with(names: Sequence[str]) -> Reader:
    """A page on which each of the names stands in every place that takes one."""
    vocabulary = vocabulary_of(*names)
    statistics = statistics_of(len(vocabulary.tokens))
    ids = [vocabulary.ids[name] for name in names]
    pieces = np.zeros(len(vocabulary.tokens), np.int64)
    pieces[ids[:-1]] = np.arange(1000, 1000 - len(ids[:-1]), -1)
    counts = dataclasses.replace(
        statistics.counts, pieces=pieces, unknown_contexts={(i, i): 7 for i in ids}
    )
    sections = {name: [Finding(name, name, 0, name, name, note=name)] for name in names}
    statistics = dataclasses.replace(statistics, counts=counts, sections=sections)
    masks = tuple(Mask(i, name, name, "replaced") for i, name in enumerate(names))
    words = [Word(" ", [Piece(mask.position, printable(mask.now), mask)]) for mask in masks]
    excerpts = [Excerpt(name, [name], [name], {"A": words}, masks) for name in names]
    return Reader(page_of(DataSet(names[0], (), vocabulary), statistics, excerpts))


def test_hostile_text_is_escaped() -> None:
    hostile, tame = page_with(HOSTILE), page_with([f"word{i}" for i in range(len(HOSTILE))])

    def shape(reader: Reader) -> list[tuple[str, list[str]]]:
        return [(tag, list(attributes)) for tag, attributes in reader.elements]

    assert shape(hostile) == shape(tame)
    assert hostile.style == tame.style
    for name in HOSTILE:
        shown = name if name.isprintable() else name.encode("unicode_escape").decode()
        assert hostile.text.count(shown) > 30
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", hostile.text)


def test_names_in_charts_stay_text() -> None:
    for name in ("漢字かな交じり", "$x_2$", "<svg>", "a" * 100):
        vocabulary = vocabulary_of(name, *(f"w{i}" for i in range(100)))
        statistics = statistics_of(len(vocabulary.tokens))
        statistics.counts.pieces[vocabulary.ids[name]] = 10**7
        page = page_of(DataSet("names", (), vocabulary), statistics)
        assert f"“{name if len(name) < 14 else 'a' * 13 + '…'}”" in Reader(page).text


def test_equal_data_give_equal_bytes(page: str, record_folder: Path) -> None:
    data_set = find_data_set([str(record_folder)])
    statistics = statistics_of(len(data_set.require_vocabulary().tokens))
    options = InspectOptions(paths=(str(record_folder),), num=12)
    assert page_of(data_set, statistics, read_excerpts(data_set, options)) == page


def test_large_data_give_a_small_page(record_folder: Path) -> None:
    data_set = find_data_set([str(record_folder)])
    vocabulary = vocabulary_of(*(f"piece-{i:06}" for i in range(250_000)))
    manifest = data_set.homes[0].manifest
    plan = manifest["plan"] | {"inputs": manifest["plan"]["inputs"] * 10_000}
    home = dataclasses.replace(data_set.homes[0], manifest=manifest | {"plan": plan})
    data_set = dataclasses.replace(
        data_set, vocabulary=vocabulary, shards=data_set.shards * 10_000, homes=(home,)
    )
    statistics = statistics_of(
        len(vocabulary.tokens), length=4096, predictions=615, records=100_000
    )
    page = page_of(data_set, statistics)
    assert len(page.encode()) < 300_000
    text = Reader(page).text
    assert "And 19,970 more shards." in text
    assert "And 19,970 more files." in text


def test_empty_counts_can_be_drawn() -> None:
    schema, nothing = RecordSchema(5, 1), DataSet("", ())
    statistics = Statistics(nothing, schema, Counts.empty(schema, 5), Duplicates(0, 0, 0, 1.0), {})
    text = Reader(page_of(DataSet("nothing", (), vocabulary_of()), statistics)).text
    assert "There are no records." in text
    assert "nan" not in text


def test_bins_and_number_formats() -> None:
    edges, sums = binned(np.arange(7), 3)
    assert (edges, sums.tolist()) == ([0, 3, 6, 7], [3, 12, 6])
    assert [percent(share) for share in (0, 1e-9, 0.1234, 0.99999, 1)] == [
        *("0%", "<0.01%", "12.34%", ">99.99%", "100%")
    ]
    assert [as_count(number) for number in (0, 0.25, 999, 1000, 1500, 2e6, 3e9)] == [
        *("0", "0.25", "999", "1k", "1.5k", "2M", "3G")
    ]


# What becomes of the file.


def write(record_folder: Path, path: Path) -> str:
    return write_report(
        InspectOptions(paths=(str(record_folder),), report=path, workers=1, quiet=True)
    )


def test_a_report_can_be_overwritten(record_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    line = write(record_folder, path)
    written = path.read_bytes()
    records = sum(
        shard.summary.records
        for shard in find_data_set([str(record_folder)]).shards
        if shard.summary
    )
    assert line.startswith(f"{path}: {records:,} records, no anomalies found; ")
    assert written.startswith(b"<!DOCTYPE html>")
    assert len(Reader(written.decode()).attributes("viewbox")) == len(TITLES)
    assert write(record_folder, path) == line
    assert path.read_bytes() == written
    assert os.listdir(tmp_path) == ["report.html"]


def test_unusable_report_paths_are_refused(record_folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, problem in (
        (tmp_path / "none" / "report.html", "there is no folder"),
        (tmp_path, "is a folder. Name a file in it"),
        (tmp_path / "pipe", "exists and is not an HTML page"),
    ):
        with pytest.raises(UsageError, match=re.escape(f"{path}: ") + problem):
            write(record_folder, path)


def test_a_shard_is_never_overwritten(record_folder: Path, tmp_path: Path) -> None:
    shard = tmp_path / "shard"
    data = next(record_folder.glob("*.tfrecord*")).read_bytes()
    shard.write_bytes(data)
    with pytest.raises(UsageError, match="exists and is not an HTML page"):
        write(record_folder, shard)
    assert shard.read_bytes() == data


def test_a_failed_write_is_one_line(
    record_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("<!doctype html>old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BertprepError, match=r"report\.html: cannot be written: No space left"):
        write(record_folder, path)
    assert path.read_text() == "<!doctype html>old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_missing_vocabulary_is_one_line(record_folder: Path, tmp_path: Path) -> None:
    shard = next(record_folder.glob("*.tfrecord*"))
    (tmp_path / shard.name).write_bytes(shard.read_bytes())
    with pytest.raises(UsageError, match="with --vocab"):
        write(tmp_path, tmp_path / "report.html")


def test_a_damaged_shard_still_has_a_page(record_folder: Path, tmp_path: Path) -> None:
    shard = next(record_folder.glob("*.tfrecord*"))
    (tmp_path / "vocab.txt").write_bytes((record_folder / "vocab.txt").read_bytes())
    (tmp_path / shard.name).write_bytes(shard.read_bytes()[:-100])
    data_set = find_data_set([str(tmp_path)])
    excerpts = read_excerpts(data_set, InspectOptions(paths=(str(tmp_path),), num=2))
    assert [bool(excerpt.problems) for excerpt in excerpts] == [False, False, True]
    line = write(tmp_path, tmp_path / "report.html")
    assert "records, 1 unreadable, " in line
    assert "1 record is damaged and not counted" in (tmp_path / "report.html").read_text()


# The page in a browser.

needs_chromium = pytest.mark.skipif(
    not chromium.PATH, reason="there is no Chromium here: apt-get install chromium"
)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    with chromium.Browser(tmp_path_factory.mktemp("chromium")) as window:
        yield window


@pytest.fixture(scope="module")
def page_file(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page)
    return path


@pytest.fixture
def opened(window: chromium.Browser, page_file: Path) -> chromium.Browser:
    window.open(page_file, width=1200)
    return window


@needs_chromium
def test_the_page_loads_without_warnings(opened: chromium.Browser, page_file: Path) -> None:
    assert opened.evaluate("document.readyState") == "complete"
    assert opened.evaluate("document.compatMode") == "CSS1Compat"
    assert opened.requests == [page_file.resolve().as_uri()]
    assert opened.complaints == []


@needs_chromium
def test_the_page_forbids_scripts_and_requests(
    window: chromium.Browser, page: str, tmp_path: Path
) -> None:
    # Also shows that the test above would see it.
    (tmp_path / "image.png").write_bytes(b"")
    path = tmp_path / "report.html"
    wish = "<script>document.title = 'run'</script><img src='image.png'>"
    path.write_text(page.replace("</main>", f"{wish}</main>"))
    window.open(path, width=1200)
    assert window.evaluate("document.title") != "run"
    assert len([text for text in window.complaints if "Content Security Policy" in text]) == 2
    assert window.requests[0] == path.resolve().as_uri()


@needs_chromium
@pytest.mark.parametrize("width", [360, 1200])
def test_charts_are_drawn(window: chromium.Browser, page_file: Path, width: int) -> None:
    window.open(page_file, width=width)
    charts = window.evaluate(
        """Array.from(document.querySelectorAll("svg"), svg => {
            const box = svg.getBoundingClientRect();
            const shapes = Array.from(svg.querySelectorAll("path"), shape => {
                const style = getComputedStyle(shape), area = shape.getBoundingClientRect();
                return (style.fill != "none" || style.stroke != "none") && area.height > 20;
            });
            return {
                title: svg.querySelector("title").textContent,
                left: box.left, right: box.right, height: box.height,
                shapes: shapes.filter(Boolean).length,
                texts: Array.from(svg.querySelectorAll("text"), text => {
                    const area = text.getBoundingClientRect();
                    return [text.textContent, area.left, area.right, area.height];
                }),
            };
        })"""
    )
    assert [chart["title"] for chart in charts] == list(TITLES.values())
    for chart in charts:
        assert 0 <= chart["left"] < chart["right"] <= width
        assert chart["right"] - chart["left"] >= 280
        assert chart["height"] >= 150
        assert chart["shapes"] >= 2
        assert len(chart["texts"]) >= 8
        for text, left, right, height in chart["texts"]:
            assert 0 <= left < right <= width, text
            assert height >= 10, f"{text!r} cannot be read"


@needs_chromium
def test_text_can_be_selected(opened: chromium.Browser) -> None:
    words = (
        ("#chart-lengths text", "records"),
        ("#chart-masks figcaption", "average"),
        ("#chart-pieces text", "occurrences"),
        ("#statistics th", "tokens"),
        ("#records mark.mask", "ferry"),
        ("#manifest th", "max_seq_length"),
    )
    for selector, word in words:
        x, y = opened.evaluate(
            f"""(() => {{
                for (const element of document.querySelectorAll({selector!r})) {{
                    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
                    while (walker.nextNode()) {{
                        const at = walker.currentNode.data.indexOf({word!r});
                        if (at < 0) continue;
                        element.scrollIntoView({{block: "center"}});
                        const range = document.createRange();
                        range.setStart(walker.currentNode, at);
                        range.setEnd(walker.currentNode, at + {len(word)});
                        const box = range.getBoundingClientRect();
                        return [box.left + box.width / 2, box.top + box.height / 2];
                    }}
                }}
            }})()"""
        )
        opened.double_click(x, y)
        assert opened.evaluate("getSelection().toString().trim()") == word


@needs_chromium
@pytest.mark.parametrize("width", [320, 360, 768, 1200])
def test_nothing_is_wider_than_the_screen(
    window: chromium.Browser, page: str, tmp_path: Path, width: int
) -> None:
    # With long names: of a data set, a piece, a value.
    path = tmp_path / "report.html"
    long = "long" * 60
    path.write_text(
        page.replace("<h1><bdi>", f"<h1><bdi>{long}")
        .replace('<bdi class="piece" dir="ltr">', f'<bdi class="piece" dir="ltr">{long}')
        .replace("mean of the tokens", long)
    )
    window.open(path, width=width)
    window.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    wide = window.evaluate(
        f"""Array.from(document.querySelectorAll("body *"))
            .filter(e => e.getBoundingClientRect().right > {width} + 0.5)
            .map(e => e.outerHTML.slice(0, 200))"""
    )
    assert wide == []


@needs_chromium
def test_dark_screens_get_light_text(window: chromium.Browser, page_file: Path) -> None:
    seen = {}
    for is_dark in (False, True):
        window.open(page_file, width=1200, is_dark=is_dark)
        seen[is_dark] = [
            sum(int(part) for part in re.findall(r"\d+", colour)[:3])
            for colour in window.evaluate(
                """[getComputedStyle(document.documentElement).backgroundColor,
                    getComputedStyle(document.querySelector("p.verdict, h1")).color,
                    ...Array.from(document.querySelectorAll("svg text"),
                                  text => getComputedStyle(text).fill)]"""
            )
        ]
    assert seen[False][0] > 600 > 200 > seen[True][0]
    assert max(seen[False][1:]) < 400 < min(seen[True][1:])


@needs_chromium
def test_print_breaks_no_chart_and_opens_details(opened: chromium.Browser) -> None:
    opened.call("Emulation.setEmulatedMedia", media="print")
    # A4 without the margins, in CSS pixels.
    size = {"width": 688, "height": 1016, "deviceScaleFactor": 1, "mobile": False}
    opened.call("Emulation.setDeviceMetricsOverride", **size)
    figures = opened.evaluate(
        """Array.from(document.querySelectorAll("figure, .record, .card"), e =>
            [getComputedStyle(e).breakInside, e.getBoundingClientRect().width])"""
    )
    assert {rule for rule, _ in figures} == {"avoid"}
    assert max(width for _, width in figures) <= 688
    tallest = """Math.max(...Array.from(document.querySelectorAll("figure, .record"),
                                        e => e.getBoundingClientRect().height))"""
    assert opened.evaluate(tallest) < 1016
    folded = """Array.from(document.querySelectorAll("#manifest details > .card"),
                           e => e.checkVisibility({contentVisibilityAuto: true}))"""
    assert opened.evaluate(folded) == [True] * 3
    background = "getComputedStyle(document.documentElement).backgroundColor"
    assert opened.evaluate(background) == "rgba(0, 0, 0, 0)"
    assert opened.print_pdf().startswith(b"%PDF-")
