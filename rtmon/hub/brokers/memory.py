"""Broker in memory, for a hub with a single node."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from ...protocol import limits
from ...protocol.catalog import Member
from .base import (
    Broker,
    BrokerEvents,
    Draft,
    Note,
    PresenceList,
    Published,
    PublishResult,
    Recovery,
)
from .deduplication import SeenIds
from .history import HistoryStore
from .memory_presence import PresenceStore

__all__ = ["MemoryBroker"]


class MemoryBroker(Broker):
    """Keeps histories and presence in memory. They are lost when the process ends.

    None of the methods suspends, so each call is one step of the event loop.

    Args:
        clock: returns monotonic seconds.
        channels: maximum number of channels without subscribers whose history is kept.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        channels: int = limits.CHANNELS_KEPT,
    ) -> None:
        self.epoch = secrets.token_hex(4)
        self._clock = clock
        self._deliver: Callable[[str, Published], None] | None = None
        self._events: BrokerEvents | None = None
        self._history: HistoryStore[Draft] = HistoryStore(epoch=self.epoch, channels=channels)
        self._seen: SeenIds[int] = SeenIds(
            seconds=limits.DEDUPE_SECONDS, capacity=limits.DEDUPE_IDS
        )
        self._presence = PresenceStore()

    def attach(
        self, deliver: Callable[[str, Published], None], *, events: BrokerEvents | None = None
    ) -> None:
        self._deliver = deliver
        self._events = events

    async def publish(
        self, key: str, draft: Draft, *, size: int, age: float, sender: str | None = None
    ) -> PublishResult:
        now = self._clock()
        if sender is not None:
            first = self._seen.get(sender, draft.id, now=now)
            if first is not None:
                return PublishResult(epoch=self.epoch, offset=first, duplicate=True)
        offset = self._history.append(key, draft, size=size, age=age, now=now)
        if sender is not None:
            self._seen.add(sender, draft.id, offset, now=now)
        if self._deliver is not None:
            self._deliver(key, Published(epoch=self.epoch, offset=offset, draft=draft))
        return PublishResult(epoch=self.epoch, offset=offset)

    async def recover(self, key: str, *, since: tuple[str, int] | None, age: float) -> Recovery:
        if since is None or since[0] != self.epoch:
            offset = self._history.offset(key)
            recovered = None if since is None else False
            return Recovery(epoch=self.epoch, offset=offset, published=[], recovered=recovered)
        past = self._history.since(key, since[1], age=age, now=self._clock())
        return Recovery(
            epoch=self.epoch,
            offset=past.offset,
            published=[
                Published(epoch=self.epoch, offset=offset, draft=draft)
                for offset, draft in past.items
            ],
            recovered=past.complete,
        )

    async def hold(self, key: str) -> None:
        self._history.pin(key)

    async def release(self, key: str) -> None:
        self._history.unpin(key)

    async def join(self, key: str, member: Member) -> int:
        return self._presence.join(key, member)

    async def leave(self, key: str, client_id: str) -> int:
        return self._presence.leave(key, client_id)

    async def present(self, key: str, *, limit: int) -> PresenceList:
        return PresenceList(
            count=self._presence.count(key), members=self._presence.members(key, limit=limit)
        )

    async def claim(self, client_id: str) -> bool:
        return not self._presence.has("chat", client_id)

    def send_note(self, key: str, note: Note) -> None:
        if self._events is not None:
            self._events.note(key, note, None)
