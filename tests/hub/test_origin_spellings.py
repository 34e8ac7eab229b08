"""Comparison of the Origin header by scheme, host and port: the function, and real handshakes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rtmon
from rtmon.asgi import guarded, serve
from rtmon.hub.admission.origins import Origins
from rtmon.hub.transports.asgi import app
from tests.probes.serving import serving


def allows(headers: dict[str, str], named: Any = None) -> bool:
    """Return True if a request with these headers is allowed."""
    return Origins(named).allows(lambda name: [headers[name]] if name in headers else [])


OWN = [
    # A proxy adds its port to Host, or a client adds the default port to Origin.
    {"Host": "chat.example:443", "Origin": "https://chat.example"},
    {"Host": "chat.example:80", "Origin": "http://chat.example"},
    {"Host": "b:1", "X-Forwarded-Host": "chat.example:443", "Origin": "https://chat.example"},
    {"Host": "b:1", "X-Forwarded-Host": "chat.example:80", "Origin": "http://chat.example"},
    {
        "Host": "b:1",
        "X-Forwarded-Host": "x.example, chat.example",
        "Origin": "https://chat.example",
    },
    {"Host": "chat.example", "Origin": "https://chat.example:443"},
    {"Host": "chat.example", "Origin": "http://chat.example:80"},
    {"Host": "chat.example", "X-Forwarded-Port": "8443", "Origin": "https://chat.example:8443"},
    # A proxy terminates TLS for the server.
    {"Host": "chat.example", "X-Forwarded-Proto": "https", "Origin": "https://chat.example"},
    {"Host": "chat.example", "X-Forwarded-Proto": "https, http", "Origin": "https://chat.example"},
    {"Host": "chat.example", "X-Forwarded-Proto": "http", "Origin": "https://chat.example"},
    # Native clients send the URL that they connect to as their Origin.
    {"Host": "chat.example", "Origin": "wss://chat.example"},
    {"Host": "chat.example", "Origin": "ws://chat.example"},
    {"Host": "chat.example:443", "Origin": "wss://chat.example"},
    {"Host": "chat.example:8765", "Origin": "ws://chat.example:8765"},
    {"Host": "127.0.0.1:8765", "Origin": "ws://127.0.0.1:8765"},
    # The same host is spelled in another way.
    {"Host": "Chat.Example", "Origin": "https://chat.EXAMPLE"},
    {"Host": "chat.example.", "Origin": "https://chat.example."},
    {"Host": "xn--mnchen-3ya.example", "Origin": "https://XN--mnchen-3ya.example"},
    {"Host": "[2001:db8::1]:8765", "Origin": "http://[2001:db8::1]:8765"},
    {"Host": "[2001:db8:0:0:0:0:0:1]:8765", "Origin": "http://[2001:db8::1]:8765"},
    {"Host": "[2001:DB8::0:1]", "Origin": "wss://[2001:0db8::1]"},
]
"""Request headers of the server's own pages and clients."""


