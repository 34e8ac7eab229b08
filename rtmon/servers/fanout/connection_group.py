"""Groups of connections that get the same messages, encoded once for all of them."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.protocol import CLOSED, OPEN

from ...errors import OptionError
from ...metrics.group_message_counts import SharedCounts
from .broadcasting import by_the_library, log_skipped
from .library_selftest import obstacle
from .shared_frames import (
    Blocked,
    Kind,
    Piece,
    Sendable,
    Setting,
    frame,
    is_fragmenting,
    kind_of,
    payload,
    setting,
    shareable,
)
from .shared_writes import GroupEvents, SharedWrites

__all__ = ["JOINED_BYTES", "Flushed", "Group"]

logger = logging.getLogger("rtmon")

JOINED_BYTES = 65_536
"""Maximum payload that is collected until the end of the loop iteration, in bytes. More is written
at once, so that slow connections are detected before much data has been queued."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """Statistics of writing the collected messages of a group to its connections.

    Attributes:
        waited: for each message, the seconds from its publication until it was handed to all
            transports.
        delivered: number of messages handed to transports; a message counts once per connection.
        bytes: size of the payloads of all delivered messages, in bytes.
        skipped: number of messages not handed to a transport, because the connection was blocked or
            has ended; a message counts once per connection.
    """

    waited: tuple[float, ...]
    delivered: int
    bytes: int
    skipped: int


class Group:
    """A group of connections of ``websockets`` that get the same messages.

    A message is encoded once, and compressed once for each compression setting. The same bytes are
    written to all transports.

    To connections with rtmon's probe (``rtmon.serve``, ``rtmon.probe``), all messages published in
    one iteration of the event loop are written together, at the end of the iteration. If such a
    connection itself sends a message, a close frame or a control frame, the group's waiting
    messages are written to it first. To connections without a probe, each message is written as
    soon as it is published.

    A connection may be in several groups; it gets the messages of each group in order. A connection
    that has ended is removed at the next publication at the latest.

    Args:
        delay: seconds for which messages are collected before they are written; 0 to write them at
            the end of the loop iteration.
        on_blocked: called as ``on_blocked(connection, message)`` if a message cannot be written to
            an open connection now, because its write buffer is full or it is sending a fragmented
            message. The function may send the message itself; otherwise the message is skipped.
            Later messages are written again as soon as the connection is writable. So a function
            that queues messages must first remove the connection from the group. None to skip such
            messages.
        on_flushed: called with a :class:`Flushed` each time that messages were written. Exceptions
            of ``on_blocked`` and ``on_flushed`` are logged.

    Attributes:
        published: number of messages published.
        delivered: number of messages handed to transports; a message counts once per connection.
        bytes: size of the payloads of all delivered messages, in bytes.
        skipped: number of messages not handed to a transport; a message counts once per connection.

    Raises:
        OptionError: the delay is invalid.
    """

    def __init__(
        self,
        *,
        delay: float = 0.0,
        on_blocked: Blocked | None = None,
        on_flushed: Callable[[Flushed], object] | None = None,
    ) -> None:
        self.published = 0
        self._delay = _checked(delay)
        self._on_blocked = on_blocked
        self._on_flushed = on_flushed
        self._tidings = GroupEvents(refused=self._blocked, discard=self.discard)
        self._homes: dict[Any, SharedWrites | None] = {}
        self._lanes: dict[tuple[Any, ...], SharedWrites] = {}
        self._alone: dict[Any, None] = {}
        self._began: list[float] = []
        self._waiting = 0
        self._told = (0, 0, 0)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<Group of {len(self)} connections>"

    def __len__(self) -> int:
        return len(self._homes)

    def __contains__(self, connection: object) -> bool:
        return connection in self._homes

    def __iter__(self) -> Iterator[Any]:
        """Iterate over a copy of the connections, in the order in which they were added."""
        return iter(list(self._homes))

    @property
    def delivered(self) -> int:
        """Number of messages handed to transports; a message counts once per connection."""
        return self._tidings.delivered

    @property
    def bytes(self) -> int:
        """Size of the payloads of delivered messages, in bytes."""
        return self._tidings.bytes

    @property
    def skipped(self) -> int:
        """Number of messages not handed to a transport; a message counts once per connection."""
        return self._tidings.skipped

    def add(self, connection: Connection) -> None:
        """Add a connection. It gets the messages that are published from now on.

        Does nothing if the connection is in the group.

        Args:
            connection: an open connection. A connection that is opening or closing may be added,
                too; it gets no messages while it is not open.
        """
        if connection in self._homes:
            return
        lane = self._homes[connection] = self._lane(connection)
        if lane is None:
            self._alone[connection] = None
        else:
            lane.add(connection)

    def discard(self, connection: Connection) -> None:
        """Remove a connection, after writing the group's waiting messages to it.

        Does nothing if the connection is not in the group.
        """
        if connection not in self._homes:
            return
        lane = self._homes.pop(connection)
        if lane is None:
            del self._alone[connection]
        else:
            lane.discard(connection)
            if not lane:
                self._lanes.pop(lane.key, None)

    def publish(
        self,
        message: Sendable,
        *,
        text: bool | None = None,
        skip: Iterable[Connection] = (),
        on_blocked: Blocked | None = None,
    ) -> None:
        """Send a message to all connections of the group.

        This never waits, and raises no exception because of a connection.

        Args:
            message: ``str`` for a text message, bytes-like for a binary message.
            text: True to send bytes that are UTF-8 as text; False to send a ``str`` as binary.
            skip: connections that do not get the message.
            on_blocked: replaces the group's ``on_blocked`` for this message.

        Raises:
            TypeError: the message is neither ``str`` nor bytes-like.
            UnicodeError: the text contains a surrogate, which is not allowed. With websockets up to
                15, also if ``text`` is True and the bytes are not UTF-8.
        """
        opcode, data = payload(message, text)
        if not isinstance(message, str):
            message = data  # a copy: the caller may change a bytearray after this call
        skip = tuple(skip)
        self.published += 1
        self._began.append(time.perf_counter())
        built: dict[Setting, bytes] = {}
        waits = False
        for lane in list(self._lanes.values()):
            data_frame = built.get(lane.setting)
            if data_frame is None:
                data_frame = built[lane.setting] = frame(opcode, data, lane.setting)
            lane.put(Piece(opcode, data, data_frame, message, on_blocked), skip)
            if lane.joins:
                waits = True
            else:
                lane.flush()
        if self._alone:
            self._send_alone(Piece(opcode, data, b"", message, on_blocked), text=text, skip=skip)
        self._waiting += len(data)
        if not waits or self._waiting > JOINED_BYTES:
            self.flush()
        else:
            self._schedule()

    def flush(self) -> None:
        """Write the collected messages now, instead of at the end of the loop iteration."""
        self._waiting = 0
        for lane in list(self._lanes.values()):
            lane.flush()
        began, self._began = self._began, []
        if began and self._on_flushed is not None:
            now = time.perf_counter()
            before, self._told = self._told, (self.delivered, self.bytes, self.skipped)
            gained = [after - count for after, count in zip(self._told, before, strict=True)]
            try:
                self._on_flushed(Flushed(tuple([now - at for at in began]), *gained))
            except Exception:
                logger.exception("on_flushed failed for %r", self)

    def _lane(self, connection: Any) -> SharedWrites | None:
        """Return the :class:`SharedWrites` of the connections that get the same bytes as this one.

        Returns None if the connection cannot share bytes. Then `websockets` sends each message to
        the connection.
        """
        protocol = connection.protocol
        if obstacle() is not None or protocol.state is not OPEN or not shareable(protocol):
            return None
        kind = kind_of(type(connection))
        compressed = setting(protocol.extensions)
        shared = now = None
        key: tuple[Any, ...] = (kind, compressed)
        if kind is Kind.OWN:
            tally = connection._tally  # noqa: SLF001 - an attribute of rtmon
            if tally.payloads:  # the probe keeps each payload, so each is written separately
                return None
            if tally.counted:
                key = (kind, compressed, tally.meter.ledger, tally.times)
                if key not in self._lanes:
                    shared, now = SharedCounts(tally.meter.ledger, box=tally.times), tally.now
        elif kind is Kind.FOREIGN:
            return None
        lane = self._lanes.get(key)
        if lane is None:
            joins = kind is Kind.OWN
            lane = SharedWrites(key, compressed, self._tidings, joins=joins, shared=shared, now=now)
            self._lanes[key] = lane
        return lane

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            if self._delay:
                loop.call_later(self._delay, self._turn_ends)
            else:
                loop.call_soon(self._turn_ends)

    def _turn_ends(self) -> None:
        self._loop = None
        self.flush()

    def _send_alone(self, piece: Piece, *, text: bool | None, skip: tuple[Any, ...]) -> None:
        for connection in [one for one in self._alone if one not in skip]:
            state = connection.protocol.state
            if state is OPEN and not (connection.paused or is_fragmenting(connection)):
                self._send_to_one(connection, piece, text=text)
                continue
            self._tidings.skipped += 1
            if state is OPEN:
                self._blocked(connection, (piece,))
            elif state is CLOSED:
                self.discard(connection)

    def _send_to_one(self, connection: Any, piece: Piece, *, text: bool | None) -> None:
        try:
            by_the_library((connection,), piece.message, text=text, raise_exceptions=True)
        except ExceptionGroup as failed:
            self._tidings.skipped += 1
            log_skipped(connection, failed.exceptions[0].__cause__ or failed.exceptions[0])
        else:
            self._tidings.delivered += 1
            self._tidings.bytes += len(piece.data)

    def _blocked(self, connection: Any, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            on_blocked = piece.on_blocked or self._on_blocked
            if on_blocked is not None:
                try:
                    on_blocked(connection, piece.message)
                except Exception:
                    logger.exception("on_blocked failed for %r", connection)


def _checked(delay: Any) -> float:
    if isinstance(delay, int | float) and 0 <= delay < math.inf:
        return delay
    raise OptionError(f"delay={delay!r}: seconds, or 0 for the end of the loop iteration")
