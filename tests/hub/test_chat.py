"""Chat, private messages, typing indicators, notifications, joins, and custom message types."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rtmon
from rtmon.errors import OptionError

Place = Any


async def test_publisher_receives_its_own_message_unless_it_sets_echo_to_false(
    place: Place,
) -> None:
    """Publisher receives its own chat message, except when the message has ``echo`` false."""
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.send("chat_message", {"text": "not to me", "echo": False})
    await ada.send("chat_message", {"text": "to all"})
    assert (await bo.next("chat_message"))["payload"]["text"] == "not to me"
    assert (await ada.next("chat_message"))["payload"]["text"] == "to all"


async def test_hub_delivers_message_that_arrives_together_with_the_close_frame(
    place: Place,
) -> None:
    """Hub delivers a chat message when the sender's close frame arrives in the same read."""
    ada, bo = await place.connect("ada"), await place.connect("bo")
    protocol = ada.connection.protocol
    protocol.send_text(b'{"type": "chat_message", "payload": {"text": "bye"}}')
    protocol.send_close(1000)
    ada.connection.transport.write(b"".join(protocol.data_to_send()))
    assert (await bo.next("chat_message"))["payload"]["text"] == "bye"


async def test_publisher_receives_its_own_message_when_it_requests_echo(start: Any) -> None:
    """Publisher on a hub with ``echo=False`` receives its own message only when it sends the
    message with ``echo`` true.
    """
    place = await start(echo=False)
    ada = await place.connect("ada")
    await ada.send("chat_message", {"text": "quiet"})
    await ada.send("chat_message", {"text": "loud", "echo": True})
    assert (await ada.next("chat_message"))["payload"]["text"] == "loud"


async def test_private_message_reaches_only_its_recipient(place: Place) -> None:
    """Private message reaches its recipient and no other client, and an unknown recipient is
    answered with ``unknown_client``.
    """
    ada, bo, cy = [await place.connect(name) for name in ("ada", "bo", "cy")]
    answer = await ada.ask("private_message", {"to": bo.id, "text": "psst", "ack": True})
    assert answer["type"] == "ack"
    got = (await bo.next("private_message"))["payload"]
    assert (got["from"], got["name"], got["to"], got["text"]) == (ada.id, "ada", bo.id, "psst")
    assert [m for m in await cy.quiet() if m["type"] == "private_message"] == []
    unknown = await ada.ask("private_message", {"to": "unknown", "text": "psst"})
    assert unknown["payload"]["code"] == "unknown_client"


async def test_typing_indicator_ends_after_its_timeout(start: Any) -> None:
    """Typing indicator is announced once to other clients, however often it is sent, and ends
    after ``typing_timeout``.
    """
    place = await start(typing_timeout=0.3)
    ada, bo = await place.connect("ada"), await place.connect("bo")
    for _ in range(4):
        await ada.send("typing_start")
    assert (await bo.next("typing_start"))["payload"] == {"client_id": ada.id, "name": "ada"}
    await bo.next("typing_end")
    assert [m for m in bo.heard if m["type"] == "typing_start"] == [], "told once"
    assert [m for m in await ada.quiet() if m["type"].startswith("typing")] == []


async def test_typing_indicator_ends_when_the_client_sends_or_disconnects(place: Place) -> None:
    """Typing indicator ends when the client sends its message, and when the client disconnects."""
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.send("typing_start")
    await ada.send("chat_message", {"text": "done"})
    await bo.next("typing_start")
    await bo.next("typing_end")
    await bo.next("chat_message")
    await ada.send("typing_start", {"to": bo.id})
    assert (await bo.next("typing_start"))["payload"]["to"] == bo.id
    await ada.leave()
    await bo.next("typing_end")


async def test_typing_indicator_of_a_room_reaches_only_its_members(place: Place) -> None:
    """Typing indicator of a room reaches only the room's members, and ends when the client sends
    a message or leaves the room.
    """
    ada, bo, cy = [await place.connect(name) for name in ("ada", "bo", "cy")]
    for client in (ada, bo):
        await client.ask("join_room", {"room": "r"})
    await ada.send("typing_start", {"room": "r"})
    assert (await bo.next("typing_start"))["payload"]["room"] == "r"
    assert [m for m in await cy.quiet() if m["type"] == "typing_start"] == []
    await ada.send("room_message", {"room": "r", "text": "done"})
    assert (await bo.next("typing_end"))["payload"]["room"] == "r"
    await ada.send("typing_start", {"room": "r"})
    await ada.send("leave_room", {"room": "r"})
    await bo.next("typing_start")
    await bo.next("typing_end")
    answer = await cy.ask("typing_start", {"room": "r"})
    assert answer["payload"]["code"] == "not_in_room"


