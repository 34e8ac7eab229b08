from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rtmon.batching import Batch
from rtmon.errors import OptionError
from rtmon.hub import ChannelOptions
from rtmon.protocol.binary import encode_attached

Place = Any

WAITING = 1_048_576
"""Bytes that may wait for one: with a quarter of them, no more is sent of what it missed."""


async def numbers(client: Any, count: int) -> list[Any]:
    """The data of the next publications."""
    return [(await client.next("publication"))["payload"]["data"] for _ in range(count)]


async def test_subscribers_get_what_is_published(place: Place) -> None:
    """A publication reaches its channel's subscribers, and no others, with who published."""
    ada, bo, cy = [await place.connect(name) for name in ("ada", "bo", "cy")]
    await ada.ask("subscribe", {"channel": "news"})
    await cy.ask("subscribe", {"channel": "other"})
    answer = await bo.ask("publish", {"channel": "news", "data": {"t": "é"}, "ack": True}, id="p1")
    got = await ada.next("publication")
    assert got["id"] == "p1"
    assert got["payload"] == {
        "channel": "news",
        "epoch": answer["payload"]["epoch"],
        "offset": 1,
        "data": {"t": "é"},
        "client_id": bo.id,
        "name": "bo",
    }
    assert answer["payload"]["offset"] == 1
    assert [m for m in await cy.quiet() if m["type"] == "publication"] == []


async def test_unsubscribing_ends_it(place: Place) -> None:
    """After unsubscribing nothing more comes; unsubscribing twice is an error."""
    ada = await place.connect("ada")
    await ada.ask("subscribe", {"channel": "news"})
    assert (await ada.ask("unsubscribe", {"channel": "news"}))["type"] == "ack"
    await ada.send("publish", {"channel": "news", "data": 1})
    assert [m for m in await ada.quiet() if m["type"] == "publication"] == []
    again = await ada.ask("unsubscribe", {"channel": "news"})
    assert again["payload"]["code"] == "not_subscribed"


async def test_patterns(place: Place) -> None:
    """One star stands for one segment, two at the end for all; each publication comes once."""
    ada = await place.connect("ada")
    for channel in ("news.*", "news.**", "news.sport"):
        answer = (await ada.ask("subscribe", {"channel": channel}))["payload"]
    assert "recoverable" not in answer
    for number, channel in enumerate(["news.sport", "news.a.b", "news", "weather.x"]):
        await place.hub.publish(channel, number)
    assert await numbers(ada, 2) == [0, 1]
    assert [m for m in await ada.quiet() if m["type"] == "publication"] == []
    refused = await ada.ask("subscribe", {"channel": "a.*", "since": {"epoch": "e", "offset": 1}})
    assert refused["payload"]["code"] == "invalid_position"
    malformed = await ada.ask("subscribe", {"channel": "a*b.c"})
    assert malformed["payload"]["code"] == "invalid_channel"
    published = await ada.ask("publish", {"channel": "a.*", "data": 1})
    assert published["payload"]["code"] == "invalid_channel"


async def test_the_server_publishes_and_listens(place: Place) -> None:
    """A listener that fails is logged and disturbs neither clients nor other listeners."""
    heard: list[Any] = []
    later: list[Any] = []

    def broken(publication: Any) -> None:
        raise RuntimeError("broken")

    async def slow(publication: Any) -> None:
        await asyncio.sleep(0)
        later.append(publication.data)
        if publication.data == 1:
            raise RuntimeError("broken, too")

    place.hub.subscribe("news", broken)
    listener = place.hub.subscribe("news", lambda publication: heard.append(publication.data))
    place.hub.subscribe("**", slow)
    ada = await place.connect("ada")
    await ada.ask("subscribe", {"channel": "news"})
    for number in range(3):
        receipt = await place.hub.publish("news", number)
    assert receipt.offset == 3
    assert await numbers(ada, 3) == [0, 1, 2]
    assert heard == [0, 1, 2]
    await place.until(lambda: later == [0, 1, 2])
    listener.cancel()
    await place.hub.publish("news", 3)
    assert heard == [0, 1, 2]


