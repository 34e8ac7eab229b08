"""Replay of history to a client that subscribes, tested without a hub."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.errors import ProtocolError
from rtmon.hub.broadcast import Broadcast
from rtmon.hub.brokers.base import Recovery
from rtmon.hub.connection import Connection
from rtmon.hub.connection_registry import ConnectionRegistry
from rtmon.hub.history_recovery import HistoryReplay
from rtmon.hub.hub_context import HubContext
from rtmon.protocol.catalog import Position
from tests.hub.parts.building import make_connection, make_context, publication, received

KEY = "channel:news"


class Rig:
    """A history replay with a memory broker, and the connection that subscribes."""

    def __init__(self, **options: Any) -> None:
        self.context: HubContext = make_context(**options)
        self.registry = ConnectionRegistry()
        self.broadcast = Broadcast(self.context, self.registry)
        self.context.broker.attach(self.broadcast.deliver)
        self.replay = HistoryReplay(self.context, self.broadcast)
        self.connection: Connection = make_connection(self.context, self.registry)
        self.answers: list[Recovery] = []

    async def publish(self, data: Any) -> Position:
        """Publish to the channel, and return the position."""
        draft = self.context.messages.draft("publication", channel="news", data=data)
        size, age = self.context.history_bounds(KEY)
        receipt = await self.context.broker.publish(KEY, draft, size=size, age=age)
        return Position(epoch=receipt.epoch, offset=receipt.offset)

    async def enter(self, since: Position | None) -> None:
        """Subscribe the connection to the channel from a position."""
        await self.replay.enter(
            self.connection,
            KEY,
            since,
            add=lambda: self.registry.subscriptions.add(self.connection, "news"),
            answer=self.answers.append,
        )

    def data(self) -> list[Any]:
        """Return the data of the publications received since the last call."""
        return [message["payload"]["data"] for message in received(self.connection)]


async def test_replay_sends_missed_publications_then_live_ones() -> None:
    """Replay sends the publications after the client's position, then live ones, each once and
    in order.
    """
    rig = Rig()
    since = await rig.publish(0)
    for number in (1, 2):
        await rig.publish(number)
    await rig.enter(since)
    await rig.publish(3)
    assert rig.data() == [1, 2, 3]
    assert [answer.recovered for answer in rig.answers] == [True]


async def test_replay_reports_not_recovered_when_history_is_incomplete() -> None:
    """Replay reports ``recovered=False`` when the client missed two publications and history
    keeps only the latest.
    """
    rig = Rig(history=1)
    since = await rig.publish(0)
    for number in (1, 2):
        await rig.publish(number)
    await rig.enter(since)
    assert rig.data() == [2]
    assert [answer.recovered for answer in rig.answers] == [False]


async def test_replay_sends_a_publication_that_arrives_during_the_reply_once() -> None:
    """Replay sends the missed publication first, then, once only, a publication that arrives while
    the client is being answered.
    """
    rig = Rig()
    since = await rig.publish(0)
    await rig.publish(1)

    def answer(recovery: Recovery) -> None:
        live = publication(rig.context, recovery.offset + 1, 2)
        rig.broadcast.deliver(KEY, live)

    await rig.replay.enter(
        rig.connection,
        KEY,
        since,
        add=lambda: rig.registry.subscriptions.add(rig.connection, "news"),
        answer=answer,
    )
    assert rig.data() == [1, 2]


async def test_replay_refuses_a_position_above_the_latest_offset() -> None:
    """Replay raises ``invalid_position`` for an offset that was never published, and does not
    subscribe the client.
    """
    rig = Rig()
    at = await rig.publish(0)
    with pytest.raises(ProtocolError) as refused:
        await rig.enter(Position(epoch=at.epoch, offset=at.offset + 1))
    assert refused.value.code == "invalid_position"
    await rig.publish(1)
    assert rig.data() == []


async def test_replay_does_not_subscribe_a_connection_that_has_ended() -> None:
    """Replay raises ``unknown_client`` and subscribes nothing when the connection has already
    ended.
    """
    rig = Rig()
    rig.connection.end()
    with pytest.raises(ProtocolError) as refused:
        await rig.enter(None)
    assert refused.value.code == "unknown_client"
    assert not rig.registry.subscriptions.has(rig.connection, "news")