async def test_notification_reaches_every_connection_of_the_user(place: Place) -> None:
    """Hub's ``notify()`` reaches every connection of the user and no other, and returns how many
    it reached.
    """
    one = await place.connect("phone", user="ada")
    two = await place.connect("desk")
    await two.ask("connect", {"user": "ada"})
    other = await place.connect("bo", user="bo")
    assert place.hub.notify("ada", "Hello", "there", data={"n": 1}) == 2
    for client in (one, two):
        got = (await client.next("notification"))["payload"]
        assert got == {"title": "Hello", "text": "there", "data": {"n": 1}}
    assert [m for m in await other.quiet() if m["type"] == "notification"] == []
    assert place.hub.notify("unknown", "Hello") == 0
    with pytest.raises(OptionError, match="finite"):
        place.hub.notify("ada", "Hello", data=[float("nan")])


async def test_user_is_announced_online_at_first_and_offline_at_last_connection(
    place: Place,
) -> None:
    """Hub announces a user online at its first connection, and offline when its last connection
    ends.
    """
    watcher = await place.connect("watcher")
    first = await place.connect("phone", user="ada")
    online = (await watcher.next("user_online"))["payload"]
    assert (online["user"], online["user_count"]) == ("ada", 1)
    second = await place.connect("desk", user="ada")
    await first.leave()
    await watcher.next("user_left")
    assert not [m for m in watcher.heard if m["type"] in {"user_online", "user_offline"}]
    await second.leave()
    assert (await watcher.next("user_offline"))["payload"]["user_count"] == 0


async def test_clients_that_join_in_one_interval_are_announced_in_one_message(start: Any) -> None:
    """Hub announces 150 clients that join in one interval in a single ``user_joined`` message
    with the number 150 and 100 names.
    """
    place = await start(announce=60.0)
    tell_all = place.hub._parts.join_leave.flush
    watcher = await place.connect("watcher")
    tell_all()
    await watcher.next("user_joined")
    await asyncio.gather(*[place.connect(f"u{number}", over="memory") for number in range(150)])
    tell_all()
    joined = (await watcher.next("user_joined"))["payload"]
    assert joined["count"] == 150
    assert joined["user_count"] == 151
    assert len(joined["users"]) == 100
    assert joined["users"][0]["name"] == joined["name"]


async def test_thousand_joins_cost_each_client_one_message(start: Any) -> None:
    """Hub sends each client one message when 1,000 clients join in one interval, and fewer than 30
    messages when these clients leave.
    """
    place = await start(history=0, announce=60.0)
    tell_all = place.hub._parts.join_leave.flush
    crowd = [await place.connect(f"user{number}", over="memory") for number in range(1_000)]
    tell_all()
    told = sum(client.peer.inbox.qsize() for client in crowd)
    assert told == len(crowd)
    ada = await place.connect("ada", over="memory")
    for client in crowd:
        await client.leave()
    tell_all()
    assert 0 < ada.peer.inbox.qsize() < 30


async def test_client_is_announced_before_its_first_message(start: Any) -> None:
    """Hub announces that a client has joined before it delivers the client's first chat message."""
    place = await start(announce=60.0)
    watcher, ada = await place.connect("watcher"), await place.connect("ada")
    await ada.send("chat_message", {"text": "hi"})
    await watcher.next("chat_message")
    assert "ada" in [u["name"] for u in watcher.heard[-1]["payload"]["users"]]


async def test_chat_message_does_not_announce_other_clients_early(start: Any) -> None:
    """Hub collects joins for the whole announcement interval even when other clients send chat
    messages during the interval.
    """
    place = await start(announce=60.0)
    ada = await place.connect("ada")
    await ada.send("chat_message", {"text": "hi"})
    await ada.next("user_joined")
    for number in range(5):
        await place.connect(str(number))
        await ada.send("chat_message", {"text": "hi"})
    assert [m for m in await ada.quiet() if m["type"] == "user_joined"] == []


