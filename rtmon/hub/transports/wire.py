"""An ASGI WebSocket that can be cut from this end, whoever reads and writes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

__all__ = ["Wire"]

T = TypeVar("T")

_Message = MutableMapping[str, Any]


class Wire:
    """Stands before an ASGI server's ``receive`` and ``send``.

    Args:
        receive, send: the server's.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        self._receive, self._send = receive, send
        self._waiting: set[asyncio.Timeout] = set()
        self._is_cut = False

    def cut(self) -> None:
        """From now on, and for those who wait, it is as if the peer were gone."""
        self._is_cut = True
        for limit in self._waiting:
            limit.reschedule(0)

    async def receive(self) -> _Message:
        """As the server's; raises TimeoutError, which is an OSError, when cut."""
        return await self._until_cut(self._receive)

    async def send(self, message: _Message) -> None:
        """As the server's; raises TimeoutError, which is an OSError, when cut."""
        await self._until_cut(lambda: self._send(message))

    async def _until_cut(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.timeout(0 if self._is_cut else None) as limit:
            self._waiting.add(limit)
            try:
                return await ask()
            finally:
                self._waiting.discard(limit)
