"""Presence in Redis: reports this node's clients, and removes the clients of dead nodes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from ...errors import ProtocolError
from ...protocol.catalog import Member
from .base import BrokerEvents, user_key

__all__ = ["RedisPresence"]

_BEATS = 3
"""Number of beats after a reconnect before this node may declare other nodes dead. When Redis is
reachable again, all nodes need time to report."""

_AT_ONCE = 200
"""Number of members added or removed at the same time."""


class RedisPresence:
    """Reports the members on this node to Redis, and removes the members of dead nodes.

    Each change is recorded in memory first, then in Redis: at once, or when Redis is reachable
    again.

    Args:
        call: runs a Lua script in Redis.
        node: name of this node.
        expires: seconds of silence after which other nodes consider this node dead.

    Attributes:
        events: is notified of members that leave or join because their node died or came back.
    """

    def __init__(
        self, call: Callable[..., asyncio.Future[Any]], node: str, *, expires: float
    ) -> None:
        self.events: BrokerEvents | None = None
        self._call = call
        self._node = node
        self._expires = int(expires * 1000)
        self._mine: dict[str, dict[str, bytes]] = {}
        self._unconfirmed: set[tuple[str, str]] = set()
        self._beats = 0

    async def join(self, key: str, member: Member, *, up: bool) -> int:
        """Add a member to a channel. Returns the number of members on all nodes.

        If Redis cannot be reached, the number counts this node only.

        Args:
            key: key of the channel.
            member: the member.
            up: True if Redis can be reached.
        """
        body = msgspec.msgpack.encode(member)
        self._mine.setdefault(key, {})[member.client_id] = body
        self._unconfirmed.add((key, member.client_id))
        if up:
            with contextlib.suppress(ProtocolError):
                return await self._add(key, member.client_id, body)
        return len(self._mine.get(key, ()))

    async def leave(self, key: str, client_id: str, *, up: bool) -> int | None:
        """Remove a member from a channel. Returns the number of remaining members; None if unknown.

        Args:
            key: key of the channel.
            client_id: id of the member.
            up: True if Redis can be reached.
        """
        mine = self._mine.get(key, {})
        mine.pop(client_id, None)
        self._unconfirmed.discard((key, client_id))
        if not mine:
            self._mine.pop(key, None)
        if up:
            with contextlib.suppress(ProtocolError):
                count: int = await self._call("leave", key, client_id, self._node)
                return count
        return None

    async def reconcile(self) -> None:
        """Make Redis list exactly the members on this node, after a reconnect."""
        self._beats = 0
        buried, _, _ = await self._beat()
        await self._restore(told=bool(buried))

    async def beat(self) -> None:
        """Report that this node is alive, and remove the members of dead nodes."""
        self._beats += 1
        buried, unknown, dying = await self._beat()
        if buried or unknown:
            # Other nodes considered this node dead, or Redis has lost its data.
            await self._restore(told=bool(buried))
        else:
            # Redis may lack some members of this node, because it was full when they joined.
            await self._insist(
                [(*each, self._mine[each[0]][each[1]]) for each in self._unconfirmed]
            )
        for node in dying:
            await self._bury(node)

    async def depart(self) -> None:
        """Remove all members on this node from Redis, because the node stops."""
        self._mine.clear()
        self._unconfirmed.clear()
        await self._restore(told=False)
        await self._call("depart", self._node)

    async def _beat(self) -> tuple[int, int, list[bytes]]:
        """Report that this node is alive.

        Returns:
            A triple: 1 if other nodes had declared this node dead, else 0; 1 if Redis did not know
            this node, else 0; and the names of dead nodes.
        """
        judge = int(self._beats >= _BEATS)
        buried, unknown, dying = await self._call("beat", self._node, self._expires, judge)
        return buried, unknown, dying

    async def _add(self, key: str, client_id: str, body: bytes) -> int:
        """Add a member in Redis. Returns the number of members on all nodes."""
        count: int = await self._call("join", key, client_id, self._node, body)
        self._confirm(key, client_id, body)
        return count

    def _confirm(self, key: str, client_id: str, body: bytes) -> None:
        """Record that Redis lists a member, unless the member has changed meanwhile."""
        if self._is_here(key, client_id, body):
            self._unconfirmed.discard((key, client_id))

    def _is_here(self, key: str, client_id: str, body: bytes) -> bool:
        """Return whether a member is still in a channel, with unchanged info."""
        return self._mine.get(key, {}).get(client_id) is body

    async def _restore(self, *, told: bool) -> None:
        """Make Redis list exactly the members on this node.

        Args:
            told: True if other nodes have announced these members as left, so that they must be
                announced as joined again.
        """
        known = set(await self._call("mine", self._node))
        wanted = {
            f"{client_id} {key}".encode(): (key, client_id, body)
            for key, members in self._mine.items()
            for client_id, body in members.items()
        }
        gone = [each.decode().partition(" ") for each in known - wanted.keys()]
        # Check again before each request: members may join or leave during the awaits.
        for some in _chunks(gone):
            left = [each for each in some if each[0] not in self._mine.get(each[2], ())]
            counts = await asyncio.gather(
                *[self._call("leave", key, client_id, self._node) for client_id, _, key in left]
            )
            for (client_id, _, key), count in zip(left, counts, strict=True):
                # While Redis is unreachable, each node announces the clients that leave this node.
                # But only now Redis can tell whether a client was its user's last connection.
                if count == 0 and key.startswith(user_key("")) and self.events is not None:
                    user = key.removeprefix(user_key(""))
                    member = Member(client_id=client_id, name=user, user=user)
                    self.events.member_changed("left", key, member, 0)
        await self._insist([wanted[each] for each in wanted.keys() - known], told=told)
        await self._insist([each for each in wanted.values() if each[:2] in self._unconfirmed])

    async def _insist(self, members: list[tuple[str, str, bytes]], *, told: bool = False) -> None:
        """Add members in Redis that are still on this node with unchanged info."""
        for some in _chunks(members):
            here = [each for each in some if self._is_here(*each)]
            counts = await asyncio.gather(
                *[self._call("join", key, id_, self._node, body) for key, id_, body in here],
                return_exceptions=True,
            )
            for (key, client_id, body), count in zip(here, counts, strict=True):
                if isinstance(count, ProtocolError):
                    continue  # Redis is full: the member stays unconfirmed, and is added later
                if isinstance(count, BaseException):
                    raise count
                self._confirm(key, client_id, body)
                if told and self.events is not None:
                    member = msgspec.msgpack.decode(body, type=Member)
                    self.events.member_changed("joined", key, member, count)

    async def _bury(self, node: bytes) -> None:
        """Remove the members of a dead node from Redis, and report that they have left."""
        while moved := await self._call("bury", node, _AT_ONCE):
            for key, body, remaining in zip(moved[::3], moved[1::3], moved[2::3], strict=True):
                if self.events is not None:
                    member = msgspec.msgpack.decode(body, type=Member)
                    self.events.member_changed("left", key.decode(), member, remaining)


def _chunks(items: list[Any]) -> list[list[Any]]:
    """Split a list into parts, each of at most ``_AT_ONCE`` items."""
    return [items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE)]
