"""Aborting the network connection below an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeVar

__all__ = ["AbortableWebSocket", "find_abort"]

T = TypeVar("T")

_Message = MutableMapping[str, Any]


def find_abort(scope: Mapping[str, Any], receive: Any) -> Callable[[], None] | None:
    """Return what drops the network connection at once, with all that waits in its buffer.

    ASGI has no message for it, so it is looked for where uvicorn has it: behind its ``receive``,
    which middleware passes on unchanged more often than ``send``.

    Args:
        scope: of a connection or a request.
        receive: the server's, or a probe's in front of it.

    Returns:
        None if the connection cannot be reached, or other requests share it.
    """
    if scope.get("http_version") == "2":
        return None
    while (owner := getattr(receive, "__self__", None)) is not None:
        abort: Callable[[], None] | None = getattr(getattr(owner, "transport", None), "abort", None)
        if abort is not None:
            return abort
        receive = getattr(owner, "_receive", None)  # as rtmon.ASGIProbe keeps it
    return None


class AbortableWebSocket:
    """An ASGI WebSocket that can be cut while other code reads and writes it.

    It wraps the server's ``receive`` and ``send``.

    Args:
        receive, send: the server's.
        drop: drops the network connection; None if it cannot be reached.
    """

    def __init__(
        self,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
        drop: Callable[[], None] | None,
    ) -> None:
        self._receive, self._send, self._drop = receive, send, drop
        self._waiting: set[asyncio.Timeout] = set()
        self._is_cut = False

    def cut(self) -> None:
        """End all reads and writes, waiting and future ones, as if the peer were gone."""
        self._is_cut = True
        if self._drop is not None:
            self._drop()
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
