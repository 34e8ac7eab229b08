"""Batches: of a client, of a channel, and of both."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.core.batch_buffer import Batch
from rtmon.hub import ChannelOptions

Place = Any


async def test_client_receives_batches_of_its_size_and_delay(place: Place) -> None:
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
    assert await ada.published(1) == [9]


@pytest.mark.parametrize("over", ["websocket-json", "websocket-msgpack"])
async def test_channel_with_batches_sends_whole_messages_in_one(start: Any, over: str) -> None:
    """A channel's batches are the same for all subscribers; a new subscriber gets only later
    messages.
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


async def test_batch_never_holds_a_batch(start: Any) -> None:
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


async def test_hub_answers_each_message_of_a_client_batch(place: Place) -> None:
    """Each message of a batch is handled and answered by itself; a batch inside one is refused."""
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
