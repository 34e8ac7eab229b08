"""The broker for several nodes: Redis keeps what they share, and carries it between them."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import math
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from ...core.backoff import Backoff
from ...core.option_checks import within
from ...errors import OptionError, ProtocolError
from ...protocol import limits
from ...protocol.outgoing import Member
from .base import (
    Broker,
    BrokerEvents,
    Draft,
    Note,
    Present,
    Published,
    Receipt,
    Recovery,
    client_key,
)
from .redis_connection import RedisConnection, unavailable
from .redis_members import Members
from .redis_notes import Notes, decode_note, encode_note

__all__ = ["RedisBroker"]

logger = logging.getLogger("rtmon.hub")

_DAY = 86_400.0

_AT_ONCE = 100
"""Channels that are caught up with at once."""

_BACKOFF = Backoff(base=0.1, max=5.0)


class _Held:
    """A channel that somebody here listens to.

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


class RedisBroker(Broker):
    """One of several nodes that share a Redis.

    All that is published reaches every node, in the order of each channel; what a node misses
    while it is cut off it takes from the history. Clients' connections stay while Redis is away.

    Args:
        url: ``redis://[user:password@]host:port/db``, ``rediss://…`` for TLS, or ``unix://path``.
        prefix: of all keys; nodes with the same one in the same database are one hub.
        timeout: seconds that an answer of Redis may take, and that it may be silent, until it
            counts as away.
        expires: seconds after which this node, if it is not heard of, is given up by others, and
            those who were connected to it are gone. It says that it lives three times as often.
        forget: seconds for which the position of a channel is kept that nobody uses.
        backoff: how long to wait between attempts to reach Redis again.
        clock: Unix seconds, the same on all nodes; Redis's own time if None.

    Attributes:
        node: this node among those that share the Redis.
        prefix: of all keys there.

    Raises:
        OptionError: an argument makes no sense.
        MissingExtra: redis-py is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "rtmon",
        timeout: float = 5.0,
        expires: float = 30.0,
        forget: float = _DAY,
        backoff: Backoff = _BACKOFF,
        clock: Callable[[], float] | None = None,
    ) -> None:
        within("timeout", timeout, 0.05, 3600.0)
        within("expires", expires, 0.1, _DAY)
        within("forget", forget, 0.1, 365 * _DAY)
        if not prefix or any(letter.isspace() for letter in prefix):
            raise OptionError(f"prefix is {prefix!r}: give a word without spaces.")
        self.node = secrets.token_hex(8)
        self.away: str | None = "Redis has not been reached yet"
        self._clock = clock
        self._forget = forget
        self._events: BrokerEvents | None = None
        self._deliver: Callable[[str, Published], None] | None = None
        self._epoch = ""
        self._seq = 0
        self._held: dict[str, _Held] = {}
        self._reached: list[tuple[int, int, str, asyncio.Future[None]]] = []
        self._waiters = 0
        self._next_touch = 0.0
        self._said_away = False
        self._connection = RedisConnection(
            url,
            prefix=prefix,
            timeout=timeout,
            interval=expires / 3,
            backoff=backoff,
            listener=self,
        )
        self.prefix = self._connection.prefix
        self._members = Members(self._call, self.node, expires=expires)
        self._notes = Notes(self._call_alive, self.node)

    def __repr__(self) -> str:
        return f"<RedisBroker {self._connection.where} {self.prefix} {self._connection.state}>"

    def attach(
        self, deliver: Callable[[str, Published], None], *, events: BrokerEvents | None = None
    ) -> None:
        self._deliver, self._events = deliver, events
        self._members.events = events

    async def start(self) -> None:
        self._connection.start()

    async def aclose(self) -> None:
        if self._connection.state == "up":
            # What was asked before is done before.
            with contextlib.suppress(ProtocolError):
                await self._members.depart()
        await self._connection.aclose()
        self._fail_waiting()

    # Publishing

    async def publish(
        self, key: str, draft: Draft, *, size: int, age: float, sender: str | None = None
    ) -> Receipt:
        await self._connection.ready()
        seen = "" if sender is None else f"{len(sender)}:{sender}:{draft.id}"
        epoch, seq, offset, duplicate = await self._call_alive(
            "publish",
            key,
            msgspec.msgpack.encode(draft),
            size if age > 0 else 0,
            _milliseconds(age),
            _milliseconds(max(age, self._forget)),
            seen,
            int(limits.DEDUPE_SECONDS * 1000),
        )
        if not duplicate:
            # Should the line end now, it is published all the same, and delivered later.
            with contextlib.suppress(ProtocolError):
                await self._reach(epoch.decode(), seq)
        return Receipt(epoch=epoch.decode(), offset=offset, duplicate=bool(duplicate))

    async def recover(self, key: str, *, since: tuple[str, int] | None, age: float) -> Recovery:
        await self._connection.ready()
        seq, recovery, _ = await self._history(key, since, age)
        await self._reach(recovery.epoch, seq)
        held = self._held.get(key)
        if held is not None:
            held.age = age
            if held.offset is None:
                held.offset = recovery.offset
        return recovery

    async def hold(self, key: str) -> None:
        self._held.setdefault(key, _Held()).count += 1

    async def release(self, key: str) -> None:
        held = self._held[key]
        held.count -= 1
        if held.count == 0:
            del self._held[key]

    # Who is there

    async def join(self, key: str, member: Member) -> int:
        self._connection.ensure()
        up = self._connection.linked or self._connection.state == "new"
        return await self._members.join(key, member, up=up)

    async def leave(self, key: str, client_id: str) -> int | None:
        return await self._members.leave(key, client_id, up=self._connection.linked)

    async def present(self, key: str, *, limit: int) -> Present:
        await self._connection.ready()
        count, *members = await self._call("present", key, limit)
        decoded = [msgspec.msgpack.decode(each, type=Member) for each in members if each]
        return Present(count=count, members=decoded)

    async def elsewhere(self, key: str) -> int:
        await self._connection.ready()
        count: int = await self._call("elsewhere", key, self.node)
        return count

    def send_note(self, key: str, note: Note) -> None:
        self._notes.send_note(key, note, up=self._connection.state == "up")

    async def has_client(self, client_id: str) -> bool:
        await self._connection.ready()
        return bool(await self._call("knows", client_id))

    async def send(self, client_id: str, note: Note) -> bool:
        await self._connection.ready()
        body = encode_note(note)
        return bool(await self._call_alive("send", client_id, client_key(client_id), body))

    # Of the line

    async def begin(self) -> None:
        """The line is there: find out what was missed."""
        await self._catch_up()
        await self._members.reconcile()
        self._notes.resume()
        self.away = None
        if self._said_away:
            self._said_away = False
            if self._events is not None:
                self._events.availability_changed(None)

    def ended(self, reason: str) -> None:
        """The line is gone."""
        self._fail_waiting()
        self.away = f"Redis at {self._connection.where} is away: {reason}"
        if not self._said_away:
            self._said_away = True
            if self._events is not None:
                self._events.availability_changed(self.away)

    async def beat(self) -> None:
        """Say that this node lives, give up those that do not, keep what is held here."""
        await self._members.beat()
        self._notes.resume()
        now = asyncio.get_running_loop().time()
        if now >= self._next_touch:
            self._next_touch = now + self._forget / 4
            await self.keep_held()

    async def keep_held(self) -> None:
        """Have Redis keep the positions of the channels that are held here."""
        for keys in _chunks(list(self._held)):
            await asyncio.gather(*[self._touch(key) for key in keys])

    async def _touch(self, key: str) -> None:
        held = self._held.get(key)
        if held is not None:
            await self._history(key, None, held.age)

    async def message(self, data: bytes) -> None:
        """A node has published this."""
        kind, epoch_, seq_, number, length, rest = data.split(b" ", 5)
        epoch, seq = epoch_.decode(), int(seq_)
        key, body = rest[: int(length)].decode(), rest[int(length) :]
        published = kind == b"p"
        if epoch != self._epoch or seq > self._seq + published:
            await self._catch_up()
        if not published:
            self._pass_on(key, body, int(number))
        elif epoch == self._epoch and seq == self._seq + 1:
            self._seq = seq
            self._hand_over(key, epoch, int(number), body)
            self._advance()

    # Inside

    def _call(self, script: str, *arguments: Any) -> asyncio.Future[Any]:
        now = -1 if self._clock is None else int(self._clock() * 1000)
        return self._connection.ask(script, self.prefix, now, *arguments)

    def _call_alive(self, script: str, *arguments: Any) -> asyncio.Future[Any]:
        """Call a script that looks whether Redis is as this node knows it."""
        return self._call(script, self._epoch, self._seq, secrets.token_hex(4), *arguments)

    def _pass_on(self, key: str, body: bytes, count: int) -> None:
        try:
            note = decode_note(body)
        except msgspec.MsgspecError as error:
            # While servers are replaced one by one, some know what others do not yet.
            logger.warning("What another server told was skipped: %s", error)
            return
        if self._events is not None:
            self._events.note(key, note, count)

    def _hand_over(self, key: str, epoch: str, offset: int, body: bytes) -> None:
        held = self._held.get(key)
        if held is not None:
            if held.offset is not None and offset <= held.offset:
                return  # it came out of the history
            held.offset = offset
        draft = _decoded(body)
        if draft is None:
            if self._events is not None:
                self._events.gap(key, epoch, offset)
        elif self._deliver is not None:
            self._deliver(key, Published(epoch=epoch, offset=offset, draft=draft))

    async def _history(
        self, key: str, since: tuple[str, int] | None, age: float
    ) -> tuple[int, Recovery, list[int]]:
        """What was published since, and the place of each among all publications."""
        asked, from_ = since or ("", 0)
        epoch_, seq, offset, elsewhere, found = await self._call_alive(
            "recover",
            key,
            _milliseconds(age),
            _milliseconds(max(age, self._forget)),
            self.node,
            asked,
            from_,
        )
        epoch = epoch_.decode()
        published, places = [], []
        for at, place, body in zip(found[::3], found[1::3], found[2::3], strict=True):
            draft = _decoded(body)
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
        return seq, recovery, places

    async def _catch_up(self) -> None:
        """Deliver what was published since the last message; where it is lost, say so."""
        epoch_, seq = await self._call_alive("sync")
        epoch, before, last = epoch_.decode(), self._epoch, self._seq
        if before and (before, last) != (epoch, seq):
            self._fail_waiting()  # what they wait for may be among what was missed
            found = await self._fill(before, last, seq)
            if (before != epoch or found < seq - last) and self._events is not None:
                self._events.gap(None, epoch, 0)
        self._epoch, self._seq = epoch, seq
        self._advance()

    async def _fill(self, epoch: str, after: int, upto: int) -> int:
        """Deliver what the history has of all held channels. Returns how much was missed of it."""
        found = 0
        for keys in _chunks(list(self._held)):
            known = [
                (key, held.offset, held.age)
                for key in keys
                if (held := self._held.get(key)) is not None and held.offset is not None
            ]
            histories = await asyncio.gather(
                *[self._history(key, (epoch, offset), age) for key, offset, age in known]
            )
            for (key, *_), (_, recovery, places) in zip(known, histories, strict=True):
                found += sum(after < place <= upto for place in places)
                self._resume(key, recovery)
        return found

    def _resume(self, key: str, recovery: Recovery) -> None:
        held = self._held.get(key)
        if held is None:
            return
        if not recovery.recovered and self._events is not None:
            self._events.gap(key, recovery.epoch, recovery.offset)
        for published in recovery.published:
            if self._deliver is not None:
                self._deliver(key, published)
        held.offset = recovery.offset

    async def _reach(self, epoch: str, seq: int) -> None:
        """Wait until all up to a publication has been delivered here.

        Raises:
            ProtocolError: Redis has gone away.
        """
        if self._connection.state == "away":
            raise unavailable()
        if epoch == self._epoch and seq <= self._seq:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters += 1
        heapq.heappush(self._reached, (seq, self._waiters, epoch, reached))
        await reached
        if epoch != self._epoch:
            raise unavailable()

    def _advance(self) -> None:
        waiting = self._reached
        while waiting and waiting[0][0] <= self._seq:
            reached = heapq.heappop(waiting)[-1]
            if not reached.done():
                reached.set_result(None)

    def _fail_waiting(self) -> None:
        waiting, self._reached = self._reached, []
        for *_, reached in waiting:
            if not reached.done():
                reached.set_exception(unavailable())
                reached.exception()


def _milliseconds(seconds: float) -> int:
    """As scripts take it: 0 for ever."""
    return 0 if math.isinf(seconds) else max(1, int(seconds * 1000))


def _decoded(body: bytes) -> Draft | None:
    """What was published; None if a node of another version did, and this one cannot read it."""
    try:
        return msgspec.msgpack.decode(body, type=Draft)
    except msgspec.MsgspecError as error:
        logger.warning("What another server published cannot be read: %s", error)
        return None


def _chunks(keys: list[str]) -> list[list[str]]:
    return [keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE)]
