"""Contract of every transport of a hub, in every codec."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from rtmon.testing import until

Place = Any


async def test_first_message_to_a_client_is_the_welcome_with_its_id_and_limits(
    place: Place, over: str
) -> None:
    """Client's first message from the hub is the welcome with the client's id and name and the
    hub's limits.
    """
    ada = await place.connect("ada", over=over)
    welcome = ada.welcome
    assert ada.heard == []
    assert set(welcome) == {"id", "type", "timestamp", "payload", "metadata"}
    assert welcome["metadata"] == {"version": "1", "source": "server"}
    payload = welcome["payload"]
    assert payload["name"] == "ada"
    assert payload["user_count"] == 1
    assert payload["protocol"] == "1"
    assert payload["limits"]["message_size"] == 131_072
    assert place.hub.connections[payload["client_id"]].name == "ada"


async def test_chat_reaches_all_clients_in_order(place: Place, over: str) -> None:
    """Chat messages reach every client, the sender included, once and in order."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    for number in range(20):
        await ada.send("chat_message", {"text": f"{number} ünïcode 🙂"})
    for client in (ada, bo):
        heard = [await client.next("chat_message") for _ in range(20)]
        assert [h["payload"]["text"] for h in heard] == [f"{n} ünïcode 🙂" for n in range(20)]
        assert [h["payload"]["offset"] for h in heard] == list(range(1, 21))
        assert {h["payload"]["client_id"] for h in heard} == {ada.id}
        assert {h["payload"]["name"] for h in heard} == {"ada"}


async def test_messages_sent_right_before_disconnecting_are_published(
    place: Place, over: str
) -> None:
    """Hub publishes the messages that a client sends right before it disconnects."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    for number in range(20):
        await ada.send("chat_message", {"text": str(number)})
    await ada.leave()
    heard = [await bo.next("chat_message") for _ in range(20)]
    assert [h["payload"]["text"] for h in heard] == [str(number) for number in range(20)]


async def test_hub_announces_and_removes_a_client_that_disconnects(place: Place, over: str) -> None:
    """Hub removes a client that disconnects, and announces to other clients that it has left."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    await ada.leave()
    left = await bo.next("user_left")
    assert left["payload"]["client_id"] == ada.id
    assert left["payload"]["user_count"] == 1
    assert ada.id not in place.hub.connections


async def test_error_reply_has_the_id_of_its_message_and_keeps_the_connection(
    place: Place, over: str
) -> None:
    """Hub answers an unknown message type with an error under the message's id, and keeps the
    connection.
    """
    ada = await place.connect(over=over)
    answer = await ada.ask("no_such_type", id="seven")
    assert answer["type"] == "error"
    assert answer["payload"]["code"] == "unknown_type"
    assert answer["payload"]["retry"] is False
    assert (await ada.ask("ping"))["type"] == "pong"


async def test_disconnect_message_closes_the_connection_with_1000(place: Place, over: str) -> None:
    """Hub closes a connection with 1000 when the client sends ``disconnect``."""
    ada = await place.connect(over=over)
    await ada.send("disconnect")
    assert await ada.close_code() == 1000


async def test_pong_returns_the_timestamp_of_its_ping(place: Place, over: str) -> None:
    """Hub answers a ping with the ping's timestamp, or with the server's time when the ping has
    none.
    """
    ada = await place.connect(over=over)
    assert (await ada.ask("ping", {"timestamp": 12.5}))["payload"] == {"timestamp": 12.5}
    now = (await ada.ask("ping"))["payload"]["timestamp"]
    assert now > 1_700_000_000_000


