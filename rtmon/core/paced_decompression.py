"""Decompress received messages of a `websockets` connection a little at a time.

The library parses all data of one read of the socket, up to 256 KiB, before the application or
another connection can run. Decompression can make a message a thousand times larger. With
websockets 17.4, 3,000 compressed messages of together half a megabyte took 180 MB of memory within
one second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from websockets.streams import StreamReader

__all__ = ["PIECE", "PacedInput", "Pieces"]

PIECE = 65_536
"""Decompressed bytes after which the parser is stopped. The last message is completed first, so a
piece may be larger."""


class Pieces:
    """Stops the parser of `websockets` after each piece of decompressed data, between two frames.

    Data that is received but not parsed stays in the parser's buffer. Parsing continues with the
    next call of ``receive_data()``, whose data may be empty.

    Args:
        protocol: the protocol object of a connection whose handshake is completed.
        stopped: called each time that the parser has been stopped.
    """

    __slots__ = ("_inflated", "_protocol", "_stopped")

    def __init__(self, protocol: Any, stopped: Callable[[], None]) -> None:
        self._protocol = protocol
        self._stopped = stopped
        self._inflated = 0
        # Protocol.parse() calls at_eof() before each frame.
        protocol.reader.at_eof = self._at_eof

    @staticmethod
    def divide(protocol: Any) -> bool:
        """Return True if this protocol's parser is stopped after each piece."""
        return "at_eof" in vars(protocol.reader)

    @staticmethod
    def end(protocol: Any) -> None:
        """Never stop the parser again. Break the reference cycle of parser and connection."""
        vars(protocol.reader).pop("at_eof", None)

    def _at_eof(self) -> Generator[None, None, bool]:
        protocol = self._protocol
        reader = protocol.reader
        if not reader.buffer or reader.eof:
            self._inflated = 0
        elif protocol.events:
            self._inflated += len(protocol.events[-1].data)
            if self._inflated >= PIECE:
                self._inflated = 0
                return self._stop(reader)
        return StreamReader.at_eof(reader)

    def _stop(self, reader: StreamReader) -> Generator[None, None, bool]:
        self._stopped()
        yield
        return (yield from StreamReader.at_eof(reader))


class PacedInput(asyncio.Protocol):
    """Parses the compressed messages of a connection in turns with other connections.

    One piece is parsed in each iteration of the event loop, and only while few messages wait for
    the application. Until all data is parsed, reading is paused, and this object is the protocol of
    the transport. The connection is notified of the end of the stream, or of the loss of the
    transport, only after all data is parsed.

    Args:
        connection: a server connection whose handshake is completed.
    """

    __slots__ = ("_connection", "_eof", "_exc", "_lost", "_transport", "_waits")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._waits = self._eof = self._lost = False
        self._exc: Exception | None = None
        Pieces(connection.protocol, self._stopped)

    # Called by the transport while received data waits to be parsed

    def eof_received(self) -> None:
        self._eof = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost, self._exc = True, exc
        connection = self._connection
        if exc is None and not self._eof:  # the connection was cut by this server
            self.drop()
            return
        connection.transport = _LostTransport(self._transport, self.drop)
        if connection.paused:  # else a handler waiting in send() would wait for ever
            connection.resume_writing()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    # Parsing in turns

    def _stopped(self) -> None:
        if not self._waits:
            self._waits = True
            self._transport.pause_reading()
            self._transport.set_protocol(self)
            self._connection.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self._waits:  # the data was dropped meanwhile
            return
        connection = self._connection
        messages = connection.recv_messages
        if messages.low is not None and len(messages.frames) > messages.low:
            # Wait until few messages are queued. `websockets` does the same: it pauses reading
            # above sixteen messages.
            messages.paused = True
            messages.resume = self._has_room
            return
        self._waits = False
        connection.data_received(b"")
        if not self._waits:
            self._step_aside()

    def _has_room(self) -> None:
        self._connection.recv_messages.resume = self._transport.resume_reading
        self._connection.loop.call_soon(self._go_on)

    def _step_aside(self) -> None:
        connection, transport = self._connection, self._transport
        connection.transport = transport
        transport.set_protocol(connection)
        if self._eof:
            connection.eof_received()
        if self._lost:
            connection.connection_lost(self._exc)
        elif not connection.recv_messages.paused:
            transport.resume_reading()

    def drop(self) -> None:
        """Discard unparsed data, because the connection was cut by this server."""
        if self._waits:
            self._waits = False
            self._connection.protocol.reader.buffer.clear()
            self._step_aside()


class _LostTransport:
    """A lost transport whose connection has not been notified of the loss yet.

    Data written to it is discarded. asyncio would log a warning at each write.
    """

    def __init__(self, transport: asyncio.Transport, abort: Callable[[], None]) -> None:
        self._transport = transport
        self.abort = abort

    def write(self, data: bytes) -> None:
        """Discard the data."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
