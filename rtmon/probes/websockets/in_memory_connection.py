"""A server connection in memory: without sockets or waiting, and every byte can be observed.

For self-tests, for tests that compare two connection classes, and for benchmarks of the cost of a
connection without the network.
"""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.client import ClientProtocol
from websockets.extensions.base import ClientExtensionFactory, ServerExtensionFactory
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

__all__ = ["MemoryConnection", "MemoryTransport", "frame_bytes"]

URI = parse_uri("ws://localhost/")


def frame_bytes(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a masked frame, as a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


class MemoryTransport(asyncio.Transport):
    """A transport that records what a connection writes.

    Attributes:
        written: the chunks of data written so far; may be cleared. ``write_eof()`` is recorded as
            ``b""``.
        calls: names of the other methods called, in order.
        failure: exception that the next writes raise; None for no exception.
        limit: number of bytes in ``written`` above which writing is paused; None for never.
    """

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.written: list[bytes] = []
        self.calls: list[str] = []
        self.failure: Exception | None = None
        self.limit: int | None = None
        self.closing = False
        self.connection: asyncio.Protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.failure is not None:
            raise self.failure
        self.written.append(bytes(data))
        if self.limit is not None and sum(map(len, self.written)) > self.limit:
            self.limit = None
            self.connection.pause_writing()

    def write_eof(self) -> None:
        self.written.append(b"")

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        self.calls.append("resume_reading")

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.calls.append("abort")
        self.close()

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)


class _Server:
    """The parts of a server that its connections use."""

    close_task = None

    def __init__(self) -> None:
        self.handler_tasks: set[asyncio.Task[None]] = set()

    async def handler(self, connection: ServerConnection) -> None:
        """Do nothing, because the caller of this module acts as the handler."""

    def start_connection_handler(self, connection: ServerConnection) -> None:
        """Do nothing; websockets 15 and 16 call this to start the handler."""

    def is_serving(self) -> bool:
        return True


class MemoryConnection:
    """A server connection in memory, and the client's protocol object for it.

    Args:
        connection_class: the class of the server connection.
        extensions: extensions that the server supports, such as permessage-deflate.
        client_extensions: extensions that the client offers.
        max_size: maximum size of a message, in bytes.
        **options: other arguments of the connection class.

    Attributes:
        connection: the server connection. Its handshake is made by :meth:`open`.
        transport: records what the connection writes.
        client: the client's protocol, with which to parse what the connection writes.
    """

    def __init__(
        self,
        connection_class: Any = ServerConnection,
        *,
        extensions: list[ServerExtensionFactory] | None = None,
        client_extensions: list[ClientExtensionFactory] | None = None,
        max_size: Any = 2**20,
        **options: Any,
    ) -> None:
        options.setdefault("ping_interval", None)
        protocol = ServerProtocol(extensions=extensions, max_size=max_size)
        self.connection: Any = connection_class(protocol, _Server(), **options)
        self.transport = MemoryTransport()
        self.transport.connection = self.connection
        self.connection.connection_made(self.transport)
        self.client = ClientProtocol(URI, extensions=client_extensions)

    async def open(self) -> None:
        """Complete the handshake, so that the connection is open."""
        self.client.send_request(self.client.connect())
        for data in self.client.data_to_send():
            self.connection.data_received(data)
        await self.connection.handshake()
        self.client.receive_data(b"".join(self.transport.written))
        self.client.events_received()
        self.transport.written.clear()