OTHERS = [
    # The origin has another port.
    {"Host": "chat.example", "Origin": "https://chat.example:8443"},
    {"Host": "chat.example:443", "Origin": "https://chat.example:8443"},
    {"Host": "chat.example:8443", "Origin": "https://chat.example"},
    {"Host": "chat.example:8443", "Origin": "wss://chat.example"},
    {"Host": "chat.example", "X-Forwarded-Port": "8443", "Origin": "https://chat.example:8444"},
    {"Host": "chat.example:1", "X-Forwarded-Port": "8443", "Origin": "https://chat.example:8443"},
    {"Host": "[2001:db8::1]:8765", "Origin": "http://[2001:db8::1]:8766"},
    # The origin has another scheme.
    {"Host": "chat.example:443", "Origin": "http://chat.example"},
    {"Host": "chat.example:443", "Origin": "http://chat.example:443"},
    {"Host": "chat.example:443", "Origin": "ws://chat.example"},
    {"Host": "chat.example:80", "Origin": "https://chat.example"},
    {"Host": "chat.example", "Origin": "https://chat.example:80"},
    {"Host": "chat.example", "Origin": "http://chat.example:443"},
    {"Host": "chat.example", "X-Forwarded-Proto": "https", "Origin": "http://chat.example"},
    {"Host": "chat.example", "X-Forwarded-Proto": "https", "Origin": "ws://chat.example"},
    {"Host": "chat.example", "Origin": "ftp://chat.example"},
    {"Host": "chat.example", "Origin": "chrome-extension://chat.example"},
    {"Host": "chat.example", "Origin": "file://chat.example"},
    # The origin has another host.
    {"Host": "chat.example", "Origin": "https://chat.example.evil.com"},
    {"Host": "chat.example", "Origin": "https://evilchat.example"},
    {"Host": "chat.example", "Origin": "https://chat.example443"},
    {"Host": "chat.example:443", "Origin": "https://chat.example443"},
    {"Host": "chat.example", "Origin": "https://chat.example."},
    {"Host": "chat.example.", "Origin": "https://chat.example"},
    {"Host": "chat.example.", "Origin": "https://evil.example."},
    {"Host": "[2001:db8::1]", "Origin": "https://[2001:db8::2]"},
    {"Host": "127.0.0.1:8765", "Origin": "ws://elsewhere.example:8765"},
    {"Host": "127.0.0.1:8765", "Origin": "http://localhost.evil.com"},
    # Malformed or opaque origins.
    {"Host": "chat.example", "Origin": "null"},
    {"Host": "chat.example", "Origin": "file://"},
    {"Host": "", "Origin": "https://"},
    {"Host": "chat.example", "Origin": "chat.example"},
    {"Host": "chat.example", "Origin": "https://evil.com@chat.example"},
    {"Host": "evil.com@chat.example", "Origin": "https://evil.com@chat.example"},
    {"Host": "chat.example", "Origin": "https://chat.example@evil.com"},
    {"Host": "chat.example", "Origin": "https://chat.example:443@evil.com"},
    {"Host": "chat.example", "Origin": "https://evil.com/chat.example"},
    {"Host": "chat.example", "Origin": "https://evil.com/https://chat.example"},
    {"Host": "chat.example", "Origin": "https://evil.com\\chat.example"},
    {"Host": "chat.example", "Origin": "https://evil.com#chat.example"},
    {"Host": "chat.example", "Origin": "https://evil.com?chat.example"},
    {"Host": "chat.example", "Origin": "https://chat.example/"},
    {"Host": "chat.example", "Origin": "https://chat.example:443:443"},
    {"Host": "chat.example", "Origin": "https://chat.example:0443"},
    {"Host": "chat.example", "Origin": "https://chat.example:+443"},
    {"Host": "chat.example", "Origin": "https://chat.example:65979"},
    {"Host": "chat.example", "Origin": "https://chat%2eexample"},
    {"Host": "chat.example", "Origin": "https://[chat.example]"},
    {"Host": "chat.example", "Origin": "https://chat.example, https://chat.example"},
    {"Host": "chat.example", "Origin": "https://chat.example https://evil.com"},
]  # fmt: skip
"""Request headers of pages from other servers."""


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_server_allows_its_own_origin_in_every_spelling(headers: dict[str, str]) -> None:
    """Server allows a page whose origin has the server's own scheme, host and port, however
    these are spelled.
    """
    assert allows(headers)


@pytest.mark.parametrize("headers", OTHERS, ids=str)
def test_server_refuses_origin_with_another_scheme_host_or_port(headers: dict[str, str]) -> None:
    """Server refuses a page whose origin has another scheme, host or port, or is malformed."""
    assert not allows(headers)


def test_server_reads_only_the_first_forwarded_hosts() -> None:
    """Server ignores a matching host at the end of an ``X-Forwarded-Host`` header with 100,000
    values.
    """
    for before, fine in ((10, True), (100_000, False)):
        hosts = "x.example," * before + "chat.example"
        assert (
            allows({"Host": "b", "X-Forwarded-Host": hosts, "Origin": "https://chat.example"})
            is fine
        )


