"""Compressed input of a connection of `websockets`, inflated a little at a time.

The library parses all that one read of the socket brings, up to 256 KiB, before the application
or another connection has its turn. Compressed messages inflate up to a thousandfold: 3,000 of
them, half a megabyte on the wire, made 180 MB within one second (seen with websockets 17.4).
"""

from __future__ import annotations

from typing import Any

from websockets.protocol import OPEN

from .turns import Turns

__all__ = ["PIECE", "PacedInput"]

PIECE = 256
"""Bytes parsed at once: they inflate to 256 KiB at most, and what remains of one message."""

BUDGET = 0.000_5
"""Seconds for which pieces are parsed before others have their turn."""


class PacedInput:
    """Bytes that one connection has received, and not parsed yet.

    It parses them piece by piece, in turns with other connections, and only while few messages
    wait for the application. Reading is paused meanwhile.

    Args:
        connection: what received them. Its ``take_input`` calls a function that parses some, and
            returns how many pings the rest may hold; its ``deliver`` takes what was parsed.
        turns: shared by the connections of a server.

    Attributes:
        parsing: True while the connection parses a piece.
    """

    __slots__ = ("_at", "_closed", "_connection", "_data", "_pings", "_turns", "parsing")

    def __init__(self, connection: Any, turns: Turns) -> None:
        self._connection = connection
        self._turns = turns
        self._data = b""
        self._at = 0
        self._pings: int | None = None
        self._closed = False
        self.parsing = False

    def add(self, data: bytes) -> None:
        """Take bytes that were received; parse the first of them now."""
        waits = bool(self._data)
        self._data = self._data[self._at :] + data
        self._at = 0
        self._pings = self._connection.pings_at_once
        if not waits:
            self._parse()

    def close(self) -> None:
        """Drop what was not parsed: the connection is lost."""
        self._closed = True
        self._data = b""

    def _parse(self) -> None:
        if self._closed:
            return
        connection = self._connection
        self.parsing = True
        try:
            self._pings = connection.take_input(self._parse_some, self._pings)
        finally:
            self.parsing = False
        if self._at < len(self._data):
            connection.transport.pause_reading()
            self._wait()
        else:
            connection.input_parsed()
            if not connection.recv_messages.paused:
                connection.transport.resume_reading()

    def _parse_some(self) -> None:
        connection, data, at = self._connection, self._data, self._at
        protocol = connection.protocol
        now = connection.loop.time
        until = now() + BUDGET
        while at < len(data):
            protocol.receive_data(data[at : at + PIECE])
            self._at = at = at + PIECE
            if protocol.events or protocol.writes:
                connection.deliver()
                if now() >= until:
                    break

    def _wait(self) -> None:
        connection = self._connection
        messages = connection.recv_messages
        low = messages.low
        if low is not None and len(messages.frames) > low and connection.protocol.state is OPEN:
            # As the library does, only with fewer messages: it takes sixteen before it pauses.
            messages.paused = True
            messages.resume = self._has_room
        else:
            self._turns.add(self._parse)

    def _has_room(self) -> None:
        connection = self._connection
        connection.recv_messages.resume = connection.transport.resume_reading
        self._turns.add(self._parse)
