"""Delivery of publications from Redis on this node, in order, and recovery of missed ones."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from ...core.log_rate_limit import LogLimit
from ...errors import ProtocolError
from .base import BrokerEvents, Draft, Published, Recovery
from .redis_encoding import decode_draft, decode_note
from .redis_message_parsing import NodeMessage
from .redis_publish_waiters import PublishWaiters

__all__ = ["RedisDelivery", "milliseconds"]

logger = logging.getLogger("rtmon.hub")

_AT_ONCE = 100
"""Number of channels that are recovered at the same time."""


class _Held:
    """A channel that has subscribers on this node.

    Attributes:
        count: number of calls of ``hold`` that were not undone.
        offset: offset of the last publication delivered on this node; None until known.
        age: seconds for which its publications are kept.
    """

    __slots__ = ("age", "count", "offset")

    def __init__(self) -> None:
        self.count = 0
        self.offset: int | None = None
        self.age = 0.0


class _Past(NamedTuple):
    """A channel's history in Redis.

    Attributes:
        seq: number of publications in all channels so far.
        recovery: the channel's position and publications.
        places: for each publication, its number among the publications of all channels.
    """

    seq: int
    recovery: Recovery
    places: list[int]


class RedisDelivery:
    """Delivers the publications of all nodes, and reads missed ones from the histories in Redis.

    Args:
        call: runs a script that first checks whether Redis has lost data.
        node: name of this node.
        forget: seconds for which the position of an unused channel is kept.
        unavailable: returns the error for waiting calls when Redis becomes unreachable.

    Attributes:
        deliver, events: the callbacks of :meth:`.Broker.attach`.
        epoch: id of the lifetime of the data in Redis. It changes if Redis loses its data.
        seq: number of the last publication in this epoch that this node has seen.
    """

    def __init__(
        self,
        call: Callable[..., asyncio.Future[Any]],
        node: str,
        *,
        forget: float,
        unavailable: Callable[[], ProtocolError],
    ) -> None:
        self.deliver: Callable[[str, Published], None] | None = None
        self.events: BrokerEvents | None = None
        self.epoch = ""
        self.seq = 0
        self._call = call
        self._node = node
        self._forget = forget
        self._unavailable = unavailable
        self._held: dict[str, _Held] = {}
        self._waiting = PublishWaiters(unavailable)
        self._ignored = LogLimit()
        self._unreadable = LogLimit()

    @property
    def ignored(self) -> int:
        """Number of messages from other nodes that could not be used."""
        return self._ignored.count

    # Channels with subscribers

    def hold(self, key: str) -> None:
        """Keep the position of a channel that has a subscriber on this node."""
        self._held.setdefault(key, _Held()).count += 1

    def release(self, key: str) -> None:
        """Undo one call of :meth:`hold`, because one subscriber has left the channel."""
        held = self._held[key]
        held.count -= 1
        if held.count == 0:
            del self._held[key]

    def entered(self, key: str, offset: int, age: float) -> None:
        """Record the position of a held channel, and how long its publications are kept."""
        held = self._held.get(key)
        if held is not None:
            held.age = age
            if held.offset is None:
                held.offset = offset

    async def keep_held(self) -> None:
        """Extend the lifetime, in Redis, of the positions of channels with subscribers here."""
        for keys in _chunks(list(self._held)):
            await asyncio.gather(*[self._touch(key) for key in keys])

    async def _touch(self, key: str) -> None:
        """Extend the lifetime of one channel's position in Redis."""
        held = self._held.get(key)
        if held is not None:
            await self._past(key, None, held.age)

    # Messages from nodes

    async def message(self, data: bytes) -> None:
        """Process a message that a node has published.

        Messages that are malformed, forged or of unknown types are ignored.
        """
        try:
            message = NodeMessage.parse(data)
        except ValueError as error:
            self._ignore("A malformed message", error)
            return
        known = message.epoch == self.epoch and message.seq <= self.seq + message.published
        if not known:
            await self.catch_up()
        try:
            if not message.published:
                self._tell(message)
            else:
                await self._publication(message)
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError) as error:
            # During a rolling upgrade, newer nodes send message types that older ones do not know.
            self._ignore("A message that this version cannot use", error)

    def _ignore(self, what: str, why: object) -> None:
        """Count a message that cannot be used, and log the reason at a limited rate."""
        more = self._ignored.take(asyncio.get_running_loop().time())
        if more is not None:
            logger.warning("%s came through Redis and was ignored: %s%s", what, why, more)

    def _tell(self, message: NodeMessage) -> None:
        """Pass a join, leave or other message without a position to the hub."""
        note = decode_note(message.body)
        if self.events is not None:
            self.events.note(message.key, note, message.number)

    async def _publication(self, message: NodeMessage) -> None:
        """Deliver a publication, unless it was already delivered from the history."""
        if message.epoch != self.epoch or message.seq > self.seq + 1:
            return  # forged, because catch_up() has just read the latest number
        in_turn = message.seq == self.seq + 1
        held = self._held.get(message.key)
        offset = None if held is None else held.offset
        if held is None or offset is None:
            new = in_turn
        elif message.number > offset + 1:
            # Offsets have no gaps, so publications in between were missed. Ask Redis whether this
            # offset exists: any client of Redis can forge a message.
            past = await self._past(message.key, (self.epoch, offset), held.age)
            if past.recovery.offset < message.number:
                self._ignore("A forged message", f"{message.key} has no such offset yet")
                return
            new = in_turn
        else:
            # A publication with a lower offset was already delivered from the history.
            new = message.number == offset + 1
        if in_turn:
            self.seq = message.seq
        if new:
            self._hand_over(message)
        self._waiting.advance(self.seq)

    def _hand_over(self, message: NodeMessage) -> None:
        """Deliver a publication to this node's clients, or report a gap if it cannot be decoded."""
        key, epoch, offset = message.key, message.epoch, message.number
        held = self._held.get(key)
        if held is not None:
            held.offset = offset
        draft = self._decoded(message.body)
        if draft is None:
            if self.events is not None:
                self.events.gap(key, epoch, offset)
        elif self.deliver is not None:
            self.deliver(key, Published(epoch=epoch, offset=offset, draft=draft))

    def _decoded(self, body: bytes) -> Draft | None:
        """Decode a publication; None if this version of rtmon cannot decode it."""
        try:
            return decode_draft(body)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            more = self._unreadable.take(asyncio.get_running_loop().time())
            if more is not None:
                logger.warning("What another server published cannot be read: %s%s", error, more)
            return None

    # Catching up

    async def history(
        self, key: str, since: tuple[str, int] | None, age: float
    ) -> tuple[int, Recovery]:
        """Return a channel's history from Redis.

        Args:
            key: key of the channel.
            since: epoch and offset of a returning client; None for the current position only.
            age: seconds for which the channel's publications are kept.

        Returns:
            The number of publications in all channels so far, and the channel's history.
        """
        past = await self._past(key, since, age)
        return past.seq, past.recovery

    async def _past(self, key: str, since: tuple[str, int] | None, age: float) -> _Past:
        """Read a channel's history from Redis."""
        asked, from_ = since or ("", 0)
        epoch_, seq, offset, elsewhere, found = await self._call(
            "recover",
            key,
            milliseconds(age),
            milliseconds(max(age, self._forget)),
            self._node,
            asked,
            from_,
        )
        epoch = epoch_.decode()
        published, places = [], []
        for at, place, body in zip(found[::3], found[1::3], found[2::3], strict=True):
            draft = self._decoded(body)
            if draft is not None:
                published.append(Published(epoch=epoch, offset=at, draft=draft))
                places.append(place)
        # Offsets have no gaps, so the count shows whether a publication is missing.
        whole = asked == epoch and len(published) == offset - from_
        recovery = Recovery(
            epoch=epoch,
            offset=offset,
            published=published,
            recovered=None if since is None else whole,
            elsewhere=elsewhere,
        )
        return _Past(seq, recovery, places)

    async def catch_up(self) -> None:
        """Deliver the publications that this node has missed. Report a gap for lost ones."""
        epoch_, seq, base = await self._call("sync")
        epoch, before, last = epoch_.decode(), self.epoch, self.seq
        if before and (before, last) != (epoch, seq):
            self.fail_waiting()  # the callers wait for publications that may be lost
            if before == epoch:
                if await self._fill(epoch, last, seq) < seq - last and self.events is not None:
                    self.events.gap(None, epoch, 0)
            else:
                await self._begin_anew(epoch, base)
        self.epoch, self.seq = epoch, seq
        self._waiting.advance(self.seq)

    async def _fill(self, epoch: str, after: int, upto: int) -> int:
        """Deliver missed publications of held channels from the histories.

        Args:
            epoch: the current epoch.
            after: number of the last publication that this node has seen.
            upto: number of the latest publication in Redis.

        Returns:
            The number of missed publications found in the histories.
        """
        found = 0
        for keys in _chunks(list(self._held)):
            known = [
                (key, held.offset, held.age)
                for key in keys
                if (held := self._held.get(key)) is not None and held.offset is not None
            ]
            pasts = await asyncio.gather(
                *[self._past(key, (epoch, offset), age) for key, offset, age in known]
            )
            for (key, *_), (_, recovery, places) in zip(known, pasts, strict=True):
                found += sum(after < place <= upto for place in places)
                lost = None if recovery.recovered else recovery.offset
                self._resume(key, recovery, recovery.published, lost=lost)
        return found

    async def _begin_anew(self, epoch: str, base: int) -> None:
        """Report that all earlier publications are lost, then deliver the new epoch from its start.

        Args:
            epoch: the new epoch.
            base: number of publications in earlier epochs. A restored backup of Redis still has
                them.
        """
        if self.events is not None:
            self.events.gap(None, epoch, 0)
        for keys in _chunks(list(self._held)):
            known = [
                (key, held.age)
                for key in keys
                if (held := self._held.get(key)) is not None and held.offset is not None
            ]
            pasts = await asyncio.gather(*[self._past(key, (epoch, 0), age) for key, age in known])
            for (key, _), (_, recovery, places) in zip(known, pasts, strict=True):
                new = [
                    published
                    for published, place in zip(recovery.published, places, strict=True)
                    if place > base
                ]
                # Clients ignore publications up to the position in the gap message.
                lost = new[0].offset - 1 if new else recovery.offset
                self._resume(key, recovery, new, lost=lost)

    def _resume(
        self, key: str, recovery: Recovery, missed: list[Published], *, lost: int | None
    ) -> None:
        """Report a gap up to the offset ``lost``, unless it is None, then deliver ``missed``."""
        held = self._held.get(key)
        if held is None:
            return
        if lost is not None and self.events is not None:
            self.events.gap(key, recovery.epoch, lost)
        for published in missed:
            if self.deliver is not None:
                self.deliver(key, published)
        held.offset = recovery.offset

    # Waiting for delivery

    async def reach(self, epoch: str, seq: int) -> None:
        """Wait until this node has delivered the first ``seq`` publications of an epoch.

        Args:
            epoch: epoch of the publication.
            seq: number of the publication, counted over all channels.

        Raises:
            ProtocolError: Redis has become unreachable, or has begun a new epoch.
        """
        if epoch == self.epoch and seq <= self.seq:
            return
        await self._waiting.reach(seq)
        if epoch != self.epoch:
            raise self._unavailable()

    def fail_waiting(self) -> None:
        """Fail the calls that wait in :meth:`reach`, because Redis has become unreachable."""
        self._waiting.fail()


def milliseconds(seconds: float) -> int:
    """Convert seconds to milliseconds for the Redis scripts, where 0 means infinity."""
    return 0 if math.isinf(seconds) else max(1, int(seconds * 1000))


def _chunks(keys: list[str]) -> list[list[str]]:
    """Split a list of keys into parts, each of at most ``_AT_ONCE`` keys."""
    return [keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE)]
