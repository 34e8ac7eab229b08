"""The chat page over HTTP: its files and headers, and the refusal of all other paths."""

from __future__ import annotations

import asyncio
import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

import rtmon
from rtmon import Hub
from rtmon.errors import OptionError
from rtmon.testing import until
from rtmon.web import static_site

WEB = Path(static_site.__file__).parent
KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def shipped() -> Iterator[Path]:
    """Yield the paths of all files for browsers."""
    return (path for path in WEB.rglob("*.*") if path.suffix[1:] in KINDS)


def header(reply: static_site.Reply | None, name: str) -> str | None:
    """Return a header of a response, None if it is missing."""
    assert reply is not None
    return dict(reply.headers).get(name)


def test_every_file_of_the_chat_page_is_served_with_security_headers() -> None:
    """Every file of the chat page is served whole with its content type and security headers."""
    for path in shipped():
        reply = static_site.respond("GET", f"/{path.relative_to(WEB).as_posix()}?some=query")
        assert reply is not None
        assert (reply.status, reply.body) == (200, path.read_bytes())
        assert header(reply, "Content-Type") == KINDS[path.suffix[1:]]
        assert header(reply, "Content-Length") == str(len(reply.body))
        assert header(reply, "X-Content-Type-Options") == "nosniff"
        assert header(reply, "Referrer-Policy") == "no-referrer"
        policy = header(reply, "Content-Security-Policy") or ""
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    assert static_site.respond("GET", "/") == static_site.respond("GET", "/chat.html")


def test_chat_page_has_no_inline_script_or_style() -> None:
    """Chat page contains no inline script, style or event handler, which its security policy
    forbids.
    """
    html = (WEB / "chat.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)", html)


def test_chat_page_answers_304_when_the_browser_has_its_version() -> None:
    """Chat page answers 304 without a body when If-None-Match contains its ETag, and 200
    otherwise.
    """
    etag = header(static_site.respond("GET", "/"), "ETag")
    assert etag is not None
    for known in (etag, f"W/{etag}", f'"old", {etag}', "*"):
        reply = static_site.respond("GET", "/", if_none_match=known)
        assert reply is not None
        assert (reply.status, reply.body) == (304, b"")
        assert header(reply, "ETag") == etag
    fresh = static_site.respond("GET", "/", if_none_match='"old"')
    assert fresh is not None
    assert fresh.status == 200


def test_chat_page_answers_head_and_refuses_other_methods() -> None:
    """Chat page answers HEAD like GET without a body, and other methods with 405."""
    get, head = static_site.respond("GET", "/"), static_site.respond("HEAD", "/")
    assert get is not None
    assert head == get._replace(body=b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        reply = static_site.respond(method, "/")
        assert reply is not None
        assert (reply.status, header(reply, "Allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "chat.html",
        "//chat.html",
        "/../pages.py",
        "/../../pyproject.toml",
        "/..%2fpages.py",
        "/%2e%2e/pages.py",
        "/....//pages.py",
        "/..\\pages.py",
        "/./chat.html",
        "/chat",
        "/chat/",
        "/chat.html/",
        "/chat.html%00.js",
        "/package.json",
        "/etc/passwd",
        "//etc/passwd",
        "http://x/chat.html",
    ],
)
def test_chat_page_server_serves_no_other_file(path: str) -> None:
    """Chat page's server serves no file for a path that leads out of its folder or is not for
    browsers.
    """
    assert static_site.respond("GET", path) is None


@given(st.text())
def test_any_path_gives_a_file_of_the_chat_page_or_no_response(path: str) -> None:
    """Any path gives a file of the chat page or no response, and never raises."""
    reply = static_site.respond("GET", path)
    assert reply is None or reply.body in {file.read_bytes() for file in shipped()}


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "[::1]:80", "chat.example.org"])
def test_security_policy_allows_websockets_to_the_pages_host(host: str) -> None:
    """Chat page's security policy allows WebSockets to the host that the browser requested."""
    policy = header(static_site.respond("GET", "/", host=host), "Content-Security-Policy")
    assert f"connect-src 'self' ws://{host} wss://{host};" in (policy or "")


