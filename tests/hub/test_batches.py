"""Batches that a client requests, that a channel's options set, and that clients send."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.core.batch_buffer import Batch
from rtmon.hub import ChannelOptions

Place = Any


async def test_client_receives_batches_of_the_size_and_delay_that_it_requests(place: Place) -> None:
    """Client that requests batches of 4 receives nine messages in groups of 4, 4 and 1, and
    unbatched messages after it turns batches off.
    """
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
    assert await ada.published(1) == [9]


@pytest.mark.parametrize("over", ["websocket-json", "websocket-msgpack"])
async def test_channel_batches_exclude_messages_from_before_the_subscription(
    start: Any, over: str
) -> None:
    """Subscribers of a channel with ``batch`` receive the same batches, and a new subscriber gets
    no messages from before its subscription.
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


async def test_client_batch_contains_no_nested_batches_when_its_channel_also_batches(
    start: Any,
) -> None:
    """Client that requests batches from a channel with ``batch`` receives batches of
    publications, not batches inside batches.
    """
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


async def test_hub_handles_each_message_of_a_client_batch_separately(place: Place) -> None:
    """Hub handles each message of a client's batch separately, and answers an unknown type or a
    nested batch with an error.
    """
    ada = await place.connect("ada")
    await ada.ask("subscribe", {"channel": "c"})
    inner = [
        {"type": "publish", "payload": {"channel": "c", "data": 1}},
        {"type": "nope", "id": "wrong"},
        {"type": "batch", "id": "nested", "payload": {"messages": []}},
        {"type": "publish", "payload": {"channel": "c", "data": 2}},
    ]
    await ada.send("batch", {"messages": inner})
    assert await ada.published(2) == [1, 2]
    errors = [m for m in ada.heard if m["type"] == "error"]
    assert [(e["reply_to"], e["payload"]["code"]) for e in errors] == [
        ("wrong", "unknown_type"),
        ("nested", "invalid_message"),
    ]