async def test_the_server_is_checked_too(place: Place) -> None:
    """What no client could be sent, the server cannot publish."""
    for channel, data in (("a.*", 1), ("a\nb", 1), ("a", float("nan")), ("a", {1: 2}), ("a", {3})):
        with pytest.raises(OptionError):
            await place.hub.publish(channel, data)
    for key in (["x"], 1, {}):
        with pytest.raises(OptionError):
            await place.hub.publish("a", 1, slow="keep_latest", key=key)  # type: ignore[arg-type]


async def test_a_dead_subscriber_disturbs_nobody(place: Place) -> None:
    """A peer whose transport fails is left out; the others get everything."""
    bo, cy = [await place.connect(name, over="memory") for name in ("bo", "cy")]
    ada = await place.connect("ada")
    for client in (bo, cy, ada):
        await client.ask("subscribe", {"channel": "news"})
    bo.peer.ended = (1006, "gone")
    cy.peer.inbox = None
    for number in range(3):
        await place.hub.publish("news", number)
    assert await numbers(ada, 3) == [0, 1, 2]
    stats = place.hub.channel_stats()["channel:news"]
    assert (stats.published, stats.delivered, stats.dropped) == (3, 3, 6)
    assert stats.subscribers == 3
    assert stats.bytes > 0
    assert stats.fanout >= stats.fanout_max > 0


async def test_a_repeated_id_is_delivered_once(place: Place) -> None:
    """A sender's repeat is acknowledged with the first position, even after a reconnect; the
    same id of another sender is another message.
    """
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await bo.ask("subscribe", {"channel": "news"})
    message = {"channel": "news", "data": 1, "ack": True}
    first = (await ada.ask("publish", message, id="m"))["payload"]
    again = (await ada.ask("publish", message, id="m"))["payload"]
    assert again == {**first, "duplicate": True}
    session = ada.welcome["payload"]["session"]
    await ada.leave()
    ada = await place.connect("ada")
    await ada.ask("connect", {"session": session})
    assert (await ada.ask("publish", message, id="m"))["payload"] == again
    other = (await bo.ask("publish", message, id="m"))["payload"]
    assert other["offset"] == first["offset"] + 1
    offsets = [m["payload"]["offset"] for m in bo.heard if m["type"] == "publication"]
    assert offsets == [first["offset"], other["offset"]]
    assert [m for m in await bo.quiet() if m["type"] == "publication"] == []


@pytest.mark.parametrize(
    ("kind", "field", "came"),
    [
        ("publish", "channel", "publication"),
        ("room_message", "room", "room_message"),
        ("private_message", "to", "private_message"),
    ],
)
async def test_binary_beside_the_envelope(place: Place, kind: str, field: str, came: str) -> None:
    """One binary message carries an envelope and its data, without base64."""
    ada, bo = await place.connect("ada"), await place.connect("bo", over="websocket-msgpack")
    await bo.ask("subscribe", {"channel": "raw"})
    for client in (ada, bo):
        await client.ask("join_room", {"room": "raw"})
    payload = {field: bo.id if field == "to" else "raw"}
    envelope = json.dumps({"type": kind, "payload": payload}).encode()
    await ada.raw(encode_attached(envelope, b"\x00\xff" * 100))
    assert (await bo.next(came))["payload"]["data"] == b"\x00\xff" * 100


async def test_no_data_beside_an_envelope_that_has_none(place: Place) -> None:
    """Bytes beside a message that carries no data are refused, and the connection stays."""
    ada = await place.connect("ada")
    await ada.raw(encode_attached(b'{"type": "ping", "id": "p"}', b"x"))
    assert (await ada.next("error"))["payload"]["code"] == "invalid_message"


async def test_a_client_asks_for_batches(place: Place) -> None:
    """Messages are collected up to the size, or for the delay, in order; one alone is no batch."""
    ada = await place.connect("ada")
    await ada.next("user_joined")
    await ada.ask("subscribe", {"channel": "ticks"})
    await ada.ask("connect", {"batch": {"size": 4, "delay": 0.05}})
    for number in range(9):
        await place.hub.publish("ticks", number)
    got: list[int] = []
    sizes = []
    while len(got) < 9:
        message = await ada.wait(lambda m: m["type"] in {"batch", "publication"})
        inner = message["payload"]["messages"] if message["type"] == "batch" else [message]
        sizes.append(len(inner))
        got += [m["payload"]["data"] for m in inner]
    assert got == list(range(9))
    assert sizes == [4, 4, 1]
    await ada.send("connect", {"batch": False})
    await ada.next("welcome")
    await place.hub.publish("ticks", 9)
    assert await numbers(ada, 1) == [9]


