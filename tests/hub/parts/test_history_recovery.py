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
    """A replay with a broker in memory, and the connection that enters a place."""

    def __init__(self, **options: Any) -> None:
        self.context: HubContext = make_context(**options)
        self.registry = ConnectionRegistry()
        self.broadcast = Broadcast(self.context, self.registry)
        self.context.broker.attach(self.broadcast.deliver)
        self.replay = HistoryReplay(self.context, self.broadcast)
        self.connection: Connection = make_connection(self.context, self.registry)
        self.answers: list[Recovery] = []

    async def publish(self, data: Any) -> Position:
        """Publish to the channel."""
        draft = self.context.messages.draft("publication", channel="news", data=data)
        size, age = self.context.history_bounds(KEY)
        receipt = await self.context.broker.publish(KEY, draft, size=size, age=age)
        return Position(epoch=receipt.epoch, offset=receipt.offset)

    async def enter(self, since: Position | None) -> None:
        """Enter the channel."""
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


async def test_replay_sends_what_was_missed_then_live_publications() -> None:
    """A client that returns gets each later publication once and in order."""
    rig = Rig()
    since = await rig.publish(0)
    for number in (1, 2):
        await rig.publish(number)
    await rig.enter(since)
    await rig.publish(3)
    assert rig.data() == [1, 2, 3]
    assert [answer.recovered for answer in rig.answers] == [True]


async def test_replay_says_so_when_the_history_is_incomplete() -> None:
    """With a history of one publication, two missed ones are not recovered."""
    rig = Rig(history=1)
    since = await rig.publish(0)
    for number in (1, 2):
        await rig.publish(number)
    await rig.enter(since)
    assert rig.data() == [2]
    assert [answer.recovered for answer in rig.answers] == [False]


async def test_replay_holds_back_publications_until_the_client_is_added() -> None:
    """A publication during the answer follows the missed ones, once."""
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


async def test_replay_refuses_position_when_it_was_never_reached() -> None:
    """The client is not added, and publications are no longer held back for it."""
    rig = Rig()
    at = await rig.publish(0)
    with pytest.raises(ProtocolError) as refused:
        await rig.enter(Position(epoch=at.epoch, offset=at.offset + 1))
    assert refused.value.code == "invalid_position"
    await rig.publish(1)
    assert rig.data() == []


async def test_replay_does_not_add_connection_when_it_has_ended() -> None:
    """A connection that ends during a replay gets no live publications."""
    rig = Rig()
    rig.connection.end()
    with pytest.raises(ProtocolError) as refused:
        await rig.enter(None)
    assert refused.value.code == "unknown_client"
    assert not rig.registry.subscriptions.has(rig.connection, "news")
