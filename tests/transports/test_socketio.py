"""Socket.IO transport of a hub, with the real socket.io-client 4 in Node."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from rtmon import Hub
from rtmon.lab.faults import FaultProxy
from rtmon.testing import until
from tests.transports.conftest import Begin, House
from tests.transports.node import NODE, Node, node

pytestmark = pytest.mark.skipif(NODE is None, reason="no node on the PATH")


@pytest.fixture
async def clients() -> AsyncIterator[Node]:
    """A Node process with Socket.IO clients."""
    async with node() as started:
        yield started


def come(
    clients: Node, house: House, name: str, *, path: str = "", where: str = "", **options: Any
) -> None:
    """Connect a Node client to the hub."""
    auth = options.pop("auth", {})
    clients.do("open", name, url=f"http://{where or house.where}{path}", auth=auth, options=options)


async def heard(clients: Node, name: str, event: str) -> Any:
    """Return the message of the client's next event with this name."""
    return (await clients.next(name, event))["args"][0]


async def test_socketio_client_exchanges_events_acknowledgments_and_bytes_and_is_counted(
    house: House, clients: Node
) -> None:
    """Socket.IO client upgrades to a WebSocket and exchanges events, acknowledgments, bytes and
    errors, and the Monitor's counts equal the client's counts.
    """
    come(clients, house, "ada", auth={"rooms": ["lobby"], "channels": ["raw"]})
    await clients.next("ada", "#connect")
    await until(lambda: house.row("ada-1").transport == "socketio-websocket")
    text = {"room": "lobby", "text": "grüße"}
    clients.do("emit", "ada", args=["room_message", text], ack=1)
    message = await heard(clients, "ada", "room_message")
    assert message["payload"]["text"] == "grüße"
    answer = await clients.next("ada", "#ack")
    assert answer["args"][0]["type"] == "ack"
    assert answer["args"][0]["payload"]["offset"] == message["payload"]["offset"]

    clients.do("emit", "ada", args=["publish", {"channel": "raw", "data": {"base64": "AAEC/w=="}}])
    publication = await heard(clients, "ada", "publication")
    assert publication["payload"]["data"] == {"type": "Buffer", "data": [0, 1, 2, 255]}

    clients.do("emit", "ada", args=["presence", {"room": "lobby"}], ack=2)
    assert (await clients.next("ada", "#ack"))["args"][0]["payload"]["count"] == 1
    clients.do("emit", "ada", args=["typing_start", {"room": "lobby"}], ack=3)
    assert (await clients.next("ada", "#ack")) == {
        "socket": "ada",
        "event": "#ack",
        "ack": 3,
        "args": [],
    }
    clients.do("emit", "ada", args=["no_such_type"])
    assert (await heard(clients, "ada", "error"))["payload"]["code"] == "unknown_type"
    whole = {"type": "nonsense", "id": "mine", "payload": {}}
    clients.do("emit", "ada", args=["message", whole])
    assert (await heard(clients, "ada", "error"))["reply_to"] == "mine"

    # "disconnect" is a reserved event name in Socket.IO, so both messages are "message" events.
    clients.do("emit", "ada", args=["message", {"type": "disconnect"}])
    assert (await heard(clients, "ada", "message"))["payload"]["code"] == 1000
    end = await clients.next("ada", "#disconnect")
    assert (end["reason"], end["active"]) == ("io server disconnect", False)
    await until(lambda: house.row("ada-1").state == "closed")
    row = house.row("ada-1")
    assert row.transport == "socketio-websocket"
    assert [row.messages_out, row.bytes_out] == end["counts"]["got"]
    assert [row.messages_in, row.bytes_in] == end["counts"]["said"]
    assert row.errors == 2
    assert not house.hub.connections


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_socketio_client_recovers_after_a_disconnect(
    house: House, clients: Node, transport: str
) -> None:
    """Socket.IO client reconnects with ``recovered`` true and the missed messages, and with
    ``recovered`` false when history is too short.
    """
    async with FaultProxy(f"http://{house.where}") as proxy:
        come(
            clients,
            house,
            "ada",
            where=proxy.url.removeprefix("http://"),
            transports=[transport],
            auth={"rooms": ["r"], "channels": ["news"]},
        )
        assert (await clients.next("ada", "#connect"))["recovered"] is False
        await house.hub.publish("news", 1)
        assert (await heard(clients, "ada", "publication"))["payload"]["data"] == 1
        (session,) = house.hub.connections.values()
        sender = session.sender
        session.peer.close(1013, "you read too slowly")
        await house.hub.publish("news", 2)
        assert (await heard(clients, "ada", "message"))["payload"]["retry"] is True
        end = await clients.next("ada", "#disconnect")
        assert end["active"] is True
        assert (await clients.next("ada", "#connect"))["recovered"] is True
        assert (await heard(clients, "ada", "publication"))["payload"]["data"] == 2
        (session,) = house.hub.connections.values()
        assert session.sender == sender
        assert house.hub.registry.rooms.has(session, "r")

        proxy.refusing = True
        proxy.cut()
        await clients.next("ada", "#disconnect")
        for number in range(200):
            await house.hub.publish("news", number)
        proxy.refusing = False
        assert (await clients.next("ada", "#connect"))["recovered"] is False
        clients.do("close", "ada")
        await clients.next("ada", "#disconnect")
        await until(lambda: not house.hub.connections)