@pytest.mark.parametrize("kind", ["publish", "room_message", "private_message"])
async def test_binary_data_arrives_unchanged_over_every_transport(
    place: Place, over: str, kind: str
) -> None:
    """Bytes that a client sends over one transport arrive unchanged over other transports, as
    base64 where the codec is JSON.
    """
    ada = await place.connect(over=over)
    readers = [await place.connect(over=each) for each in ("websocket-json", "websocket-msgpack")]
    for reader in (ada, *readers):
        await reader.ask("subscribe", {"channel": "raw"})
        await reader.ask("join_room", {"room": "raw"})
    content = bytes(range(256))
    carried: dict[str, Any] = {"data": content}
    if not ada.codec.binary:
        carried = {"data": base64.b64encode(content).decode(), "encoding": "base64"}
    came = "publication" if kind == "publish" else kind
    for reader in readers:
        where = {"channel": "raw", "room": "raw", "to": reader.id}
        field = {"publish": "channel", "room_message": "room", "private_message": "to"}[kind]
        await ada.send(kind, {field: where[field], **carried})
        payload = (await reader.next(came))["payload"]
        if reader.codec.binary:
            assert payload["data"] == content
            assert "encoding" not in payload
        else:
            assert base64.b64decode(payload["data"], validate=True) == content
            assert payload["encoding"] == "base64"


async def test_reconnecting_client_recovers_missed_chat_messages(place: Place, over: str) -> None:
    """Client that reconnects with its last position receives the missed chat messages after the
    welcome.
    """
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    await bo.send("chat_message", {"text": "0"})
    heard = (await ada.next("chat_message"))["payload"]
    await ada.leave()
    for number in (1, 2):
        await bo.send("chat_message", {"text": str(number)})
    await bo.quiet()
    since = {"epoch": heard["epoch"], "offset": heard["offset"]}
    ada = await place.connect("ada", over=over, since=since)
    assert ada.welcome["payload"]["recovered"] is True
    assert [(await ada.next("chat_message"))["payload"]["text"] for _ in range(2)] == ["1", "2"]
    assert [m["type"] for m in ada.heard if m["type"] != "user_joined"] == []
    wrong = await place.connect("bo", over=over, since={**since, "offset": 99})
    assert "recovered" not in wrong.welcome["payload"]
    assert (await wrong.next("error"))["payload"]["code"] == "invalid_position"


async def test_client_that_answers_no_ping_is_closed_with_4000(place: Place, over: str) -> None:
    """Hub measures the round-trip time of a ping that a client answers, and closes the client
    with 4000 after three unanswered pings.
    """
    ada = await place.connect(over=over)
    session = place.hub.connections[ada.id]
    measured: list[float] = []
    session.peer.measured = measured.append
    session.heartbeat.start(3600)
    session.heartbeat._beat()
    ping = await ada.next("ping")
    await ada.send("pong", ping["payload"], reply_to=ping["id"])
    await until(lambda: bool(measured))
    assert 0 <= measured[0] < 60
    for _ in range(3):
        session.heartbeat._beat()
        await ada.next("ping")
    session.heartbeat._beat()
    assert await ada.close_code() == 4000


async def test_hub_closes_connections_with_1001_when_it_is_closed(place: Place, over: str) -> None:
    """Hub closes its connections with 1001 when the hub itself is closed."""
    ada = await place.connect(over=over)
    closing = asyncio.ensure_future(place.hub.aclose())
    assert await ada.close_code() == 1001
    await closing


@pytest.mark.parametrize("other", ["websocket-json", "websocket-msgpack", "memory"])
async def test_room_members_on_different_transports_receive_the_same_message(
    place: Place, over: str, other: str
) -> None:
    """Room members on different transports receive the same message."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo", over=other)
    assert (await ada.ask("join_room", {"room": "r"}))["payload"]["member_count"] == 1
    assert (await bo.ask("join_room", {"room": "r"}))["payload"]["member_count"] == 2
    await ada.send("room_message", {"room": "r", "data": {"x": [1, 2.5, None, "é"]}}, id="m1")
    heard = [await client.next("room_message") for client in (ada, bo)]
    assert heard[0] == heard[1]
    assert heard[0]["id"] == "m1"
    assert heard[0]["payload"]["data"] == {"x": [1, 2.5, None, "é"]}