async def test_client_changes_name_and_info_when_it_sends_connect(place: Place) -> None:
    """Client changes its name or info with a ``connect`` message, and keeps the fields that the
    message omits.
    """
    ada = await place.connect("ada")
    answer = await ada.ask("connect", {"info": {"mood": "fine"}})
    assert answer["type"] == "welcome"
    assert answer["payload"]["name"] == "ada"
    await ada.ask("connect", {"name": "Ada L."})
    presence = (await ada.ask("presence"))["payload"]
    assert presence["members"] == [
        {"client_id": ada.id, "name": "Ada L.", "info": {"mood": "fine"}}
    ]


async def test_hub_closes_connection_with_1013_above_max_connections(start: Any) -> None:
    """Hub closes a connection with 1013 when it already has ``max_connections`` clients."""
    from websockets.asyncio.client import connect

    place = await start(max_connections=1)
    await place.connect("ada")
    async with connect(place.url) as late:
        await late.wait_closed()
        assert late.close_code == 1013
        assert "full" in late.close_reason


async def test_custom_message_type_has_typed_payload_reply_and_errors(place: Place) -> None:
    """Custom message type gets a typed payload, a reply and error replies, and cannot take the
    name of a built-in type.
    """
    import msgspec

    from rtmon.errors import ProtocolError

    class Add(msgspec.Struct):
        a: int
        b: int

    async def add(session: Any, payload: Add) -> dict[str, int]:
        if payload.a < 0:
            raise ProtocolError("too_small", "Give numbers from 0.")
        if payload.a == 13:
            raise RuntimeError("unlucky")
        return {"sum": payload.a + payload.b}

    with pytest.raises(OptionError, match="'Add' is not defined"):
        place.hub.on("add")(add)
    add.__annotations__["payload"] = Add
    place.hub.on("add")(add)
    ada = await place.connect("ada")
    answer = await ada.ask("add", {"a": 1, "b": 2})
    assert (answer["type"], answer["payload"]) == ("ack", {"data": {"sum": 3}})
    assert (await ada.ask("add", {"a": "1"}))["payload"]["code"] == "invalid_payload"
    assert (await ada.ask("add", {"a": -1, "b": 0}))["payload"]["code"] == "too_small"
    broken = (await ada.ask("add", {"a": 13, "b": 0}))["payload"]
    assert (broken["code"], broken["retry"]) == ("internal", True)
    assert "unlucky" not in broken["message"]
    for taken in ("chat_message", "pubsub"):
        with pytest.raises(OptionError, match=taken):
            place.hub.on(taken)(add)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_request_gets_ack_without_data_when_the_handler_returns_none(
    place: Place, codec: str
) -> None:
    """Client that sends a request gets an ack without data when the custom handler returns None;
    a plain send gets no ack.
    """
    called: list[str] = []

    async def note(session: Any, payload: Any) -> None:
        called.append(session.name)

    place.hub.on("note")(note)
    async with rtmon.connect(place.url, codec=codec, proxy=None) as client:
        acks: list[Any] = []
        client.on("ack")(acks.append)
        await client.send("note", {})
        await client.flush()
        answer = await client.request("note")
        assert (answer.type, answer.payload.get("data"), acks) == ("ack", None, [])
    ada = await place.connect("ada")
    await ada.send("note", {}, id="1")
    await ada.ask("ping")
    assert "ack" not in [message["type"] for message in ada.heard]
    assert called[2:] == ["ada"]


@pytest.mark.parametrize("payload", [Any, dict[str, list[float]]])
async def test_custom_message_refuses_nan_and_infinity(place: Place, payload: Any) -> None:
    """Hub answers a custom message that contains NaN or infinity with ``invalid_payload``, for
    any payload type.
    """

    async def mean(session: Any, payload: Any) -> float:
        return sum(payload["of"]) / len(payload["of"])

    mean.__annotations__["payload"] = payload
    place.hub.on("mean")(mean)
    ada = await place.connect("ada", over="websocket-msgpack")
    assert (await ada.ask("mean", {"of": [1.0, 2.0]}))["payload"] == {"data": 1.5}
    for wrong in (float("nan"), float("inf")):
        answer = await ada.ask("mean", {"of": [1.0, wrong]})
        assert answer["payload"]["code"] == "invalid_payload"
