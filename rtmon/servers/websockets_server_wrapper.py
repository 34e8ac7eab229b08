"""Base class for a server that wraps the ``Server`` of ``websockets``, with its whole API."""

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
    """A server that has the whole API of ``websockets.asyncio.server.Server``.

    Attributes that this class does not have are looked up on the wrapped server, such as
    ``logger`` and ``handler``.
    """

    _server: Server | None = None

    def __getattr__(self, name: str) -> Any:
        # Python calls this for missing attributes only. Names with two underscores are not
        # delegated: Python looks them up to find out what an object supports.
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
        """The open connections."""
        return self.websockets.connections

    @property
    def sockets(self) -> Iterable[socket.socket]:
        """The sockets that the server listens on, as in :attr:`asyncio.Server.sockets`."""
        return self.websockets.sockets

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the server's event loop, as :meth:`asyncio.Server.get_loop` does."""
        return self.websockets.get_loop()

    def is_serving(self) -> bool:
        """Return True if the server accepts connections, as :meth:`asyncio.Server.is_serving`."""
        return self.websockets.is_serving()

    async def start_serving(self) -> None:
        """Accept connections, if the server was made with ``start_serving=False``.

        May be called twice.
        """
        await self.start()
        await self.websockets.start_serving()

    @abstractmethod
    def close(self, close_connections: bool = True, code: int = 1001, reason: str = "") -> None:  # noqa: FBT001, FBT002 - the library's signature
        """Stop listening and close the connections; see :meth:`wait_closed`.

        May be called twice.
        """

    async def serve_forever(self) -> None:
        """Serve until the server is closed. If this call is cancelled, close the server."""
        await self.start()
        try:
            if not self.is_serving():
                await self.start_serving()
            await self.websockets.wait_closed()
        finally:
            self.close()
            await self.wait_closed()