@given(st.text() | st.sampled_from(["x; script-src *", "x *", "a,b", "x\r\nSet-Cookie: y", "*"]))
def test_security_policy_is_not_extended_by_a_hostile_host_header(host: str) -> None:
    """Chat page's security policy gets no further directive or wildcard from a hostile Host
    header.
    """
    plain = header(static_site.respond("GET", "/"), "Content-Security-Policy") or ""
    policy = header(static_site.respond("GET", "/", host=host), "Content-Security-Policy") or ""
    assert policy.count(";") == plain.count(";")
    assert not set("*,\r\n") & set(policy)


def ask(port: int, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Send a request over a new connection; return status, headers and body."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


async def test_server_serves_chat_page_and_hub_on_one_port() -> None:
    """Server serves chat page and hub on one port, and counts requests of the page as HTTP
    requests, not as rejected connections.
    """
    async with rtmon.serve(Hub(), "127.0.0.1", 0, page=True) as server:
        assert server.page_url == f"http://127.0.0.1:{server.port}/"

        async def asked(*arguments: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
            return await asyncio.to_thread(ask, server.port, *arguments, **headers)

        status, headers, body = await asked("GET", "/?room=a")
        assert (status, body) == (200, (WEB / "chat.html").read_bytes())
        assert f"ws://127.0.0.1:{server.port}" in headers["Content-Security-Policy"]
        assert (await asked("GET", "/", **{"If-None-Match": headers["ETag"]}))[0] == 304
        status, headers, body = await asked("GET", "/<img/src=x>/../etc/passwd")
        assert (status, body) == (404, b"There is nothing here.\n")
        assert headers["X-Content-Type-Options"] == "nosniff"
        asked_for = 3
        if int(version("websockets").split(".")[0]) >= 16:
            status, headers, body = await asked("HEAD", "/")
            assert (status, body) == (200, b"")
            assert int(headers["Content-Length"]) == (WEB / "chat.html").stat().st_size
            asked_for = 4
        assert (await asked("GET", "/healthz"))[2] == b"ok\n"
        async with connect(server.url) as client:
            assert '"welcome"' in str(await client.recv())
        await until(lambda: server.monitor.snapshot().http_requests == asked_for + 1)
        assert server.monitor.snapshot().rejected == 0


@pytest.mark.parametrize("waits", [False, True])
# A parametrized value.
async def test_application_process_request_can_refuse_the_chat_page(waits: bool) -> None:  # noqa: FBT001
    """Application's process_request function, async or not, can refuse a request for the
    chat page.
    """

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(401, "no\n") if "open" not in request.path else None

    async def refuse_later(connection: ServerConnection, request: Request) -> Response | None:
        await asyncio.sleep(0)
        return refuse(connection, request)

    process = refuse_later if waits else refuse
    async with rtmon.serve(Hub(), "127.0.0.1", 0, page=True, process_request=process) as server:
        assert (await asyncio.to_thread(ask, server.port, "GET", "/"))[0] == 401
        assert (await asyncio.to_thread(ask, server.port, "GET", "/?open"))[0] == 200


async def test_chat_page_is_served_only_when_enabled_and_with_a_hub() -> None:
    """Server without page=True has no chat page, and page=True without a hub raises OptionError."""
    async with rtmon.serve(Hub(), "127.0.0.1", 0) as server:
        assert server.page_url is None
        assert (await asyncio.to_thread(ask, server.port, "GET", "/"))[0] == 426

    async def handler(_: ServerConnection) -> None:
        raise AssertionError

    with pytest.raises(OptionError, match="serve a Hub"):
        rtmon.serve(handler, "127.0.0.1", 0, page=True)