@pytest.mark.parametrize(
    ("named", "sent"),
    [
        ("https://chat.example:443", "https://chat.example"),
        ("http://chat.example:80", "http://chat.example"),
        ("https://chat.example", "https://chat.example:443"),
        ("https://chat.example", "wss://chat.example"),
        ("wss://chat.example", "https://chat.example"),
        ("https://CHAT.example", "https://chat.example"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
        ("https://MÜNCHEN.example:8443", "https://xn--mnchen-3ya.example:8443"),
        ("https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
        ("https://mu\u0308nchen.example", "https://xn--mnchen-3ya.example"),
        ("http://[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080"),
        ("file://", "file://"),
        ("null", "null"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("app://.", "app://."),
        ("vscode-webview://1abc", "vscode-webview://1abc"),
        (re.compile(r"https://\w+\.chat\.example"), "https://a.chat.example:443"),
        (re.compile(r"wss://\w+\.chat\.example:443"), "wss://a.chat.example:443"),
        (re.compile(r"null|file://"), "null"),
    ],
)
def test_server_allows_configured_origin_in_every_spelling(named: Any, sent: str) -> None:
    """Server allows an origin from its ``origins`` option however a browser spells it."""
    assert allows({"Host": "b.example", "Origin": sent}, [named])


@pytest.mark.parametrize(
    ("named", "sent"),
    [
        ("https://chat.example:443", "http://chat.example"),
        ("https://chat.example:443", "https://chat.example:8443"),
        ("https://münchen.example", "https://munchen.example"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example.evil.com"),
        ("file://", "null"),
        ("null", "file://"),
        ("app://.", "https://."),
        (re.compile(r"https://.*\.chat\.example"), "https://evil.com/a.chat.example"),
        (re.compile(r"https://.*\.chat\.example"), "https://evil.com#a.chat.example"),
        (re.compile(r"https://.*@chat\.example"), "https://a@chat.example"),
    ],
)
def test_server_refuses_origin_that_only_resembles_an_allowed_origin(named: Any, sent: str) -> None:
    """Server refuses an origin that differs from an allowed origin by scheme, host or port, or
    contains the allowed origin in its path or user part.
    """
    assert not allows({"Host": "b.example", "Origin": sent}, [named])


ENDPOINTS = {
    "/": 101,
    "/ws/ada": 101,
    "/socket.io/?EIO=4&transport=websocket": 101,
    "/socket.io/?EIO=4&transport=polling": 200,
    "/events": 200,
}
"""Paths of the ASGI application, and the HTTP status of a successful request."""


async def status(port: int, path: str, headers: dict[str, str], **options: Any) -> int:
    """Send a request, with WebSocket handshake headers where the path needs them; return the
    status.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if not path.startswith("/events") and "polling" not in path:
        lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await reader.readline()
    writer.transport.abort()
    return int(answer.split()[1])


async def test_native_server_accepts_its_own_origin_and_answers_others_with_403() -> None:
    """WebSocket server of ``rtmon.serve(hub)`` accepts each spelling of its own origin, and
    answers other origins with 403.
    """
    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0) as server:
        for cases, wanted in ((OWN, 101), (OTHERS, 403)):
            for headers in cases:
                assert await status(server.port, "/", headers) == wanted, headers


async def test_asgi_server_accepts_its_own_origin_and_answers_others_with_403() -> None:
    """ASGI server of a hub accepts each spelling of its own origin on every path, and answers
    other origins with 403.
    """
    async with serve(rtmon.Hub(), port=0) as server:
        for path, fine in ENDPOINTS.items():
            for cases, wanted in ((OWN, fine), (OTHERS, 403)):
                for headers in cases:
                    assert await status(server.port, path, headers) == wanted, (path, headers)


SECURE = {
    "https://chat.example": True,
    "wss://chat.example": True,
    "http://chat.example": False,
    "ws://chat.example": False,
    "https://chat.example:80": False,
    "https://chat.example.evil.com": False,
}
"""Origins, and whether a TLS server ``chat.example`` allows them. An attacker on the network could
have changed a page that was loaded without TLS."""


@contextlib.asynccontextmanager
async def secure_server(kind: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve a hub with TLS by rtmon or by uvicorn, and yield its port."""
    hub = rtmon.Hub()
    if kind == "native":
        async with rtmon.serve(hub, "127.0.0.1", 0, ssl=context) as server:
            yield server.port
        return
    live = app(hub)
    options: dict[str, Any] = {**guarded(), "ssl_context_factory": lambda *_: context}
    async with serving(live, **options) as address:
        yield int(address.partition(":")[2])
        await live.aclose()


@pytest.mark.parametrize("kind", ["native", "uvicorn"])
async def test_tls_server_refuses_its_own_host_name_when_the_page_has_no_tls(
    kind: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """TLS server refuses an ``http://`` origin with its own host name, but allows
    ``http://localhost``.
    """
    async with secure_server(kind, tls[0]) as port:
        for path, fine in ENDPOINTS.items() if kind == "uvicorn" else {"/": 101}.items():
            cases = [("chat.example", origin, allowed) for origin, allowed in SECURE.items()]
            for host, origin, allowed in [*cases, ("localhost", "http://localhost:8888", True)]:
                headers = {"Host": host, "Origin": origin}
                found = await status(port, path, headers, ssl=tls[1], server_hostname="localhost")
                assert found == (fine if allowed else 403), (path, origin)
