"""HTTP POST requests to Socket.IO and event streams: chunked, malformed, too large, interrupted."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from rtmon.testing import until
from tests.transports.conftest import House
from tests.transports.links import Stream
from tests.transports.raw_sockets import Wire

EVENT = b'42["publish",{"channel":"news","data":"hello"}]'
TOO_LARGE = b'42["chat_message",{"text":"' + b"x" * 400_000 + b'"}]'
NONE = {
    "no packet type": b"9xyz",
    "text": b"xyz",
    "nothing": b"",
    "gzip": gzip.compress(EVENT),
    "base64 that is none": b"bA",
    "what a server sends": b'0{"sid":"x"}',
    "a ping": b"2probe",
    "a packet of the wrong kind beside a right one": EVENT + b"\x1e9xyz",
    "nested without end": b"4" + b"[" * 100_000,
    "more packets than may come at once": b"\x1e".join([b"3"] * 600),
}


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Check that the test logs no error and no traceback."""
    with caplog.at_level(logging.INFO):
        yield
    assert not [r.getMessage() for r in caplog.records if r.exc_info or r.levelno >= logging.ERROR]


class Poll:
    """A Socket.IO polling client that sends each request only when the test calls it."""

    def __init__(self, http: httpx.AsyncClient, address: str) -> None:
        self._http, self.address = http, address

    async def post(self, body: Any, **headers: str) -> int:
        """Post packets, and return the HTTP status."""
        return (await self._http.post(self.address, content=body, headers=headers)).status_code

    async def get(self) -> httpx.Response:
        """Request packets from the server."""
        return await self._http.get(self.address)


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client for the served hub."""
    async with httpx.AsyncClient(
        base_url=f"http://{house.where}", trust_env=False, timeout=60
    ) as http:
        yield http


async def polling(http: httpx.AsyncClient) -> Poll:
    """Connect to the Socket.IO namespace by polling."""
    address = "/socket.io/?EIO=4&transport=polling"
    sid = json.loads((await http.get(address)).text[1:])["sid"]
    poll = Poll(http, f"{address}&sid={sid}")
    assert await poll.post(b"40") == 200
    assert (await poll.get()).text.startswith("40")
    return poll


async def pieces(body: bytes, size: int = 10) -> AsyncIterator[bytes]:
    """Yield a request body in chunks."""
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(0)


@pytest.mark.usefixtures("quiet")
async def test_socketio_post_is_read_with_length_in_chunks_as_form_or_with_several_packets(
    house: House, http: httpx.AsyncClient
) -> None:
    """Socket.IO packets in a POST are handled whether the body has a length, is chunked, is a
    form or contains several packets.
    """
    heard: list[Any] = []
    house.hub.subscribe("news", heard.append)
    poll = await polling(http)
    form = httpx.QueryParams({"d": EVENT.decode()}).__str__().encode()
    for body in (EVENT, pieces(EVENT), pieces(EVENT + b"\x1e" + EVENT), form, pieces(form)):
        assert await poll.post(body) == 200
    await until(lambda: len(heard) == 6)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("what", NONE)
async def test_socketio_post_without_valid_packets_gets_400_and_ends_the_connection(
    house: House, http: httpx.AsyncClient, what: str
) -> None:
    """Socket.IO POST without valid packets gets 400, none of it is handled, and the connection
    ends.
    """
    heard: list[Any] = []
    house.hub.subscribe("news", heard.append)
    poll = await polling(http)
    assert await poll.post(NONE[what]) == 400
    await until(lambda: not house.hub.connections)
    assert not heard
    assert await poll.post(EVENT) == 400


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large_socketio_post_gets_413_and_ends_the_connection(
    house: House, http: httpx.AsyncClient, *, chunked: bool
) -> None:
    """Socket.IO POST above the size limit gets 413, and the connection ends."""
    for waiting in (False, True):
        poll = await polling(http)
        await poll.get()
        outstanding = asyncio.create_task(poll.get()) if waiting else None
        body = pieces(TOO_LARGE, 60_000) if chunked else TOO_LARGE
        assert await poll.post(body) == 413
        await until(lambda: not house.hub.connections)
        if outstanding is not None:
            await outstanding


@pytest.mark.usefixtures("quiet")
async def test_incomplete_post_is_ignored_when_the_client_disconnects(
    house: House, http: httpx.AsyncClient
) -> None:
    """Incomplete POST of a client that disconnects is not handled and logs no error."""
    heard: list[Any] = []
    house.hub.subscribe("news", heard.append)
    poll = await polling(http)
    stream = await house.stream("name=ada")
    token = json.loads((await stream.next()).data)["payload"]["session"]
    port = int(house.where.partition(":")[2])
    for target in (poll.address, "/events"):
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        for framing in (f"Content-Length: {len(EVENT)}", "Transfer-Encoding: chunked"):
            async with Wire.to(port, f"{head}{framing}\r\n\r\n5\r\nhel".encode()) as wire:
                await wire.writer.drain()
                await asyncio.sleep(0.05)
    assert await poll.post(EVENT) == 200
    await until(lambda: len(heard) == 1)


@pytest.mark.usefixtures("quiet")
async def test_chunked_post_to_event_stream_is_handled_unless_too_large(house: House) -> None:
    """Chunked POST to an event stream gets 202 and is handled, and gets 413 above the size
    limit.
    """
    heard: list[Any] = []
    house.hub.subscribe("news", heard.append)
    stream: Stream = await house.stream("name=ada")
    token = json.loads((await stream.next()).data)["payload"]["session"]
    message = json.dumps({"type": "publish", "payload": {"channel": "news", "data": 1}}).encode()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=60, headers=headers) as http:
        url = f"http://{house.where}/events"
        assert (await http.post(url, content=pieces(message))).status_code == 202
        assert (await http.post(url, content=pieces(TOO_LARGE, 60_000))).status_code == 413
    assert [each.data for each in heard] == [1]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("packet", ["9xyz", "xyz", "", "bA", "4" + "[" * 100_000, "0" * 100])
async def test_socketio_websocket_is_closed_when_it_sends_an_invalid_packet(
    house: House, packet: str
) -> None:
    """Socket.IO connection over a WebSocket is closed when the client sends an invalid packet,
    before or after it joined a namespace.
    """
    url = f"ws://{house.where}/socket.io/?EIO=4&transport=websocket"
    for joined in (False, True):
        async with connect(url, proxy=None) as client:
            await client.recv()
            if joined:
                await client.send("40")
                await client.recv()
            await client.send(packet)
            async with asyncio.timeout(60):
                async for _ in client:
                    pass
            assert client.close_code == 1000
    await until(lambda: not house.hub.connections)


@pytest.mark.usefixtures("quiet")
async def test_socketio_client_continues_polling_when_its_upgrade_fails(
    house: House, http: httpx.AsyncClient
) -> None:
    """Socket.IO client continues over polling when its upgrade to a WebSocket breaks off."""
    heard: list[Any] = []
    house.hub.subscribe("news", heard.append)
    for probe in (None, "2probe", "9xyz", "5"):
        poll = await polling(http)
        address = f"ws://{house.where}{poll.address.replace('polling', 'websocket')}"
        async with connect(address, proxy=None) as client:
            if probe is not None:
                await client.send(probe)
                if probe == "2probe":
                    assert await client.recv() == "3probe"
        assert await poll.post(b'427["ping",{"timestamp":5}]') == 200
        async with asyncio.timeout(60):
            while "437" not in (await poll.get()).text:
                pass
