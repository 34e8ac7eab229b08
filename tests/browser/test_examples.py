"""The examples for browsers, in Chromium."""

from __future__ import annotations

import asyncio
import http.server
import subprocess
import threading
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import expect

import rtmon
from tests.examples.conftest import EXAMPLES, examples, serving

from .conftest import PATIENCE, Open

pytestmark = pytest.mark.asyncio(loop_scope="module")

__all__ = ["examples"]  # a fixture


async def test_plain_websocket_and_event_source_share_a_chat(open_tab: Open) -> None:
    """A browser's WebSocket and EventSource are in one chat, and texts stay texts."""
    async with serving(EXAMPLES / "servers" / "fastapi_hub.py") as (port, _):
        tab = await open_tab(f"http://127.0.0.1:{port}/")
        hostile = "<img src=x onerror=document.title='owned'>"
        await tab.page.get_by_label("Message").fill(hostile)
        await tab.page.get_by_role("button", name="Send").click()
        for way in ("socket", "stream"):
            await expect(tab.page.locator(f"#{way} li")).to_have_text(f"socket: {hostile}")
        assert "owned" not in await tab.page.title()
        await tab.page.close()  # before the server, since the page logs an error when it ends


async def test_react_example_works_as_its_readme_says(open_tab: Open, examples: Path) -> None:
    """The React example is built as its README says, sends a message, and receives it once."""
    folder = examples / "clients" / "react"
    build = ["npx", "--no-install", "esbuild", "clients/react/app.jsx", "--bundle"]
    build += ["--jsx=automatic", "--outdir=clients/react", "--log-level=warning"]
    await asyncio.to_thread(subprocess.run, build, cwd=examples, check=True, timeout=PATIENCE)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        try:
            async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0) as hub:
                tab = await open_tab(f"http://127.0.0.1:{pages.server_port}/?hub={hub.url}")
                await expect(tab.page.get_by_role("status")).to_have_text("connected")
                await tab.page.get_by_label("Message").fill("hello")
                await tab.page.get_by_role("button", name="Send").click()
                await expect(tab.page.locator("li")).to_have_text("react: hello")
                assert hub.monitor.snapshot().open == 1
                await tab.page.close()  # before the hub, since the page logs an error when it ends
        finally:
            pages.shutdown()
            thread.join()