@pytest.mark.parametrize("over", ["websocket-json", "websocket-msgpack"])
async def test_a_channel_is_set_up_for_batches(start: Any, over: str) -> None:
    """A channel's batches hold whole messages, the same for all; who comes in between gets
    only what comes after.
    """
    rules = {"ticks.*": ChannelOptions(batch=Batch(size=3, delay=0.05))}
    place = await start(channels=rules)
    ada = await place.connect("ada", over=over)
    await ada.ask("subscribe", {"channel": "ticks.a"})
    await place.hub.publish("ticks.a", 0)
    await place.hub.publish("ticks.a", 1)
    bo = await place.connect("bo", over=over)
    answer = (await bo.ask("subscribe", {"channel": "ticks.a"}))["payload"]
    assert answer["offset"] == 2
    for number in range(2, 5):
        await place.hub.publish("ticks.a", number)
    batches = [(await client.next("batch"))["payload"]["messages"] for client in (ada, ada, bo)]
    assert [[m["payload"]["data"] for m in batch] for batch in batches] == [
        [0, 1],
        [2, 3, 4],
        [2, 3, 4],
    ]
    assert batches[1] == batches[2]
    assert place.hub.channel_stats()["channel:ticks.a"].published == 5


async def test_a_client_sends_a_batch(place: Place) -> None:
    """Each message of a batch is taken and answered alone; a batch inside one is refused."""
    ada = await place.connect("ada")
    await ada.ask("subscribe", {"channel": "c"})
    inner = [
        {"type": "publish", "payload": {"channel": "c", "data": 1}},
        {"type": "nope", "id": "wrong"},
        {"type": "batch", "id": "nested", "payload": {"messages": []}},
        {"type": "publish", "payload": {"channel": "c", "data": 2}},
    ]
    await ada.send("batch", {"messages": inner})
    assert await numbers(ada, 2) == [1, 2]
    errors = [m for m in ada.heard if m["type"] == "error"]
    assert [(e["reply_to"], e["payload"]["code"]) for e in errors] == [
        ("wrong", "unknown_type"),
        ("nested", "invalid_message"),
    ]


async def test_history_in_pages(place: Place) -> None:
    """History is read without subscribing, page by page, as whole messages."""
    ada = await place.connect("ada")
    for number in range(7):
        await place.hub.publish("news", number)
    got: list[int] = []
    since, more = None, True
    while more:
        ask = {"channel": "news", "limit": 3, **({"since": since} if since else {})}
        page = (await ada.ask("history", ask))["payload"]
        got += [m["payload"]["data"] for m in page["messages"]]
        since, more = {"epoch": page["epoch"], "offset": page["offset"]}, page["more"]
        assert page["recovered"] is True
    assert got == list(range(7))
    strange = {"epoch": "another", "offset": 3}
    page = (await ada.ask("history", {"channel": "news", "since": strange}))["payload"]
    assert page["recovered"] is False


@pytest.mark.parametrize("batching", [None, Batch(size=3, delay=0.05)])
async def test_what_was_missed_may_be_much(start: Any, batching: Batch | None) -> None:
    """Who missed more than may wait for one connection gets all of it, as fast as it reads, and
    what is published meanwhile after it, once.
    """
    rules = {"c": ChannelOptions(batch=batching)}
    place = await start(max_waiting=WAITING, channels=rules)
    first = await place.hub.publish("c", 0)
    for number in range(1, 60):
        await place.hub.publish("c", [number, "x" * 500_000])
    ada = await place.connect("ada", compression=None)
    ada.connection.transport.pause_reading()
    since = {"epoch": first.epoch, "offset": first.offset}
    await ada.send("subscribe", {"channel": "c", "since": since}, id="s")
    session = place.hub.audience.sessions[ada.id]
    await place.until(lambda: session.peer.waiting > WAITING / 4)
    for number in range(60, 70):
        await place.hub.publish("c", [number, ""])
    ada.connection.transport.resume_reading()
    got: list[int] = []
    while len(got) < 69:
        message = await ada.wait(lambda m: m["type"] in {"batch", "publication", "ack"})
        inner = message["payload"].get("messages", [message])
        got += [m["payload"]["data"][0] for m in inner if m["type"] == "publication"]
    assert got == list(range(1, 70))
    await place.hub.publish("c", [70, ""])
    assert [d[0] for d in await numbers(ada, 1)] == [70]


