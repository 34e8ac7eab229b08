"""A server that wraps the ``Server`` of ``websockets`` and offers its whole API."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from . import server_base

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from websockets.asyncio.server import Server, ServerConnection

__all__ = ["DelegatingServer"]


class DelegatingServer(server_base.BaseServer):
    """A server with the whole API of ``websockets.asyncio.server.Server``.

    Other attributes are delegated to the library's server: ``logger``, ``handler`` and all others
    of the installed version.
    """

    _server: Server | None = None

    def __getattr__(self, name: str) -> Any:
        # Called only for attributes not found here; dunder names are not delegated.
        if self._server is None or name.startswith("__"):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )
        return getattr(self._server, name)

    @property
    def websockets(self) -> Server:
        """The wrapped server of ``websockets``.

        Raises:
            RuntimeError: the server has not been started.
        """
        if self._server is None:
            raise RuntimeError(
                "this server is not running: use `async with serve(…)` or `await serve(…)`"
            )
        return self._server

    @property
    def connections(self) -> Iterable[ServerConnection]:
        """The open connections, as a new set."""
        return self.websockets.connections

    @property
    def sockets(self) -> Iterable[socket.socket]:
        """The sockets it listens on, as of :attr:`asyncio.Server.sockets`."""
        return self.websockets.sockets

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop it runs on, as :meth:`asyncio.Server.get_loop` does."""
        return self.websockets.get_loop()

    def is_serving(self) -> bool:
        """Return True if it accepts connections, as :meth:`asyncio.Server.is_serving` does."""
        return self.websockets.is_serving()

    async def start_serving(self) -> None:
        """Accept connections, after ``start_serving=False``. Idempotent."""
        await self.start()
        await self.websockets.start_serving()

    @abstractmethod
    def close(self, close_connections: bool = True, code: int = 1001, reason: str = "") -> None:  # noqa: FBT001, FBT002 - the library's signature
        """Stop listening and close the connections; idempotent. See :meth:`wait_closed`."""

    async def serve_forever(self) -> None:
        """Serve until cancelled or closed; cancelling closes the server."""
        await self.start()
        try:
            if not self.is_serving():
                await self.start_serving()
            await self.websockets.wait_closed()
        finally:
            self.close()
            await self.wait_closed()
