"""Who gets what is published, and the handing over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from ..core.backpressure import Policy
from ..core.batching import Batcher
from ..core.timers import Alarm
from ..errors import ProtocolError
from ..protocol import limits
from ..protocol.catalog import Publication
from ..protocol.envelope import Message
from .brokers.base import Published
from .callbacks import Callback, Listener
from .channels import Rooms, Subscriptions, matches
from .encoding import Outgoing, OutgoingBatch
from .options import ChannelOptions, HubOptions
from .places import CHAT, channel_key, room_key, to_message
from .receivers import Outlet, Outlets
from .stats import ChannelStats, StatsTable
from .transports.base import PUBLISHERS_SHARE

if TYPE_CHECKING:
    from .connection import Session

__all__ = ["Audience", "CatchUp"]


class CatchUp:
    """What is published to a place while a newcomer gets its history."""

    def __init__(self) -> None:
        self._outgoing: list[tuple[int, Outgoing]] = []
        self._lost = False

    def add(self, offset: int, outgoing: Outgoing) -> None:
        """Something was published meanwhile."""
        if len(self._outgoing) < limits.CATCHING_UP:
            self._outgoing.append((offset, outgoing))
        else:
            self._lost = True

    def take(self, offset: int) -> list[Outgoing]:
        """What came since the last look and is not in the history up to an offset.

        Raises:
            ProtocolError: it is too much.
        """
        if self._lost:
            raise ProtocolError(
                "overloaded", "Too much was published meanwhile: try again.", retry=True
            )
        taken, self._outgoing = self._outgoing, []
        return [outgoing for at, outgoing in taken if at > offset]


class Audience:
    """Everybody connected, the rooms they are in and the channels they subscribe to.

    Args:
        options: the hub's.

    Attributes:
        options: the same; may be replaced while running.
    """

    def __init__(self, options: HubOptions) -> None:
        self.options = options
        self.sessions: dict[str, Session] = {}
        self.rooms: Rooms[Session] = Rooms()
        self.channels: Subscriptions[Session] = Subscriptions()
        self.listeners: Subscriptions[Listener] = Subscriptions()
        self.stats = StatsTable(limits.CHANNELS_KEPT)
        self._outlets = Outlets(self.stats, capacity=limits.CHANNELS_KEPT)
        self._catching_up: dict[str, list[CatchUp]] = {}
        self._batches: dict[str, tuple[Batcher[Outgoing], Alarm]] = {}
        # Held by those who publish there, or wait to.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def receivers(self, key: str) -> Collection[Session]:
        """The connections that get what is published under a key."""
        if key == CHAT:
            return self.sessions.values()
        kind, _, name = key.partition(":")
        return self.rooms.members(name) if kind == "room" else self.channels.receivers(name)

    def count(self, key: str) -> int:
        """How many these are."""
        return len(self.receivers(key))

    def changed(self, key: str) -> None:
        """Somebody came to a place, or went."""
        self.stats[key].subscribers = self.count(key)
        self._outlets.changed(key)

    def forget(self, session: Session) -> None:
        """Somebody is gone."""
        self._outlets.forget(session)

    def regroup(self, session: Session) -> None:
        """Somebody wants messages in batches of their own, or no longer."""
        self._outlets.regroup(session)

    def counted(self, limit: int | None = None) -> dict[str, ChannelStats]:
        """All stats, or those of the busiest places, with the subscribers that there are now."""
        stats = self.stats.as_dict() if limit is None else self.stats.busiest(limit)
        for key, each in stats.items():
            each.subscribers = self.count(key)
        return stats

    def rule(self, key: str) -> ChannelOptions | None:
        """What is set up for the channel; None for rooms, the chat, and all other channels."""
        if not key.startswith("channel:"):
            return None
        name = key.removeprefix("channel:")
        rules = self.options.channels
        return next((rule for pattern, rule in rules.items() if matches(pattern, name)), None)

    def policy(self, key: str, asked: Policy | None = None) -> Policy:
        """What is given up for those who read too slowly."""
        rule = self.rule(key)
        return asked or (rule and rule.slow) or self.options.slow

    @contextlib.asynccontextmanager
    async def room(self, key: str) -> AsyncIterator[None]:
        """Wait until everybody who gets what is published under a key has room for more.

        Until the context is left, nobody else finds that there is room: what is published in it
        may take a while to arrive, and must have done so before the next publisher looks.
        """
        async with self._turns.setdefault(key, asyncio.Lock()):
            while True:
                # What waits for the end of the turn is in nobody's buffer yet.
                self._outlet(key).flush()
                peers = [session.peer for session in self.receivers(key)]
                full = next((peer for peer in peers if not peer.has_room(PUBLISHERS_SHARE)), None)
                if full is None:
                    break
                await full.room()
            yield

    def listen(self, channel: str, callback: Callback) -> Listener:
        """Have a function called with what is published to a channel or pattern."""
        listener = Listener(channel, callback, self.listeners.drop)
        self.listeners.add(listener, channel)
        return listener

    def catch_up(self, key: str) -> CatchUp:
        """Hold back what is published under a key, for somebody who is about to be added."""
        held = CatchUp()
        self._catching_up.setdefault(key, []).append(held)
        return held

    def caught_up(self, key: str, held: CatchUp) -> None:
        """Once for each :meth:`catch_up`."""
        waiting = self._catching_up[key]
        waiting.remove(held)
        if not waiting:
            del self._catching_up[key]

    def deliver(self, key: str, published: Published) -> None:
        """Hand what was published to all who get it; nobody's trouble is anybody else's."""
        message, draft = to_message(published), published.draft
        policy = self.policy(key, draft.slow)
        outgoing = Outgoing(message, policy=policy, key=(key, draft.key))
        for held in self._catching_up.get(key, ()):
            held.add(published.offset, outgoing)
        rule = self.rule(key)
        if rule is not None and rule.batch is not None:
            self._collect(key, outgoing, rule)
        else:
            self.flush(key)  # collected under a rule that no longer holds
            silent = None if draft.echo else self.sessions.get(draft.client_id or "")
            self._outlet(key).deliver(outgoing, skip=silent)
        if isinstance(message.payload, Publication):
            for listener in list(self.listeners.receivers(message.payload.channel)):
                listener.notify(message.payload)

    def tell(self, key: str, message: Message, *, skip: Session | None = None) -> None:
        """Tell all who get what is published under a key something that is not published there.

        It goes the way of publications, in order with them; it is not counted as one, has no
        position, is not kept, and is not dropped for those who read too slowly.
        """
        self._outlet(key).deliver(Outgoing(message, count=0), skip=skip)

    def _collect(self, key: str, outgoing: Outgoing, rule: ChannelOptions) -> None:
        found = self._batches.get(key)
        if found is None:
            size, delay = (rule.batch.size, rule.batch.delay) if rule.batch else (1, 0.0)
            batcher: Batcher[Outgoing] = Batcher(size=size, delay=delay)
            found = self._batches[key] = (batcher, Alarm(lambda: self.flush(key)))
        batcher, alarm = found
        # The alarm keeps the time, the batcher only counts.
        full = batcher.add(outgoing, now=0.0)
        if full:
            self._hand_over(key, full)
        else:
            alarm.set(batcher.delay)

    def flush(self, key: str) -> None:
        """Hand over what is collected for a channel: before somebody is added or removed."""
        found = self._batches.pop(key, None)
        if found is not None:
            found[1].cancel()
            collected = found[0].take()
            if collected:
                self._hand_over(key, collected)

    def _hand_over(self, key: str, collected: list[Outgoing]) -> None:
        for batch in OutgoingBatch.fitting(collected):
            self._outlet(key).deliver(batch)

    def _outlet(self, key: str) -> Outlet:
        return self._outlets.of(key, self.receivers(key), self.channels.version)

    def flush_matching(self, pattern: str) -> None:
        """The same for all channels that a pattern stands for."""
        for key in list(self._batches):
            if matches(pattern, key.removeprefix("channel:")):
                self.flush(key)

    def places(self, session: Session) -> list[str]:
        """The keys of all places where somebody is present."""
        rooms = [room_key(room) for room in self.rooms.rooms(session)]
        channels = [channel_key(n) for n in self.channels.names(session) if "*" not in n]
        return [CHAT, *rooms, *channels]
