"""What is published through Redis, delivered on this node in order, and caught up with."""

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
from .redis_bodies import decode_draft, decode_note
from .redis_message import NodeMessage
from .redis_waiting import Waiting

__all__ = ["Delivery", "milliseconds"]

logger = logging.getLogger("rtmon.hub")

_AT_ONCE = 100
"""Channels that are caught up with at once."""


class _Held:
    """A channel that has subscribers on this node.

    Attributes:
        count: how often it is held.
        offset: of the last publication delivered here; None until its position is known.
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
        seq: publications of all channels so far.
        recovery: the channel's.
        places: the number of each of its publications among those of all channels.
    """

    seq: int
    recovery: Recovery
    places: list[int]


class Delivery:
    """Delivers what all nodes publish, and fills what this node missed from the histories.

    Args:
        call: runs a script that looks whether Redis is as this node knows it.
        node: the name of this node.
        forget: seconds for which the position of an unused channel is kept.
        unavailable: makes the error for calls that wait when Redis goes away.

    Attributes:
        deliver, events: see :meth:`.Broker.attach`.
        epoch: the life of Redis, as far as this node knows.
        seq: the number of the last publication that this node has seen in it.
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
        self._waiting = Waiting(unavailable)
        self._ignored = LogLimit()
        self._unreadable = LogLimit()

    @property
    def ignored(self) -> int:
        """Messages on the nodes' channel that could not be used."""
        return self._ignored.count

    # Channels with subscribers

    def hold(self, key: str) -> None:
        """Keep the position of a channel."""
        self._held.setdefault(key, _Held()).count += 1

    def release(self, key: str) -> None:
        """Undo one :meth:`hold`."""
        held = self._held[key]
        held.count -= 1
        if held.count == 0:
            del self._held[key]

    def entered(self, key: str, offset: int, age: float) -> None:
        """Note the position of a channel, if it is held."""
        held = self._held.get(key)
        if held is not None:
            held.age = age
            if held.offset is None:
                held.offset = offset

    async def keep_held(self) -> None:
        """Have Redis keep the positions of the channels that are held here."""
        for keys in _chunks(list(self._held)):
            await asyncio.gather(*[self._touch(key) for key in keys])

    async def _touch(self, key: str) -> None:
        held = self._held.get(key)
        if held is not None:
            await self._past(key, None, held.age)

    # Messages of nodes

    async def message(self, data: bytes) -> None:
        """Deliver what a node has published; what no node can have published is ignored."""
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
            # While nodes are replaced one by one, some say what others do not know yet.
            self._ignore("A message that this version cannot use", error)

    def _ignore(self, what: str, why: object) -> None:
        more = self._ignored.take(asyncio.get_running_loop().time())
        if more is not None:
            logger.warning("%s came through Redis and was ignored: %s%s", what, why, more)

    def _tell(self, message: NodeMessage) -> None:
        note = decode_note(message.body)
        if self.events is not None:
            self.events.note(message.key, note, message.number)

    async def _publication(self, message: NodeMessage) -> None:
        if message.epoch != self.epoch or message.seq > self.seq + 1:
            return  # Redis, asked just now, knows of no such publication
        in_turn = message.seq == self.seq + 1
        held = self._held.get(message.key)
        offset = None if held is None else held.offset
        if held is None or offset is None:
            new = in_turn
        elif message.number > offset + 1:
            # Offsets are dense. Redis is asked, because any client of Redis can forge.
            past = await self._past(message.key, (self.epoch, offset), held.age)
            if past.recovery.offset < message.number:
                self._ignore("A forged message", f"{message.key} has no such offset yet")
                return
            new = in_turn
        else:
            # What is not new came out of the history before.
            new = message.number == offset + 1
        if in_turn:
            self.seq = message.seq
        if new:
            self._hand_over(message)
        self._waiting.advance(self.seq)

    def _hand_over(self, message: NodeMessage) -> None:
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
        """Decode what was published; None if it cannot be sent to clients of this version."""
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
        """Fetch a channel's history.

        Returns:
            The number of publications in all channels so far, and the channel's history.
        """
        past = await self._past(key, since, age)
        return past.seq, past.recovery

    async def _past(self, key: str, since: tuple[str, int] | None, age: float) -> _Past:
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
        # Offsets are dense: nothing is missing if as many are here as were counted.
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
        """Deliver what was published since the last message; where it is lost, say so."""
        epoch_, seq, base = await self._call("sync")
        epoch, before, last = epoch_.decode(), self.epoch, self.seq
        if before and (before, last) != (epoch, seq):
            self.fail_waiting()  # what they wait for may be among what was missed
            if before == epoch:
                if await self._fill(epoch, last, seq) < seq - last and self.events is not None:
                    self.events.gap(None, epoch, 0)
            else:
                await self._begin_anew(epoch, base)
        self.epoch, self.seq = epoch, seq
        self._waiting.advance(self.seq)

    async def _fill(self, epoch: str, after: int, upto: int) -> int:
        """Deliver what the history has of all held channels. Returns how much was missed of it."""
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
        """Say that all is lost, then deliver a new life of Redis from its start.

        Args:
            epoch: of the new life.
            base: publications of lives before it; a copy that was restored still has them.
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
                # Clients take nothing that is not behind the position that the gap names.
                lost = new[0].offset - 1 if new else recovery.offset
                self._resume(key, recovery, new, lost=lost)

    def _resume(
        self, key: str, recovery: Recovery, missed: list[Published], *, lost: int | None
    ) -> None:
        held = self._held.get(key)
        if held is None:
            return
        if lost is not None and self.events is not None:
            self.events.gap(key, recovery.epoch, lost)
        for published in missed:
            if self.deliver is not None:
                self.deliver(key, published)
        held.offset = recovery.offset

    # Waiting until something is delivered

    async def reach(self, epoch: str, seq: int) -> None:
        """Wait until all up to a publication has been delivered here.

        Raises:
            ProtocolError: Redis has gone away.
        """
        if epoch == self.epoch and seq <= self.seq:
            return
        await self._waiting.reach(seq)
        if epoch != self.epoch:
            raise self._unavailable()

    def fail_waiting(self) -> None:
        """Fail the calls that wait, because Redis has gone away."""
        self._waiting.fail()


def milliseconds(seconds: float) -> int:
    """Convert a time for the scripts: 0 is for ever."""
    return 0 if math.isinf(seconds) else max(1, int(seconds * 1000))


def _chunks(keys: list[str]) -> list[list[str]]:
    return [keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE)]
