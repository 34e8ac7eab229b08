"""Publish and subscribe: delivery, channel patterns, repeated message ids, binary data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rtmon.protocol.binary_messages import encode_attached

Place = Any


async def test_publication_reaches_only_subscribers_and_names_its_publisher(place: Place) -> None:
    """Publication reaches the subscribers of its channel and no other client, with the id and
    name of the client that published it.
    """
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


async def test_client_receives_no_publications_after_it_unsubscribes(place: Place) -> None:
    """Client receives no publications after it unsubscribes, and unsubscribing again is answered
    with ``not_subscribed``.
    """
    ada = await place.connect("ada")
    await ada.ask("subscribe", {"channel": "news"})
    assert (await ada.ask("unsubscribe", {"channel": "news"}))["type"] == "ack"
    await ada.send("publish", {"channel": "news", "data": 1})
    assert [m for m in await ada.quiet() if m["type"] == "publication"] == []
    again = await ada.ask("unsubscribe", {"channel": "news"})
    assert again["payload"]["code"] == "not_subscribed"


async def test_channel_pattern_matches_one_segment_with_one_star_and_several_with_two(
    place: Place,
) -> None:
    """Channel pattern ``news.*`` matches one segment after ``news``, and ``news.**`` several; a
    client with overlapping patterns gets a publication once.
    """
    ada = await place.connect("ada")
    for channel in ("news.*", "news.**", "news.sport"):
        answer = (await ada.ask("subscribe", {"channel": channel}))["payload"]
    assert "recoverable" not in answer
    for number, channel in enumerate(["news.sport", "news.a.b", "news", "weather.x"]):
        await place.hub.publish(channel, number)
    assert await ada.published(2) == [0, 1]
    assert [m for m in await ada.quiet() if m["type"] == "publication"] == []
    refused = await ada.ask("subscribe", {"channel": "a.*", "since": {"epoch": "e", "offset": 1}})
    assert refused["payload"]["code"] == "invalid_position"
    malformed = await ada.ask("subscribe", {"channel": "a*b.c"})
    assert malformed["payload"]["code"] == "invalid_channel"
    published = await ada.ask("publish", {"channel": "a.*", "data": 1})
    assert published["payload"]["code"] == "invalid_channel"


async def test_hub_refuses_a_subscription_when_its_client_has_a_hundred(place: Place) -> None:
    """Hub answers ``too_many_channels`` when a client with 100 subscriptions requests another."""
    ada = await place.connect("ada")
    for number in range(100):
        await ada.send("subscribe", {"channel": f"c{number}"})
    answer = await ada.ask("subscribe", {"channel": "one.more"})
    assert answer["payload"]["code"] == "too_many_channels"


async def test_failing_transport_of_one_subscriber_does_not_affect_another(
    place: Place,
) -> None:
    """Subscriber receives every publication although the transports of two other subscribers
    fail, which are counted as drops.
    """
    bo, cy = [await place.connect(name, over="memory") for name in ("bo", "cy")]
    ada = await place.connect("ada")
    for client in (bo, cy, ada):
        await client.ask("subscribe", {"channel": "news"})
    bo.peer.ended = (1006, "gone")
    cy.peer.inbox = None
    for number in range(3):
        await place.hub.publish("news", number)
    assert await ada.published(3) == [0, 1, 2]
    stats = place.hub.channel_stats()["channel:news"]
    assert (stats.published, stats.delivered, stats.dropped) == (3, 3, 6)
    assert stats.subscribers == 3
    assert stats.bytes > 0
    assert stats.fanout >= stats.fanout_max > 0


async def test_repeated_message_id_is_published_once(place: Place) -> None:
    """Hub publishes a message once although its client repeats the message id after a reconnect;
    the same id of another client is published too.
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


async def test_client_keeps_its_session_over_several_reconnects(place: Place) -> None:
    """Client that sends its session after each of three reconnects keeps this session, so that a
    repeated message id is recognized as a duplicate.
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


@pytest.mark.parametrize(
    ("kind", "field", "came"),
    [
        ("publish", "channel", "publication"),
        ("room_message", "room", "room_message"),
        ("private_message", "to", "private_message"),
    ],
)
async def test_bytes_attached_to_a_json_message_arrive_unchanged(
    place: Place, kind: str, field: str, came: str
) -> None:
    """Bytes attached to a JSON message in one binary frame reach a MessagePack client unchanged."""
    ada, bo = await place.connect("ada"), await place.connect("bo", over="websocket-msgpack")
    await bo.ask("subscribe", {"channel": "raw"})
    for client in (ada, bo):
        await client.ask("join_room", {"room": "raw"})
    payload = {field: bo.id if field == "to" else "raw"}
    envelope = json.dumps({"type": kind, "payload": payload}).encode()
    await ada.raw(encode_attached(envelope, b"\x00\xff" * 100))
    assert (await bo.next(came))["payload"]["data"] == b"\x00\xff" * 100


async def test_hub_refuses_bytes_attached_to_a_message_type_without_data(place: Place) -> None:
    """Hub answers ``invalid_message`` when bytes are attached to a ping."""
    ada = await place.connect("ada")
    await ada.raw(encode_attached(b'{"type": "ping", "id": "p"}', b"x"))
    assert (await ada.next("error"))["payload"]["code"] == "invalid_message"
