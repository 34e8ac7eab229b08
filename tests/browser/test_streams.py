"""Server-sent events in Chromium: its EventSource, and the chat page without WebSockets."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, expect

import rtmon
from rtmon.asgi import ASGIServer, serve
from rtmon.testing import FaultProxy
from rtmon.testing import until as holds

from .conftest import Open, Tab

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = "<img src=x onerror=\"document.title='owned'\">\n\nid: 9\nevent: welcome\ndata: {}"
LISTEN = """address => {
  window.got = [];
  const source = window.source = new EventSource(address);
  source.addEventListener("publication", (event) => {
    got.push([JSON.parse(event.data).payload.data, event.lastEventId]);
  });
}"""


@contextlib.asynccontextmanager
async def reached() -> AsyncIterator[tuple[ASGIServer, FaultProxy, str]]:
    """Start a hub on all transports behind a fault proxy; yield server, proxy and HTTP address."""
    async with serve(rtmon.Hub(), port=0) as server, FaultProxy(server) as proxy:
        yield server, proxy, proxy.url.replace("ws:", "http:")


def forgive(tab: Tab) -> None:
    """Ignore the errors that Chromium logs while a server is unreachable."""
    tab.console[:] = [line for line in tab.console if "Failed to load" not in line]


async def test_event_source_gets_each_message_once_when_its_connection_is_cut(
    open_tab: Open,
) -> None:
    """EventSource in a browser receives each message once and in order when its connection is cut
    and the browser reconnects with the last event id.
    """
    async with reached() as (server, proxy, url):
        tab = await open_tab(f"{url}/healthz")
        await tab.page.evaluate(LISTEN, "/events?name=es&channel=news")
        hub = server.hub
        await holds(lambda: hub.registry.subscriptions.receivers("news"))
        await hub.publish("news", 0)
        await tab.page.wait_for_function("got.length === 1")
        proxy.cut()
        await holds(lambda: not hub.connections)
        for number in range(1, 4):
            await hub.publish("news", number)
        await tab.page.wait_for_function("got.length >= 4")
        await hub.publish("news", 4)
        await tab.page.wait_for_function("got.length >= 5")
        got = await tab.page.evaluate("source.close(), got")
        assert [number for number, _ in got] == list(range(5))
        assert len({last_id for _, last_id in got}) == 5
        await tab.page.close()
        forgive(tab)


@pytest.mark.matrix
async def test_chat_page_works_without_websockets(open_tab: Open, chromium: Browser) -> None:
    """Chat page without WebSockets uses server-sent events, shows markup as text, and recovers
    missed messages after a cut.
    """
    context = await chromium.new_context()
    await context.route_web_socket("**/*", lambda socket: socket.close())
    async with (
        reached() as (server, proxy, url),
        rtmon.connect(server.url, name="friend", proxy=None) as friend,
    ):
        heard: list[Any] = []
        friend.on("room_message")(lambda message: heard.append(message.payload["text"]))
        await friend.join("tea")
        tab = await open_tab(f"{url}?room=tea", context=context)
        page = tab.page
        await page.fill("#hello-field", "ada")
        await page.keyboard.press("Enter")
        await expect(page.locator("#pill-state")).to_have_text("Live")
        await page.fill("#field", HOSTILE)
        await page.locator("#field").press("Enter")
        await holds(lambda: heard == [HOSTILE])
        rows = page.locator("#rows .words")
        await expect(rows).to_have_text([HOSTILE], use_inner_text=True)

        proxy.cut()
        await holds(lambda: len(server.hub.connections) == 1)
        texts = [f"while ada was away {number}" for number in range(3)]
        for text in texts:
            await friend.request("room_message", {"room": "tea", "text": text})
        await expect(rows).to_have_text([HOSTILE, *texts], use_inner_text=True)
        assert await page.title() != "owned"
        server.monitor.tick()
        transports = {info.name: info.transport for info in server.monitor.collector.connections()}
        assert transports["ada"] == "sse"
        await page.close()
        forgive(tab)
    await context.close()
