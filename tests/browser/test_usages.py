"""Clients written without rtmon, in Chromium with and without React, use a hub."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.usages.place import MODULE, places

from .conftest import Open
from .test_react import page, serving_texts

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.matrix]


async def test_hub_works_with_clients_written_without_rtmon_in_chromium(
    open_tab: Open, tmp_path: Path
) -> None:
    """Hub works with a React hook, WebSockets and event streams that are written without rtmon in
    Chromium.
    """
    texts = {**page("react_usage.html"), "/usages.mjs": MODULE.read_text()}
    with serving_texts(texts) as site:
        async with places(tmp_path, origins=[site.rstrip("/")]) as place:
            tab = (await open_tab(f"{site}?place={quote(json.dumps(place))}")).page
            await expect(tab.locator("#state")).to_have_text("Connected, lost 0")
            await tab.get_by_role("button", name="send").click()
            await expect(tab.locator("#text")).to_have_text("chat_message hi")
            await tab.get_by_role("button", name="drop").click()
            await expect(tab.locator("#state")).to_have_text("Connected, lost 1")
            assert await tab.evaluate("window.run()") == {"done": 11, "failed": []}
            await tab.close()
