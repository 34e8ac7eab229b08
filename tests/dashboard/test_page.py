from __future__ import annotations

from collections.abc import AsyncIterator

import panel as pn
import pytest
import pytest_asyncio
from bokeh.document import Document
from bokeh.models import ImportedStyleSheet, Line, Plot, Step
from panel.io.document import unlocked
from panel.io.state import set_curdoc

from rtmon.dashboard.app import page
from rtmon.views.charts import CHARTS
from tests.synthetic import SyntheticFeed


@pytest_asyncio.fixture
async def document() -> AsyncIterator[Document]:
    """Make the document of a session without a rendered page, as a reconnecting tab gets it."""
    document = Document()
    with set_curdoc(document), unlocked():
        page(SyntheticFeed).server_doc(document)
        yield document
    pn.state.clear_caches()


async def test_page_uses_local_style_sheets_when_a_tab_reconnects(document: Document) -> None:
    """A session without a rendered page gets its style sheets from the dashboard's own server."""
    urls = {sheet.url for sheet in document.select({"type": ImportedStyleSheet})}
    assert urls
    assert {url for url in urls if url.startswith("http")} == set()


async def test_page_has_every_chart_of_the_table(document: Document) -> None:
    """The page draws each chart, event-loop lag and CPU among them, with all its series."""
    drawn = {
        plot.html_attributes["aria-label"]: {
            each.glyph.y for each in plot.renderers if isinstance(each.glyph, Line | Step)
        }
        for plot in document.select({"type": Plot})
    }
    for chart in CHARTS:
        label = f"{chart.title}, as a chart over time"
        assert {series.key for series in chart.series} <= drawn[label]
    assert {"Event-loop lag", "CPU of the server"} < {chart.title for chart in CHARTS}


@pytest.fixture(autouse=True)
def _no_leftovers() -> None:
    pn.state.clear_caches()
