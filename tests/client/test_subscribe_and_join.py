"""Joining and leaving rooms and channels in quick succession: the last call decides."""

from __future__ import annotations

import asyncio

import pytest

from rtmon.client import ClientError
from rtmon.testing import until

from .conftest import Place
from .wire import Wire, kinds


async def test_client_is_in_the_room_when_it_leaves_and_joins_at_once(place: Place) -> None:
    """A client that leaves a room and joins it at once is in the room, each time."""
    client = await place.connect()
    await client.join("tea")
    for _ in range(3):
        await client.leave("tea")
        await client.join("tea")
        message = {"room": "tea", "text": "hi", "ack": True}
        assert (await client.request("room_message", message)).type == "ack"
        assert place.hub.registry.count("room:tea") == 1


async def test_client_is_outside_when_it_leaves_before_its_join_is_answered(place: Place) -> None:
    """A client that joins and leaves at once is not in the room, and its join raises."""
    client = await place.connect()
    joining = asyncio.create_task(client.join("tea"))
    await asyncio.sleep(0)
    await client.leave("tea")
    with pytest.raises(ClientError, match="left the room 'tea'"):
        await joining
    await client.join("coffee")  # the server has heard of the first join before this one
    await until(lambda: place.hub.registry.count("room:tea") == 0)
    await client.request("ping")
    assert place.hub.registry.count("room:tea") == 0


async def test_client_is_subscribed_when_it_unsubscribes_and_subscribes_at_once(
    place: Place,
) -> None:
    """A subscription that begins when another one to its channel ends gets the publications."""
    client = await place.connect()
    for number in range(3):
        async with client.subscribe("news") as news:
            await place.hub.publish("news", number)
            async with asyncio.timeout(10):
                assert (await anext(news)).payload == number
    await until(lambda: place.hub.registry.count("channel:news") == 0)


def test_subscribe_waits_when_unsubscribe_may_be_refused_for_now() -> None:
    """A client sends ``subscribe`` only after the answer to its ``unsubscribe``. An
    ``unsubscribe`` refused by the rate limit is sent again, and would undo a ``subscribe`` that
    had overtaken it.
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


def test_room_is_left_when_its_join_is_refused_for_now_and_then_taken() -> None:
    """A ``join_room`` that is sent again after the client has left is followed by a leave."""
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


def test_leave_is_not_sent_when_it_waited_for_the_connection_before() -> None:
    """A queued ``leave_room`` of the connection before does not undo a join on the next one."""
    wire = Wire()
    wire.open()
    place = wire.session.places.enter("room", "tea", wire.now)
    (asked,) = wire.said()
    wire.say("ack", {"room": "tea", "epoch": "e", "offset": 0}, reply_to=asked["id"])
    wire.session.places.leave(place, wire.now)
    wire.lose()
    wire.session.places.enter("room", "tea", wire.now)
    assert kinds(wire.open()) == ["connect", "join_room"]


def test_room_is_left_when_the_leave_waited_too_long() -> None:
    """A ``leave_room`` that expires while the server takes nothing is sent once it takes
    messages.
    """
    wire = Wire(queue_age=1.0)
    wire.open()
    place = wire.session.places.enter("room", "tea", wire.now)
    (asked,) = wire.said()
    wire.say("ack", {"room": "tea", "epoch": "e", "offset": 0}, reply_to=asked["id"])
    wire.session.places.leave(place, wire.now)
    wire.pass_time(2.0)
    assert kinds(wire.said()) == ["leave_room"]
