"""The React hook in a small page in Chromium, on a real server."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import expect
from websockets.asyncio.server import ServerConnection, serve

import rtmon
from rtmon.testing import FaultProxy, until
from tests.peers.packages import install

from .conftest import Open, Tab

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEB = Path(rtmon.__file__).parent / "web"

NAMES = {
    "react": "StrictMode, createElement, useCallback, useEffect, useMemo, useRef, useState",
    "react-dom": "",
    "react-dom-client": "createRoot",
    "scheduler": "",
}
"""Module of React → names that the page imports from it."""

NEEDS = {"react-dom": ("react",), "react-dom-client": ("scheduler", "react", "react-dom")}


def module(packages: Path, name: str) -> str:
    """Wrap a CommonJS module of React as an ES module that a browser can load."""
    package = "react-dom" if name == "react-dom-client" else name
    source = (packages / package / "cjs" / f"{name}.development.js").read_text()
    needs = NEEDS.get(name, ())
    imports = "".join(f"import r{i} from '/{need}.js';\n" for i, need in enumerate(needs))
    known = ", ".join(f"'{need}': r{i}" for i, need in enumerate(needs))
    return (
        f"{imports}const module = {{ exports: {{}} }};\n"
        "((module, exports, require, process) => {\n"
        f"{source}\n}})(module, module.exports, (name) => ({{ {known} }})[name],"
        " { env: { NODE_ENV: 'development' } });\n"
        f"export default module.exports;\nexport const {{ {NAMES[name]} }} = module.exports;\n"
    )


@contextlib.contextmanager
def serving_texts(texts: dict[str, str]) -> Iterator[str]:
    """Serve texts over HTTP, given as path → text; yield the server's base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            self.send_response(200 if path in texts else 404)
            kind = "text/html" if path == "/" else "text/javascript"
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write(texts.get(path, "").encode())

        # Name is given by the base class.
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def page(html: str) -> dict[str, str]:
    """Return the files of a test page with React and the hook, as path → text."""
    packages = install()
    served = {f"/{name}.js": module(packages, name) for name in NAMES}
    served["/"] = (Path(__file__).parent / html).read_text()
    for path in WEB.rglob("*.js"):
        served[f"/web/{path.relative_to(WEB).as_posix()}"] = path.read_text()
    return served


async def test_react_hook_calls_handlers_and_throws_on_an_unknown_option(open_tab: Open) -> None:
    """React hook connected to a JSON server without rtmon calls the open, message, close and
    reconnect handlers, and throws in a component that passes an unknown option.
    """
    clients: set[ServerConnection] = set()

    async def room(client: ServerConnection) -> None:
        clients.add(client)
        async for data in client:
            said = json.loads(data)
            await client.send('{"type":"pong"}' if said["type"] == "ping" else data)

    with serving_texts(page("react_plain.html")) as site:
        async with serve(room, "127.0.0.1", 0) as server:
            address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            tab = (await open_tab(f"{site}?server={address}")).page
            await expect(tab.locator("#state")).to_have_text("true true")
            await expect(tab.locator("#error")).to_contain_text("no option 'onOpened'")
            await tab.get_by_role("button", name="send").click()
            await expect(tab.locator("#text")).to_have_text("hi")
            for client in list(clients):
                await client.close()
            await tab.wait_for_function("window.called.length >= 4")
            opened, message, closed, again = (await tab.evaluate("window.called"))[:4]
            assert [opened, message] == [["open", "open"], ["message", "chat_message"]]
            assert [closed, again] == [["close", "close"], ["open", "reconnect"]]

            await tab.get_by_role("button", name="correct").click()
            await tab.get_by_role("button", name="reconnect").click()
            await expect(tab.locator("#error")).to_have_text("open")
            await tab.close()


async def test_react_hook_keeps_one_connection_over_all_renders(open_tab: Open) -> None:
    """React hook in StrictMode keeps one connection over all renders, reconnects after a cut, and
    disconnects when its component is removed.
    """
    hub = rtmon.Hub()
    with serving_texts(page("react.html")) as site:
        async with rtmon.serve(hub, "127.0.0.1", 0) as server, FaultProxy(server) as proxy:
            await use(await open_tab(f"{site}?hub={proxy.url}"), proxy)
            await move(await open_tab(f"{site}?hub={proxy.url}&other={server.url}"), proxy)
    await hub.aclose()


async def move(tab: Tab, proxy: FaultProxy) -> None:
    """Check that the hook connects to a new address while the link to the old one is frozen."""
    page, state = tab.page, tab.page.locator("#state")
    await expect(state).to_have_text("open true")
    proxy.freeze()
    await page.get_by_role("button", name="send").click()
    await page.get_by_role("button", name="move").click()
    await expect(page.locator("#text")).to_have_text("")
    await page.wait_for_function("window.before.state === 'closing'")
    await expect(state).to_have_text("open true")
    proxy.cut()
    await page.wait_for_function("window.before.state === 'closed'")
    await page.get_by_role("button", name="again").click()
    await expect(state).to_have_text("open true")
    await page.close()


async def use(tab: Tab, proxy: FaultProxy) -> None:
    """Check the hook's connection through renders, a cut, a disconnect and the component's
    removal.
    """
    page = tab.page
    state, text = page.locator("#state"), page.locator("#text")

    async def press(name: str) -> None:
        await page.get_by_role("button", name=name).click()

    await expect(state).to_have_text("open true")
    for times in range(3):
        await press(f"again {times}")
    await press("send")
    await expect(text).to_have_text("message 3")
    assert proxy.accepted == 1

    proxy.cut()
    await until(lambda: proxy.accepted == 2 and len(proxy.links) == 1)
    await expect(state).to_have_text("open true")
    await press("again")
    await press("send")
    await expect(text).to_have_text("message 4")
    await expect(page.locator("#error")).to_have_text("none")

    await press("disconnect")
    await expect(state).to_have_text("closed false")
    await until(lambda: not proxy.links)
    await press("again")
    assert proxy.accepted == 2
    await press("reconnect")
    await expect(state).to_have_text("open true")
    assert proxy.accepted == 3
    assert "chat_message" in await page.evaluate("window.types")

    await press("leave")
    await until(lambda: not proxy.links)
    assert proxy.accepted == 3
    await page.close()