async def test_who_takes_nothing_of_it_is_let_go(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for what was missed and then reads nothing is closed, and holds up nobody."""
    monkeypatch.setattr("rtmon.hub.entering._PATIENCE", 0.2)
    place = await start(max_waiting=WAITING)
    first = await place.hub.publish("c", 0)
    for _ in range(60):
        await place.hub.publish("c", "x" * 500_000)
    ada = await place.connect("ada", compression=None)
    ada.connection.transport.pause_reading()
    since = {"epoch": first.epoch, "offset": first.offset}
    await ada.send("subscribe", {"channel": "c", "since": since})
    peer = place.hub.audience.sessions[ada.id].peer
    await place.until(lambda: peer.waiting > WAITING / 4)
    bo = await place.connect("bo")
    assert (await bo.ask("publish", {"channel": "c", "data": 1, "ack": True}))["type"] == "ack"
    await place.until(lambda: not peer.send("{}"))
    ada.connection.transport.resume_reading()
    assert await ada.close_code() == 1013


async def test_subscriptions_are_bounded(place: Place) -> None:
    """One client has a hundred subscriptions at most."""
    ada = await place.connect("ada")
    for number in range(100):
        await ada.send("subscribe", {"channel": f"c{number}"})
    answer = await ada.ask("subscribe", {"channel": "one.more"})
    assert answer["payload"]["code"] == "too_many_channels"


async def test_whatever_a_listener_returns_is_awaited(place: Place) -> None:
    """A lambda around a coroutine function, and an object with one, listen as well; what waits
    when the subscription is cancelled is not done.
    """
    heard: list[Any] = []

    async def take(data: Any) -> None:
        heard.append(data)

    class Taker:
        async def __call__(self, publication: Any) -> None:
            await take(publication.data)

    listeners = [
        place.hub.subscribe("c", callback) for callback in (lambda p: take(p.data), Taker())
    ]
    for number in range(2):
        await place.hub.publish("c", number)
    await place.until(lambda: sorted(heard) == [0, 0, 1, 1])
    await place.hub.publish("c", 2)
    for listener in listeners:
        listener.cancel()
    await asyncio.sleep(0)
    assert 2 not in heard


async def test_a_batch_never_holds_a_batch(start: Any) -> None:
    """Where both a channel and a client have batches, the client's hold messages only."""
    rules = {"ticks": ChannelOptions(batch=Batch(size=3, delay=0.05))}
    place = await start(channels=rules)
    ada = await place.connect("ada")
    await ada.next("user_joined")
    await ada.ask("subscribe", {"channel": "ticks"})
    await ada.ask("connect", {"batch": {"size": 2, "delay": 5}})
    for number in range(6):
        await place.hub.publish("ticks", number)
    for first in (0, 2, 4):
        inner = (await ada.next("batch"))["payload"]["messages"]
        assert [m["type"] for m in inner] == ["publication"] * 2
        assert [m["payload"]["data"] for m in inner] == [first, first + 1]
    stats = place.hub.channel_stats()["channel:ticks"]
    assert (stats.published, stats.delivered) == (6, 6)


async def test_a_session_goes_on_over_many_reconnects(place: Place) -> None:
    """The session that the answer to ``connect`` names is the one that was given, so the same
    sender comes back however often.
    """
    ada = await place.connect("ada")
    first = ada.welcome["payload"]["session"]
    message = {"channel": "news", "data": 1, "ack": True}
    session = first
    for number in range(3):
        await ada.leave()
        ada = await place.connect("ada")
        session = (await ada.ask("connect", {"session": session}))["payload"]["session"]
        assert session == first
        answer = (await ada.ask("publish", message, id="m"))["payload"]
        assert ("duplicate" in answer) is (number > 0)
