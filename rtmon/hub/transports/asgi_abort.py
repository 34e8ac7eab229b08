"""Abort the network connection of an ASGI request or WebSocket. ASGI itself offers no way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeVar

__all__ = ["AbortableWebSocket", "find_abort"]

T = TypeVar("T")

_Message = MutableMapping[str, Any]


def find_abort(scope: Mapping[str, Any], receive: Any) -> Callable[[], None] | None:
    """Find the function that closes the network connection at once and discards its buffer.

    ASGI has no message for this. The function belongs to the transport of the uvicorn object whose
    method is ``receive``. The search starts at ``receive`` and not at ``send``, because middleware
    wraps ``send`` more often.

    Args:
        scope: the ASGI scope of a connection or a request.
        receive: ``receive`` of the server, or of a probe that wraps it.

    Returns:
        The function. None if the connection cannot be accessed, or if other requests share it
        (HTTP/2).
    """
    if scope.get("http_version") == "2":
        return None
    while (owner := getattr(receive, "__self__", None)) is not None:
        abort: Callable[[], None] | None = getattr(getattr(owner, "transport", None), "abort", None)
        if abort is not None:
            return abort
        receive = getattr(owner, "_receive", None)  # the attribute of rtmon.ASGIProbe
    return None


class AbortableWebSocket:
    """An ASGI WebSocket that can be aborted while other tasks read from it or write to it.

    It wraps the server's ``receive`` and ``send``.

    Args:
        receive, send: the server's functions.
        drop: closes the network connection; None if it cannot be accessed.
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
        """Abort the WebSocket: all its reads and writes, running or later, raise TimeoutError."""
        self._is_cut = True
        if self._drop is not None:
            self._drop()
        for limit in self._waiting:
            limit.reschedule(0)

    async def receive(self) -> _Message:
        """Receive a message as from the server. Raises TimeoutError, an OSError, if aborted."""
        return await self._until_cut(self._receive)

    async def send(self, message: _Message) -> None:
        """Send a message as to the server. Raises TimeoutError, an OSError, if aborted."""
        await self._until_cut(lambda: self._send(message))

    async def _until_cut(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Await a call of the server's function.

        Raises:
            TimeoutError: the WebSocket is aborted.
        """
        async with asyncio.timeout(0 if self._is_cut else None) as limit:
            self._waiting.add(limit)
            try:
                return await ask()
            finally:
                self._waiting.discard(limit)
