"""Socket.IO transport, with the real socket.io-client 4 in Node."""

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
    """A Node process."""
    async with node() as started:
        yield started


def come(
    clients: Node, house: House, name: str, *, path: str = "", where: str = "", **options: Any
) -> None:
    """Connect a client."""
    auth = options.pop("auth", {})
    clients.do("open", name, url=f"http://{where or house.where}{path}", auth=auth, options=options)


async def heard(clients: Node, name: str, event: str) -> Any:
    """The message of the next event with this name."""
    return (await clients.next(name, event))["args"][0]


async def test_socketio_client_exchanges_events_callbacks_and_bytes(
    house: House, clients: Node
) -> None:
    """A client that begins by polling upgrades to a WebSocket; events are message types, a
    callback gets the answer, bytes travel both ways, errors name their message, and every
    message is counted once.
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

    # Asked for by a message, which comes as one too: the name is Socket.IO's own.
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
    """After a disconnect that allows a return, the client is back with the missed messages and
    ``recovered``; when the history is lost, it is back and not ``recovered``.
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


async def test_each_namespace_has_its_own_hub(begin: Begin, clients: Node) -> None:
    """An unknown namespace and a full one refuse with an error, and so does a join beyond the
    limit of rooms.
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
    """Wait for the end of a connection."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.recv()


async def test_hostile_packets_end_only_their_own_connection(house: House) -> None:
    """Any packet gets an answer or ends its connection: it reaches no other handler, and other
    clients go on.
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


async def test_slow_socketio_reader_is_cut(begin: Begin) -> None:
    """A client that stops reading is ended by the hub's policy; at most the hub's bound and one
    round wait for it, and nothing once it has ended.
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


async def test_statistics_of_a_hub_leave_unknown_what_socketio_does_not_know(
    house: House, clients: Node
) -> None:
    """A hub's rooms and events sent are null, and an event answered with an error is an error."""
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


async def test_client_of_engineio_3_is_told_which_version_to_use(house: House) -> None:
    """A client of Socket.IO 2 gets the error of Socket.IO's own server, by either transport."""
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
