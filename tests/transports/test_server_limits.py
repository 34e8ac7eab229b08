"""Limits that a server applies to handshakes, frames and tokens, the same on each server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rtmon import Hub
from rtmon.core.flood_protection import PINGS_AT_ONCE
from rtmon.hub import Credentials, User
from rtmon.protocol import limits
from rtmon.testing import until
from tests.transports.links import Stream
from tests.transports.raw_sockets import LONG, SERVERS, HubServer, Wire, frame, opened, upgrade

UNREADABLE = {
    "a Cookie of 8,200 bytes": (upgrade("Cookie: s=" + "x" * 8_200), 431),
    "a query of 8,200 bytes": (upgrade(path="/ws?" + "x" * 8_200), 414),
    "129 headers": (upgrade(*(f"X-{number}: 1" for number in range(129))), 431),
    "a Cookie of 100,000 bytes": (upgrade("Cookie: s=" + "x" * 100_000), 431),
    "a query of 100,000 bytes": (upgrade(path="/ws?" + "x" * 100_000), 414),
    "a body": (upgrade("Content-Length: 5", body=b"hello"), 400),
    "a body that never comes": (upgrade("Content-Length: 5"), 400),
    "chunked encoding": (
        upgrade("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        400,
    ),
    "a space in a header's name": (upgrade("X Y: 1"), 400),
    "bytes of TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "another version": (upgrade().replace(b"Version: 13", b"Version: 12"), 400),
    "no key": (upgrade().replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    "POST": (upgrade().replace(b"GET", b"POST", 1), 405),
}


@pytest.mark.parametrize("kind", SERVERS)
async def test_server_answers_malformed_handshake_with_4xx_and_counts_it_as_rejected(
    kind: str,
) -> None:
    """Server answers a handshake that is malformed, too large or has a body with a 4xx status,
    closes the connection, and counts the handshake as rejected.
    """
    async with opened(kind) as hub_server:
        for what, (request, status) in UNREADABLE.items():
            async with Wire.to(hub_server.port, request) as wire:
                answer = await wire.rest()
            assert answer.startswith(b"HTTP/1.1 %d " % status), (what, answer)
            assert b"\x16" not in answer
            assert b"xxx" not in answer
        await until(lambda: hub_server.rejected() == len(UNREADABLE))
        assert not hub_server.hub.connections
        async with connect(hub_server.url, proxy=None) as client:
            assert json.loads(await client.recv())["type"] == "welcome"


@pytest.mark.parametrize("kind", SERVERS)
async def test_server_accepts_handshake_just_below_its_size_limits(kind: str) -> None:
    """Server accepts a handshake with header lines of just below 8 KiB and over 110 headers, in
    one segment or several.
    """
    large = upgrade(
        "Cookie: s=" + "x" * 8_150,
        "Content-Length: 0",
        *(f"X-{number}: 1" for number in range(110)),
        path="/ws?name=" + "x" * 8_150,
    )
    async with opened(kind) as hub_server:
        for size in (len(large), 1_000):
            async with Wire.to(hub_server.port) as wire:
                for start in range(0, len(large), size):
                    wire.writer.write(large[start : start + size])
                    await wire.writer.drain()
                    await asyncio.sleep(0)
                await wire.upgraded()


@pytest.mark.parametrize("kind", SERVERS)
async def test_server_closes_connection_without_a_complete_request(kind: str) -> None:
    """Server closes a connection that has not sent a complete request within the time limit."""
    async with opened(kind, head=0.3) as hub_server:
        for said in (b"", b"GET /ws", upgrade()[:-2], upgrade("Cookie: " + "x" * 9_000)[:-2000]):
            async with Wire.to(hub_server.port, said) as wire:
                assert await wire.status() in ({0} if not said else {0, 408, 431})


PLACES = {
    "native": ("header", "connect", "query"),
    "asgi": (
        "header",
        "connect",
        "query",
        "header, SSE",
        "query, SSE",
        "header, polling",
        "auth, polling",
        "auth, WebSocket",
        "header, WebSocket",
    ),
}


async def show(hub_server: HubServer, how: str, token: str) -> str:
    """Send a token by one of the documented ways; return the client's name, or "refused"."""
    http = hub_server.url.replace("ws://", "http://").removesuffix("/ws")
    header = {"Authorization": f"Bearer {token}"}
    match how.split(", "):
        case ["header" | "query" | "connect" as way]:
            query = {"name": "ada", **({"token": token} if way == "query" else {})}
            async with connect(
                f"{hub_server.url}?{httpx.QueryParams(query)}",
                additional_headers=header if way == "header" else None,
                proxy=None,
            ) as client:
                if way == "connect":
                    await client.send(json.dumps({"type": "connect", "payload": {"token": token}}))
                try:
                    return str(json.loads(await client.recv())["payload"].get("name", "refused"))
                except ConnectionClosed:
                    return "refused"
        case [way, "SSE"]:
            more = f"&token={token}" if way == "query" else ""
            stream = await Stream.open(
                f"{http}/events?name=ada{more}", **(header if way == "header" else {})
            )
            try:
                if stream.response.status_code != 200:
                    return "refused"
                return str(json.loads((await stream.next()).data)["payload"]["name"])
            finally:
                await stream.aclose()
        case [way, "WebSocket"]:
            address = f"ws{http[4:]}/socket.io/?EIO=4&transport=websocket"
            shown = header if way == "header" else None
            async with connect(address, additional_headers=shown, proxy=None) as client:
                await client.recv()
                await client.send("40" + json.dumps({"token": token} if way == "auth" else {}))
                answer = str(await client.recv())
                return _name(str(await client.recv()) if answer.startswith("40") else answer)
        case [way, "polling"]:
            address = f"{http}/socket.io/?EIO=4&transport=polling"
            auth = "40" + json.dumps({"token": token} if way == "auth" else {})
            async with httpx.AsyncClient(
                headers=header if way == "header" else {}, trust_env=False, timeout=60
            ) as client:
                sid = json.loads((await client.get(address)).text[1:])["sid"]
                await client.post(f"{address}&sid={sid}", content=auth)
                answer = (await client.get(f"{address}&sid={sid}")).text
                if answer.startswith("40") and "42" not in answer:
                    answer += (await client.get(f"{address}&sid={sid}")).text
                return _name(answer)
    raise AssertionError(how)


