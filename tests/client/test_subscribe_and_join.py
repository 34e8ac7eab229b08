"""The Python client joins and leaves rooms and channels in quick succession."""

from __future__ import annotations

import asyncio

import pytest

from rtmon.client import ClientError
from rtmon.testing import until

from .conftest import Place
from .wire import Wire, kinds


async def test_client_that_leaves_and_rejoins_a_room_at_once_is_in_the_room(place: Place) -> None:
    """Python client that leaves a room and joins it again at once is a member of the room
    afterwards.
    """
    client = await place.connect()
    await client.join("tea")
    for _ in range(3):
        await client.leave("tea")
        await client.join("tea")
        message = {"room": "tea", "text": "hi", "ack": True}
        assert (await client.request("room_message", message)).type == "ack"
        assert place.hub.registry.count("room:tea") == 1


async def test_client_that_leaves_before_its_join_is_answered_is_not_in_the_room(
    place: Place,
) -> None:
    """Python client that leaves a room before its join is answered is not a member, and
    ``join()`` raises ClientError.
    """
    client = await place.connect()
    joining = asyncio.create_task(client.join("tea"))
    await asyncio.sleep(0)
    await client.leave("tea")
    with pytest.raises(ClientError, match="left the room 'tea'"):
        await joining
    await client.join("coffee")  # The server handles the first join before this one.
    await until(lambda: place.hub.registry.count("room:tea") == 0)
    await client.request("ping")
    assert place.hub.registry.count("room:tea") == 0


async def test_client_that_unsubscribes_and_subscribes_at_once_gets_publications(
    place: Place,
) -> None:
    """Python client that ends a subscription and starts another to the same channel at once
    receives the publications.
    """
    client = await place.connect()
    for number in range(3):
        async with client.subscribe("news") as news:
            await place.hub.publish("news", number)
            async with asyncio.timeout(10):
                assert (await anext(news)).payload == number
    await until(lambda: place.hub.registry.count("channel:news") == 0)


def test_client_sends_subscribe_only_after_the_reply_to_its_unsubscribe() -> None:
    """Python client sends ``subscribe`` only after its ``unsubscribe`` is acknowledged, even when
    the ``unsubscribe`` was first refused as ``rate_limited``.
    """
    wire = Wire()
    wire.open()
    places = wire.session.places
    first = places.enter("channel", "news", wire.now)
    (asked,) = wire.said()
    wire.say("ack", {"channel": "news", "epoch": "e", "offset": 0}, reply_to=asked["id"])
    places.leave(first, wire.now)
    second = places.enter("channel", "news", wire.now)
    (out,) = wire.said()
    assert out["type"] == "unsubscribe"
    wire.say("error", {"code": "rate_limited", "retry_after": 1}, reply_to=out["id"])
    wire.pass_time(1.5)
    (out,) = wire.said()
    assert out["type"] == "unsubscribe"
    wire.say("ack", {"channel": "news"}, reply_to=out["id"])
    (asked,) = wire.said()
    assert asked["type"] == "subscribe"
    wire.say("ack", {"channel": "news", "epoch": "e", "offset": 0}, reply_to=asked["id"])
    assert second.entered


def test_client_sends_leave_room_after_a_join_that_was_refused_first_and_then_accepted() -> None:
    """Python client that has left a room sends ``leave_room`` when its join, refused at first,
    is accepted later.
    """
    wire = Wire()
    wire.open()
    place = wire.session.places.enter("room", "tea", wire.now)
    (asked,) = wire.said()
    wire.session.places.leave(place, wire.now)
    assert wire.said() == []
    wire.say("error", {"code": "rate_limited", "retry_after": 1}, reply_to=asked["id"])
    wire.pass_time(1.5)
    (asked,) = wire.said()
    wire.say("ack", {"room": "tea", "epoch": "e", "offset": 0}, reply_to=asked["id"])
    assert kinds(wire.said()) == ["leave_room"]


def test_client_drops_a_queued_leave_room_of_the_previous_connection() -> None:
    """Python client does not send a ``leave_room`` queued on the previous connection when it has
    joined the room again.
    """
    wire = Wire()
    wire.open()
    place = wire.session.places.enter("room", "tea", wire.now)
    (asked,) = wire.said()
    wire.say("ack", {"room": "tea", "epoch": "e", "offset": 0}, reply_to=asked["id"])
    wire.session.places.leave(place, wire.now)
    wire.lose()
    wire.session.places.enter("room", "tea", wire.now)
    assert kinds(wire.open()) == ["connect", "join_room"]


def test_client_sends_leave_room_although_it_was_queued_longer_than_queue_age() -> None:
    """Python client sends ``leave_room`` although it was queued longer than ``queue_age``."""
    wire = Wire(queue_age=1.0)
    wire.open()
    place = wire.session.places.enter("room", "tea", wire.now)
    (asked,) = wire.said()
    wire.say("ack", {"room": "tea", "epoch": "e", "offset": 0}, reply_to=asked["id"])
    wire.session.places.leave(place, wire.now)
    wire.pass_time(2.0)
    assert kinds(wire.said()) == ["leave_room"]
