"""Reports of a run as self-contained HTML pages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect

import rtmon
from rtmon.errors import FeedError, OptionError
from rtmon.reporting.html_page import Paragraph, Section, Table, Tiles, page
from rtmon.testing import until
from rtmon.views.chart_definition import Chart, Form, Series
from rtmon.views.server_charts import CHARTS
from rtmon.views.svg_charts import Drawing, svg

HOSTILE = "<img src=x onerror=alert(1)>\"'&</table><script>alert(2)</script>"


class Outline(HTMLParser):
    """Parser that collects a page's tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(text: str) -> Outline:
    """Check that a page runs no script and loads nothing; return its parsed content."""
    outline = Outline(text)
    assert not {"script", "img", "iframe", "link", "object", "base"} & set(outline.tags)
    assert not [name for name, _ in outline.attributes if name.startswith("on")]
    assert not [name for name, _ in outline.attributes if name in {"src", "href"}]
    assert "url(" not in text
    assert "default-src 'none'" in text
    return outline


def number(text: str, name: str) -> str:
    """Return the value of a tile by its name."""
    found = re.search(rf"<b>([^<]*)</b>{re.escape(name)}</div>", text)
    assert found, name
    return found[1]


async def talk(url: str, messages: int) -> None:
    """Send this many pings to a hub, as a client with a hostile name."""
    async with connect(f"{url}/?name=%3Cimg%20src%3Dx%3E", proxy=None) as client:
        for _ in range(messages):
            await client.send('{"type": "ping"}')
        received = 0
        while received < messages:
            received += '"pong"' in str(await client.recv())


async def test_report_counts_only_what_happens_inside_its_block(tmp_path: Path) -> None:
    """HTML report counts only the messages inside its ``with`` block, and shows hostile names and
    titles as text.
    """
    path = tmp_path / "run.html"
    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0) as server:
        await talk(server.url, 5)
        with rtmon.report(path, server.monitor, title=f"Run {HOSTILE}"):
            assert not path.exists()
            await talk(server.url, 3)
            before = server.monitor.snapshot().messages_in
        text = path.read_text("utf-8")
    assert before == 8
    assert number(text, "messages in") == "3"
    assert number(text, "opened") == "1"
    outline = harmless(text)
    assert "<img src=x>" in outline.text, "the client's name, as a text"
    assert HOSTILE in outline.text
    assert len(text) < 100_000


async def test_report_of_an_admin_address_measures_a_remote_server(tmp_path: Path) -> None:
    """HTML report with an admin address and ``async with`` counts the messages of a remote server,
    and raises FeedError when no server listens at the address.
    """
    path = tmp_path / "run.html"
    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0, admin=0) as server:
        assert server.admin_url is not None
        with pytest.raises(OptionError, match="async with"), rtmon.report(path, server.admin_url):
            pass
        assert not path.exists()
        async with rtmon.report(path, server.admin_url) as run:
            await talk(server.url, 2)
            await until(lambda: sum(s.messages_in or 0 for s in run.feed.samples()) == 2)
    text = path.read_text("utf-8")
    assert number(text, "messages in") == "2"
    outline = harmless(text)
    assert "svg" in outline.tags
    with pytest.raises(FeedError):
        async with rtmon.report(path, "ws://127.0.0.1:9", timeout=0.1):
            pass


def test_report_is_written_when_the_block_raises(tmp_path: Path) -> None:
    """HTML report is written with the exception's text when its block raises, and the exception
    is raised again.
    """
    monitor = rtmon.Monitor()
    with pytest.raises(ValueError, match="broken"), rtmon.report(tmp_path / "a.html", monitor):
        raise ValueError("broken <b>")
    assert "ValueError: broken <b>" in harmless((tmp_path / "a.html").read_text("utf-8")).text
    assert [each.name for each in tmp_path.iterdir()] == ["a.html"], "no partial file is left"
    with pytest.raises(FileNotFoundError), rtmon.report(tmp_path / "none" / "a.html", monitor):
        pass
    monitor.close()


ANY_TEXT = st.text(st.characters(exclude_categories=()))


def drawing(text: str, values: list[float | None], form: Form = "line") -> Drawing:
    """Draw values with the same text in every place where a chart shows one."""
    series = Series[float | None](key="key", label=text, color=text, value=lambda value: value)
    chart = Chart(key="chart", title=text, unit=text, series=(series,), form=form)
    return Drawing.of(chart, list(enumerate(values)))


@given(
    ANY_TEXT,
    st.lists(st.floats() | st.none(), max_size=20),
    st.sampled_from(("line", "area", "step")),
)
def test_report_page_shows_any_text_as_text_and_draws_any_numbers(
    text: str, values: list[float | None], form: Form
) -> None:
    """HTML report page shows any text as plain text, and draws any numbers in each chart form."""
    parts = [
        drawing(text, values, form),
        Tiles([(text, text)]),
        Paragraph(text),
        Table(text, (text,), [(text,), (None,)]),
    ]
    outline = harmless(page(text, text, [Section(text, parts)]))
    assert outline.text.count("\n") >= text.count("\n")
    drawn = svg(drawing("blue", values, form))
    assert "nan" not in drawn
    assert "inf" not in drawn


def paths(text: str) -> list[str]:
    """Return the SVG paths of a drawing."""
    return re.findall(r'<path d="([^"]*)"', text)


def test_report_chart_is_drawn_as_line_steps_or_area() -> None:
    """HTML report draws a line chart with a gap at an unknown value, a step chart with each step
    before its point, and an area chart as a closed shape.
    """
    (line,) = paths(svg(drawing("a", [1.0, None, 1.0, 2.0])))
    assert line.count("M") == 2
    (steps,) = paths(svg(drawing("a", [1.0, 2.0], "step")))
    (x0, _), (x1, y1), (x2, y2) = [corner.split() for corner in steps[1:].split("L")]
    assert (x1, y1) == (x0, y2)
    assert x2 != x1
    ground, above = paths(svg(drawing("a", [1.0, 2.0], "area")))
    assert above[1:] in ground
    assert ground.endswith("Z")


async def test_report_contains_every_chart_of_the_dashboard(tmp_path: Path) -> None:
    """HTML report contains every chart of the dashboard, event-loop lag and CPU included."""
    path = tmp_path / "run.html"
    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0) as server:
        with rtmon.report(path, server.monitor):
            await talk(server.url, 1)
    titles = re.findall(r"<h3>([^<]*) <small>", path.read_text("utf-8"))
    assert titles == [chart.title for chart in CHARTS]
    assert {"Event-loop lag", "CPU of the server"} < set(titles)
