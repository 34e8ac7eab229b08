"""The contract that every transport keeps, in every codec."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from rtmon.testing import until

Place = Any


async def test_client_receives_welcome_first(place: Place, over: str) -> None:
    """The first message is the welcome, with the client's id and the limits."""
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
    """A chat message reaches every client once and in order, its sender included."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    for number in range(20):
        await ada.send("chat_message", {"text": f"{number} ünïcode 🙂"})
    for client in (ada, bo):
        heard = [await client.next("chat_message") for _ in range(20)]
        assert [h["payload"]["text"] for h in heard] == [f"{n} ünïcode 🙂" for n in range(20)]
        assert [h["payload"]["offset"] for h in heard] == list(range(1, 21))
        assert {h["payload"]["client_id"] for h in heard} == {ada.id}
        assert {h["payload"]["name"] for h in heard} == {"ada"}


async def test_message_sent_before_leaving_is_published(place: Place, over: str) -> None:
    """A message that a client sends right before it disconnects is published."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    for number in range(20):
        await ada.send("chat_message", {"text": str(number)})
    await ada.leave()
    heard = [await bo.next("chat_message") for _ in range(20)]
    assert [h["payload"]["text"] for h in heard] == [str(number) for number in range(20)]


async def test_hub_announces_clients_that_leave(place: Place, over: str) -> None:
    """When a connection ends, the hub forgets it and tells the others."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    await ada.leave()
    left = await bo.next("user_left")
    assert left["payload"]["client_id"] == ada.id
    assert left["payload"]["user_count"] == 1
    assert ada.id not in place.hub.connections


async def test_error_names_its_message_and_the_connection_stays(place: Place, over: str) -> None:
    """A message that is wrong is answered under its id, and the next one is handled."""
    ada = await place.connect(over=over)
    answer = await ada.ask("no_such_type", id="seven")
    assert answer["type"] == "error"
    assert answer["payload"]["code"] == "unknown_type"
    assert answer["payload"]["retry"] is False
    assert (await ada.ask("ping"))["type"] == "pong"


async def test_disconnect_message_closes_with_1000(place: Place, over: str) -> None:
    """A client that sends ``disconnect`` is closed with 1000."""
    ada = await place.connect(over=over)
    await ada.send("disconnect")
    assert await ada.close_code() == 1000


async def test_pong_returns_the_timestamp_of_its_ping(place: Place, over: str) -> None:
    """A pong carries the timestamp of its ping; without one, the server's time."""
    ada = await place.connect(over=over)
    assert (await ada.ask("ping", {"timestamp": 12.5}))["payload"] == {"timestamp": 12.5}
    now = (await ada.ask("ping"))["payload"]["timestamp"]
    assert now > 1_700_000_000_000


@pytest.mark.parametrize("kind", ["publish", "room_message", "private_message"])
async def test_binary_data_arrives_unchanged_over_every_transport(
    place: Place, over: str, kind: str
) -> None:
    """Bytes sent over one transport are the same bytes on every other one."""
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


async def test_returning_client_recovers_the_chat(place: Place, over: str) -> None:
    """A client that returns with a position gets the later chat messages after the welcome."""
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


async def test_client_that_answers_no_heartbeat_is_closed(place: Place, over: str) -> None:
    """A client that asks for heartbeats gets them; one that answers none of three is closed with
    4000.
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


async def test_hub_closes_all_connections_with_1001_when_it_ends(place: Place, over: str) -> None:
    """When the hub is closed, all connections end with 1001."""
    ada = await place.connect(over=over)
    closing = asyncio.ensure_future(place.hub.aclose())
    assert await ada.close_code() == 1001
    await closing


@pytest.mark.parametrize("other", ["websocket-json", "websocket-msgpack", "memory"])
async def test_room_spans_all_transports(place: Place, over: str, other: str) -> None:
    """Members of one room receive the same, over every transport."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo", over=other)
    assert (await ada.ask("join_room", {"room": "r"}))["payload"]["member_count"] == 1
    assert (await bo.ask("join_room", {"room": "r"}))["payload"]["member_count"] == 2
    await ada.send("room_message", {"room": "r", "data": {"x": [1, 2.5, None, "é"]}}, id="m1")
    heard = [await client.next("room_message") for client in (ada, bo)]
    assert heard[0] == heard[1]
    assert heard[0]["id"] == "m1"
    assert heard[0]["payload"]["data"] == {"x": [1, 2.5, None, "é"]}
