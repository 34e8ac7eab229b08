from __future__ import annotations

from collections.abc import AsyncIterator

import panel as pn
import pytest
import pytest_asyncio
from bokeh.document import Document
from bokeh.models import ImportedStyleSheet
from panel.io.document import unlocked
from panel.io.state import set_curdoc

from rtmon.dashboard.app import page
from tests.synthetic import SyntheticFeed


@pytest_asyncio.fixture
async def document() -> AsyncIterator[Document]:
    """The document of a session that has no page: what a tab gets when it comes back."""
    document = Document()
    with set_curdoc(document), unlocked():
        page(SyntheticFeed).server_doc(document)
        yield document
    pn.state.clear_caches()


async def test_a_tab_that_comes_back_asks_nobody_else_for_styles(document: Document) -> None:
    """A session made without rendering a page has its style sheets from the dashboard's server."""
    urls = {sheet.url for sheet in document.select({"type": ImportedStyleSheet})}
    assert urls
    assert {url for url in urls if url.startswith("http")} == set()


@pytest.fixture(autouse=True)
def _no_leftovers() -> None:
    pn.state.clear_caches()