def _name(packets: str) -> str:
    """Return the client's name in a welcome over Socket.IO, or "refused"."""
    return packets.partition('"name":"')[2].partition('"')[0] or "refused"


@pytest.mark.parametrize(
    ("kind", "how"),
    [(kind, how) for kind in SERVERS for how in PLACES["native" if kind == "native" else "asgi"]],
)
async def test_auth_gets_the_longest_allowed_token_from_header_message_or_query(
    kind: str, how: str
) -> None:
    """Hub's ``auth`` function gets a token of the maximum length from a header, a message or
    the URL's query, and the hub refuses a token that is one character longer.
    """
    shown: list[str] = []

    def check(credentials: Credentials) -> User | None:
        if credentials.token is None:
            return None
        shown.append(credentials.token)
        return User(id="1", name="Ada")

    token = ("eyJhbGciOi.J9-_" * 1_000)[: limits.TOKEN_LENGTH]
    async with opened(kind, auth=check, token_in_query=True, auth_timeout=LONG) as hub_server:
        assert await show(hub_server, how, token) == "Ada"
        assert await show(hub_server, how, f"{token}x") == "refused"
    assert shown == [token]


async def hear(client: Any) -> None:
    """Read until the connection ends."""
    async with asyncio.timeout(LONG):
        try:
            while True:
                await client.recv()
        except ConnectionClosed:
            pass


@pytest.mark.parametrize("kind", SERVERS)
async def test_server_closes_client_with_1002_when_it_sends_too_many_pings_at_once(
    kind: str,
) -> None:
    """Server closes a client with 1002 when it sends too many pings at once, and keeps other
    clients.
    """
    async with opened(kind) as hub_server:
        async with (
            connect(hub_server.url, proxy=None) as flood,
            connect(hub_server.url, proxy=None) as other,
        ):
            flood.transport.write(frame(9) * (3 * PINGS_AT_ONCE))
            await hear(flood)
            assert (flood.close_code, flood.close_reason) == (1002, "too many pings at once")
            async with asyncio.timeout(LONG):
                await (await other.ping())
        await until(lambda: not hub_server.hub.connections)


@pytest.mark.parametrize("kind", SERVERS)
async def test_server_closes_client_with_1009_when_a_message_has_too_many_fragments(
    kind: str,
) -> None:
    """Server closes a client with 1009 when a message has thousands of empty fragments, and
    accepts one of about a hundred fragments.
    """
    async with opened(kind) as hub_server:
        async with connect(hub_server.url, proxy=None) as client:
            text = json.dumps({"type": "ping", "payload": {"timestamp": 5}})
            pieces = [frame(0, letter.encode(), fin=False) for letter in text]
            client.transport.write(
                frame(1, fin=False) + frame(0, fin=False).join(pieces) + frame(0)
            )
            while (message := json.loads(await client.recv()))["type"] != "pong":
                pass
            assert message["payload"]["timestamp"] == 5
            client.transport.write(frame(1, fin=False) + frame(0, fin=False) * 10_000)
            await hear(client)
            assert (client.close_code, client.close_reason) == (1009, "too many fragments")
        await until(lambda: not hub_server.hub.connections)


@pytest.mark.parametrize("kind", SERVERS)
async def test_server_handles_hundreds_of_messages_sent_at_once_in_order(kind: str) -> None:
    """Server handles in order 400 messages, pings and a large message that arrive at once, also
    a message right before a close frame.
    """
    heard: list[Any] = []
    async with opened(kind, rate=10_000, burst=10_000) as hub_server:
        hub_server.hub.subscribe("news", heard.append)

        def published(data: Any) -> bytes:
            message = {"type": "publish", "payload": {"channel": "news", "data": data}}
            return json.dumps(message, separators=(",", ":")).encode()

        large = published("x" * 100_000)
        async with Wire.to(hub_server.port, upgrade()) as wire:
            await wire.upgraded()
            wire.writer.write(
                b"".join(frame(1, published(number)) + frame(9) for number in range(400))
                + bytes([0x81, 0xFF, *len(large).to_bytes(8, "big"), 0, 0, 0, 0])
                + large
                + frame(1, published("last"))
                + frame(8, b"\x03\xe8")
            )
            answer = await wire.rest()
        assert answer.endswith(b"\x88\x02\x03\xe8")
        await until(lambda: len(heard) == 402)
        assert [message.data for message in heard] == [*range(400), "x" * 100_000, "last"]


async def test_malformed_handshakes_do_not_count_against_max_connections() -> None:
    """Hub does not count malformed handshakes against ``max_connections``."""
    async with opened("asgi", max_connections=1) as hub_server:
        for _ in range(5):
            async with Wire.to(hub_server.port, upgrade("Cookie: s=" + "x" * 9_000)) as wire:
                assert await wire.status() == 431
        assert isinstance(hub_server.hub, Hub)
        async with connect(hub_server.url, proxy=None) as client:
            assert json.loads(await client.recv())["type"] == "welcome"