async def test_each_socketio_namespace_has_its_own_hub(begin: Begin, clients: Node) -> None:
    """Socket.IO namespace with its own hub delivers only to clients of this namespace; unknown
    or full namespaces and invalid rooms are refused.
    """
    staff = Hub(announce=0.02, max_connections=1)
    house = await begin(application={"namespaces": {"/staff": staff}})
    come(clients, house, "ada", auth={"rooms": ["r"]})
    come(clients, house, "bo", path="/staff", auth={"rooms": ["r"]})
    for name in ("ada", "bo"):
        await clients.next(name, "#connect")
    await until(lambda: "r" in staff.registry.rooms and "r" in house.hub.registry.rooms)
    clients.do("emit", "bo", args=["room_message", {"room": "r", "text": "hi"}])
    assert (await heard(clients, "bo", "room_message"))["payload"]["text"] == "hi"
    (alone,) = house.hub.connections.values()
    assert alone.name == "ada-1"
    come(clients, house, "cy", path="/staff")
    assert "full" in (await clients.next("cy", "#refused"))["message"]
    come(clients, house, "di", path="/nowhere")
    assert "no namespace /nowhere" in (await clients.next("di", "#refused"))["message"]
    come(clients, house, "ed", auth={"rooms": "r"})
    assert "rooms" in (await clients.next("ed", "#refused"))["message"]
    come(clients, house, "flo", auth={"rooms": ["r"] * 101})
    assert "length <= 100" in (await clients.next("flo", "#refused"))["message"]


HOSTILE = [
    "4",
    '42["connect",{}]',
    '42["disconnect","x"]',
    '42["disconnect"]',
    "42[]",
    "42[[1]]",
    "42[null]",
    '42["chat_message"]',
    '42["chat_message",1e999]',
    '42["message",{"type":{}}]',
    '42["publish",{"channel":"c","data":99999999999999999999999999}]',
    '42["ping",' + "[" * 300 + "]" * 300 + "]",
    "43[]",
    "431[1]",
    "42/nowhere,[1]",
    "41/nowhere,",
    "40",
]
FATAL = [
    "49",
    "42{",
    "4520-[]",
    '459999999999-["publish"]',
    '451-["publish",{"_placeholder":true,"num":7}]',
    "44",
]


async def ended(connection: ClientConnection) -> None:
    """Read until the connection ends."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.recv()


async def test_malformed_socketio_packets_affect_only_their_own_connection(house: House) -> None:
    """Malformed Socket.IO packets are answered or end their own connection, while another client
    is still served.
    """
    url = f"ws://{house.where}/socket.io/?EIO=4&transport=websocket&name=eve"
    other = await house.socket()
    for packets in (HOSTILE, *([one] for one in FATAL)):
        async with connect(url, proxy=None) as eve:
            await eve.recv()
            await eve.send("40")
            for packet in packets:
                await eve.send(packet)
                if packet.startswith("451"):
                    await eve.send(b"x")
            if packets is HOSTILE:
                await eve.send('421["ping",{}]')
                async with asyncio.timeout(60):
                    while not (await eve.recv()).startswith("431"):  # type: ignore[arg-type]
                        pass
                assert len(house.hub.connections) == 2
            else:
                async with asyncio.timeout(60):
                    await ended(eve)
        await until(lambda: len(house.hub.connections) == 1)
    answer = await other.call("ping", {"timestamp": 5})
    assert answer["payload"] == {"timestamp": 5}
    assert json.dumps(answer)


async def test_slow_socketio_client_is_disconnected_and_its_buffer_freed(begin: Begin) -> None:
    """Socket.IO client that stops reading is disconnected, its drops are counted, and uvicorn's
    write buffer is freed.
    """
    house = await begin(max_waiting=200_000, stalled=0.5, history=0)
    url = f"ws://{house.where}/socket.io/?EIO=4&transport=websocket&name=eve&channel=big"
    async with connect(url, proxy=None, max_queue=1, compression=None) as eve:
        await eve.recv()
        await eve.send("40")
        await until(lambda: house.hub.registry.subscriptions.receivers("big"))
        eve.transport.pause_reading()
        sent = 0
        while house.hub.connections:
            await house.hub.publish("big", "x" * 50_000)
            await asyncio.sleep(0)
            sent += 1
            assert sent < 2000
            if sent > 100:
                await asyncio.sleep(0.05)
        await until(lambda: not house.unsent)
        await until(lambda: house.row("eve").state == "closed")
        assert (house.row("eve").dropped or 0) > 0
        eve.transport.abort()


async def test_socketio_statistics_of_a_hub_have_null_for_rooms_and_emitted_events(
    house: House, clients: Node
) -> None:
    """Socket.IO statistics of a hub have null for rooms and emitted events, and count an event
    answered with an error as an error.
    """
    come(clients, house, "ada", auth={"rooms": ["lobby"]})
    await clients.next("ada", "#connect")
    clients.do("emit", "ada", args=["room_message", {"room": "lobby", "text": "hello"}])
    await heard(clients, "ada", "room_message")
    clients.do("emit", "ada", args=["no_such_type"])
    await heard(clients, "ada", "error")
    (stats,) = house.monitor.collector.socketio_totals()
    events = {each.event: (each.received, each.emitted, each.errors) for each in stats.events}
    assert events == {"room_message": (1, None, 0), "other": (1, None, 1)}
    (namespace,) = stats.namespaces
    assert (namespace.open, namespace.rooms, namespace.memberships) == (1, None, None)
    assert stats.rooms == ()


async def test_engineio_3_client_is_refused_with_the_versions_to_use(house: House) -> None:
    """Client of Engine.IO 3 gets HTTP 400, or close code 1002, with an error that names the
    client versions to use.
    """
    query = "/socket.io/?EIO=3&transport="
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://{house.where}{query}polling")
    assert answer.status_code == 400
    assert answer.json()["code"] == 5
    assert "socket.io-client 3 or 4" in answer.json()["message"]
    async with connect(f"ws://{house.where}{query}websocket") as websocket:
        with pytest.raises(ConnectionClosed, match="client 3 or 4") as closed:
            await websocket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1002
