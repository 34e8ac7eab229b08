"""Broker for several nodes that share one Redis server."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from ...core.backoff import Backoff
from ...core.option_validation import within
from ...errors import OptionError, ProtocolError
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
    client_key,
)
from .node_messages import NODES
from .redis_address import RedisAddress
from .redis_announcements import RedisAnnouncements
from .redis_connection import RedisConnection, unavailable
from .redis_delivery import RedisDelivery, milliseconds
from .redis_encoding import encode_draft, encode_note
from .redis_presence import RedisPresence
from .sender_order import SenderOrder

__all__ = ["RedisBroker"]

_DAY = 86_400.0

_BACKOFF = Backoff(base=0.1, max=5.0)

_SENT_AGAIN = 10.0
"""Seconds within which a client resends a refused message. Until then, the client's later messages
are refused, too."""


_CLAIMED = 30.0
"""Seconds after which a reserved client id is released, if its node died before the welcome."""


class RedisBroker(Broker):
    """Broker of one node among several that share a Redis server.

    Each publication reaches every node, in the order of its channel. A node that was disconnected
    from Redis reads the missed publications from the history. While Redis cannot be reached, the
    connections of clients stay open.

    Args:
        url: ``redis://[user:password@]host:port/db``, ``rediss://…`` for TLS, or ``unix://path``.
        prefix: prefix of all keys in Redis. Nodes with the same prefix in the same database form
            one hub.
        timeout: seconds after which Redis counts as unreachable, if a reply or other traffic is
            missing.
        expires: seconds of silence after which other nodes consider this node dead, and announce
            that its clients have left. This node reports three times in this period that it is
            alive.
        forget: seconds for which the position of an unused channel is kept.
        backoff: delays between attempts to reconnect to Redis.
        clock: returns Unix seconds, the same on all nodes; None for the clock of Redis.

    Attributes:
        node: name of this node among the nodes that share the Redis server.
        prefix: prefix of all keys in Redis.

    Raises:
        OptionError: an argument has an invalid value.
        MissingExtra: redis-py is not installed.
    """

    shared = True

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
        self._next_touch = 0.0
        self._said_away = False
        self._order = SenderOrder(seconds=_SENT_AGAIN)
        self._connection = RedisConnection(
            RedisAddress.parse(url),
            prefix=prefix,
            timeout=timeout,
            interval=expires / 3,
            backoff=backoff,
            listener=self,
        )
        self.prefix = self._connection.prefix
        self._delivery = RedisDelivery(
            self._call_alive,
            self.node,
            forget=forget,
            unavailable=self._connection.unavailable,
        )
        self._members = RedisPresence(self._call, self.node, expires=expires)
        self._notes = RedisAnnouncements(self._call_alive, self.node)

    @property
    def ignored(self) -> int:
        """Number of messages from other nodes that were malformed, forged or of unknown types."""
        return self._delivery.ignored

    def __repr__(self) -> str:
        return f"<RedisBroker {self._connection.where} {self.prefix} {self._connection.state}>"

    def attach(
        self, deliver: Callable[[str, Published], None], *, events: BrokerEvents | None = None
    ) -> None:
        self._events = self._members.events = self._delivery.events = events
        self._delivery.deliver = deliver

    async def start(self) -> None:
        self._connection.start()

    async def aclose(self) -> None:
        if self._connection.state == "up":
            # Commands that were queued before are executed first.
            with contextlib.suppress(ProtocolError):
                await self._members.depart()
        await self._connection.aclose()
        self._delivery.fail_waiting()

    # Publishing

    async def publish(
        self, key: str, draft: Draft, *, size: int, age: float, sender: str | None = None
    ) -> PublishResult:
        if sender is None:
            return await self._publish(key, draft, size, age, "")
        order, clock = self._order, asyncio.get_running_loop().time
        if not order.admit(sender, draft.id, now=clock()):
            raise ProtocolError(
                "unavailable",
                "A message that you sent before this one was refused: send that again first, then "
                "this one, each with the same id.",
                retry=True,
            )
        seen = f"{len(sender)}:{sender}:{draft.id}"
        try:
            receipt = await self._publish(key, draft, size, age, seen)
        except ProtocolError:
            order.refused(sender, draft.id, now=clock())
            raise
        order.published(sender, draft.id, now=clock())
        return receipt

    async def _publish(
        self, key: str, draft: Draft, size: int, age: float, seen: str
    ) -> PublishResult:
        """Publish through Redis, and wait until the publication was delivered on this node.

        Raises:
            ProtocolError: Redis cannot be reached, or is full.
        """
        await self._connection.ready()
        wait = self._connection.full.take(asyncio.get_running_loop().time())
        if wait:
            raise unavailable(wait)
        epoch, seq, offset, duplicate = await self._call_alive(
            "publish",
            key,
            encode_draft(draft),
            size if age > 0 else 0,
            milliseconds(age),
            milliseconds(max(age, self._forget)),
            seen,
            int(limits.DEDUPE_SECONDS * 1000),
        )
        if not duplicate:
            # If the connection to Redis ends now, the publication has still succeeded. It is
            # delivered on this node after the reconnect.
            with contextlib.suppress(ProtocolError):
                await self._reach(epoch.decode(), seq)
        return PublishResult(epoch=epoch.decode(), offset=offset, duplicate=bool(duplicate))

    async def recover(self, key: str, *, since: tuple[str, int] | None, age: float) -> Recovery:
        await self._connection.ready()
        seq, recovery = await self._delivery.history(key, since, age)
        await self._reach(recovery.epoch, seq)
        self._delivery.entered(key, recovery.offset, age)
        return recovery

    async def _reach(self, epoch: str, seq: int) -> None:
        """Wait until this node has delivered the first ``seq`` publications of an epoch.

        Raises:
            ProtocolError: Redis cannot be reached.
        """
        if self._connection.state == "away":
            raise self._connection.unavailable()
        await self._delivery.reach(epoch, seq)

    async def hold(self, key: str) -> None:
        self._delivery.hold(key)

    async def release(self, key: str) -> None:
        self._delivery.release(key)

    # Presence

    async def join(self, key: str, member: Member) -> int:
        self._connection.ensure()
        up = self._connection.linked or self._connection.state == "new"
        return await self._members.join(key, member, up=up)

    async def leave(self, key: str, client_id: str) -> int | None:
        return await self._members.leave(key, client_id, up=self._connection.linked)

    async def present(self, key: str, *, limit: int) -> PresenceList:
        await self._connection.ready()
        count, *members = await self._call("present", key, limit)
        decoded = [msgspec.msgpack.decode(each, type=Member) for each in members if each]
        return PresenceList(count=count, members=decoded)

    async def elsewhere(self, key: str) -> int:
        await self._connection.ready()
        count: int = await self._call("elsewhere", key, self.node)
        return count

    def send_note(self, key: str, note: Note) -> None:
        up = self._connection.state == "up" and not self._connection.full.open
        self._notes.send_note(key, note, up=up)

    async def claim(self, client_id: str) -> bool:
        await self._connection.ready()
        return bool(await self._call("claim", client_id, self.node, milliseconds(_CLAIMED)))

    async def unclaim(self, client_id: str) -> None:
        if self._connection.linked:
            with contextlib.suppress(ProtocolError):
                await self._call("unclaim", client_id, self.node)

    async def has_client(self, client_id: str) -> bool:
        await self._connection.ready()
        return bool(await self._call("knows", client_id))

    async def send(self, client_id: str, note: Note) -> bool:
        await self._connection.ready()
        body = encode_note(note)
        return bool(await self._call_alive("send", client_id, client_key(client_id), body))

    async def tell_nodes(self, note: Note) -> list[str]:
        await self._connection.ready()
        living = await self._call_alive("nodes", NODES, encode_note(note))
        return [name for each in living if (name := each.decode()) != self.node]

    # Callbacks of the connection to Redis

    async def begin(self) -> None:
        """Deliver missed publications, and update presence in Redis.

        Called each time that the connection to Redis has been established.
        """
        await self._delivery.catch_up()
        await self._members.reconcile()
        self._notes.resume()
        self.away = None
        if self._said_away:
            self._said_away = False
            if self._events is not None:
                self._events.availability_changed(None)

    def ended(self, reason: str) -> None:
        """Fail waiting calls, and report that Redis cannot be reached.

        Called each time that the connection to Redis has ended.
        """
        self._delivery.fail_waiting()
        self.away = f"Redis at {self._connection.where} is away: {reason}"
        if not self._said_away:
            self._said_away = True
            if self._events is not None:
                self._events.availability_changed(self.away)

    async def beat(self) -> None:
        """Report to Redis that this node is alive, and remove dead nodes. Called periodically."""
        await self._members.beat()
        self._notes.resume(most=1 if self._connection.full.open else None)
        now = asyncio.get_running_loop().time()
        if now >= self._next_touch:
            self._next_touch = now + self._forget / 4
            await self.keep_held()

    async def keep_held(self) -> None:
        """Extend the lifetime of the positions of channels with subscribers on this node."""
        await self._delivery.keep_held()

    async def message(self, data: bytes) -> None:
        """Process a message that a node has published."""
        await self._delivery.message(data)

    # Internal

    def _call(self, script: str, *arguments: Any) -> asyncio.Future[Any]:
        """Run a script in Redis."""
        now = -1 if self._clock is None else int(self._clock() * 1000)
        return self._connection.ask(script, self.prefix, now, *arguments)

    def _call_alive(self, script: str, *arguments: Any) -> asyncio.Future[Any]:
        """Run a script that first checks whether Redis has lost data that this node knows of."""
        known = self._delivery
        return self._call(script, known.epoch, known.seq, secrets.token_hex(4), *arguments)
