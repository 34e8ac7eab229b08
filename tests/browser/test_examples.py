"""The example programs for browsers, in Chromium."""

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

__all__ = ["examples"]  # re-exported so that pytest finds the fixture


async def test_plain_websocket_and_event_source_share_a_chat(open_tab: Open) -> None:
    """Web page of the FastAPI example lists a message with markup as plain text twice: as received
    over WebSocket and as received over EventSource.
    """
    async with serving(EXAMPLES / "servers" / "fastapi_hub.py") as (port, _):
        tab = await open_tab(f"http://127.0.0.1:{port}/")
        hostile = "<img src=x onerror=document.title='owned'>"
        await tab.page.get_by_label("Message").fill(hostile)
        await tab.page.get_by_role("button", name="Send").click()
        for way in ("socket", "stream"):
            await expect(tab.page.locator(f"#{way} li")).to_have_text(f"socket: {hostile}")
        assert "owned" not in await tab.page.title()
        # Close before the server ends: afterwards the page would log an error.
        await tab.page.close()


async def test_react_example_sends_and_shows_a_message_when_built_as_its_readme_says(
    open_tab: Open, examples: Path
) -> None:
    """React example, built by the command in its README, connects once, sends a message, and shows
    the message.
    """
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
                # Close before the hub ends: afterwards the page would log an error.
                await tab.page.close()
        finally:
            pages.shutdown()
            thread.join()
