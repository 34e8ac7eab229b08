"""Who is here, as all nodes know it through Redis."""

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
"""Beats in a row until a node may give up others: all need time when Redis is back."""

_AT_ONCE = 200
"""Members added or removed at once."""


class RedisPresence:
    """What this node reports of its clients, and what becomes of dead nodes.

    What is here is noted here first, and made true in Redis now or when it is back.

    Args:
        call: runs a script.
        node: the name of this node.
        expires: seconds after which this node is given up if it is not heard of.

    Attributes:
        events: is told of members that join and leave with a node.
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
        """Somebody is in a channel. Returns how many are; only here, unless Redis is up."""
        body = msgspec.msgpack.encode(member)
        self._mine.setdefault(key, {})[member.client_id] = body
        self._unconfirmed.add((key, member.client_id))
        if up:
            with contextlib.suppress(ProtocolError):
                return await self._add(key, member.client_id, body)
        return len(self._mine.get(key, ()))

    async def leave(self, key: str, client_id: str, *, up: bool) -> int | None:
        """Remove a client from a channel. Returns how many are left; None if that is not known."""
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
        """Make Redis hold exactly the clients of this node."""
        self._beats = 0
        buried, _, _ = await self._beat()
        await self._restore(told=bool(buried))

    async def beat(self) -> None:
        """Say that this node lives, and give up those that do not."""
        self._beats += 1
        buried, unknown, dying = await self._beat()
        if buried or unknown:
            # It was given up, or Redis has been emptied.
            await self._restore(told=bool(buried))
        else:
            # Redis may have been too full for them.
            await self._insist(
                [(*each, self._mine[each[0]][each[1]]) for each in self._unconfirmed]
            )
        for node in dying:
            await self._bury(node)

    async def depart(self) -> None:
        """Remove all clients of this node, because it ends."""
        self._mine.clear()
        self._unconfirmed.clear()
        await self._restore(told=False)
        await self._call("depart", self._node)

    async def _beat(self) -> tuple[int, int, list[bytes]]:
        judge = int(self._beats >= _BEATS)
        buried, unknown, dying = await self._call("beat", self._node, self._expires, judge)
        return buried, unknown, dying

    async def _add(self, key: str, client_id: str, body: bytes) -> int:
        count: int = await self._call("join", key, client_id, self._node, body)
        self._confirm(key, client_id, body)
        return count

    def _confirm(self, key: str, client_id: str, body: bytes) -> None:
        if self._is_here(key, client_id, body):
            self._unconfirmed.discard((key, client_id))

    def _is_here(self, key: str, client_id: str, body: bytes) -> bool:
        return self._mine.get(key, {}).get(client_id) is body

    async def _restore(self, *, told: bool) -> None:
        known = set(await self._call("mine", self._node))
        wanted = {
            f"{client_id} {key}".encode(): (key, client_id, body)
            for key, members in self._mine.items()
            for client_id, body in members.items()
        }
        gone = [each.decode().partition(" ") for each in known - wanted.keys()]
        # Read again for each request: joins and leaves meanwhile were sent by themselves.
        for some in _chunks(gone):
            left = [each for each in some if each[0] not in self._mine.get(each[2], ())]
            counts = await asyncio.gather(
                *[self._call("leave", key, client_id, self._node) for client_id, _, key in left]
            )
            for (client_id, _, key), count in zip(left, counts, strict=True):
                # A client that leaves while Redis is away is announced by the nodes that know it;
                # whether it was its user's last connection is known only now.
                if count == 0 and key.startswith(user_key("")) and self.events is not None:
                    user = key.removeprefix(user_key(""))
                    member = Member(client_id=client_id, name=user, user=user)
                    self.events.member_changed("left", key, member, 0)
        await self._insist([wanted[each] for each in wanted.keys() - known], told=told)
        await self._insist([each for each in wanted.values() if each[:2] in self._unconfirmed])

    async def _insist(self, members: list[tuple[str, str, bytes]], *, told: bool = False) -> None:
        """Make Redis hold the clients that are still here with unchanged info."""
        for some in _chunks(members):
            here = [each for each in some if self._is_here(*each)]
            counts = await asyncio.gather(
                *[self._call("join", key, id_, self._node, body) for key, id_, body in here],
                return_exceptions=True,
            )
            for (key, client_id, body), count in zip(here, counts, strict=True):
                if isinstance(count, ProtocolError):
                    continue  # Redis is full: it stays unconfirmed
                if isinstance(count, BaseException):
                    raise count
                self._confirm(key, client_id, body)
                if told and self.events is not None:
                    member = msgspec.msgpack.decode(body, type=Member)
                    self.events.member_changed("joined", key, member, count)

    async def _bury(self, node: bytes) -> None:
        while moved := await self._call("bury", node, _AT_ONCE):
            for key, body, remaining in zip(moved[::3], moved[1::3], moved[2::3], strict=True):
                if self.events is not None:
                    member = msgspec.msgpack.decode(body, type=Member)
                    self.events.member_changed("left", key.decode(), member, remaining)


def _chunks(items: list[Any]) -> list[list[Any]]:
    return [items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE)]
