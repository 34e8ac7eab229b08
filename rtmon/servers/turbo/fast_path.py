"""The fast path: handle ordinary messages with fewer function calls than `websockets` needs.

A received frame is handled here if it is complete, unfragmented and uncompressed: a simple parser
is enough, which need not wait for further data. A message to send is handled here if the connection
is open, has negotiated no extension such as compression, and is not in the middle of sending a
fragmented message. The code of `websockets` handles all other messages. It finds the connection in
exactly the state that the connection would have without this class. An application sees no
difference: messages, bytes on the wire, exceptions, states and close codes are the same.

The mix-in of this module comes before the mix-in of
:mod:`~rtmon.probes.websockets.inlined_calls`, and is used under the same conditions.
"""

from __future__ import annotations

import asyncio
import struct
import traceback
from typing import TYPE_CHECKING, Any, ClassVar

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import CONNECTING, OPEN, Protocol
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from ...probes.websockets import inlined_calls
from .fast_handshake import QuickHandshake
from .shared_keepalive import SharedKeepalive

try:
    from websockets.speedups import apply_mask
except ImportError:  # there is no compiled wheel for this platform: use the Python version
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.protocol import Event

    from ...metrics.monitor_interfaces import Recorder
    from ...probes.websockets.frame_counter import FrameCounter

__all__ = ["FRONT", "FastPath", "obstacle"]

_TEXT, _BINARY = Opcode.TEXT, Opcode.BINARY
_AT_EOF = StreamReader.at_eof.__code__
_PARSE, _SERVER_PARSE = Protocol.parse.__code__, ServerProtocol.parse.__code__
_SHORT = {
    opcode: tuple(bytes((128 | opcode, n)) for n in range(126)) for opcode in (_TEXT, _BINARY)
}
_medium = struct.Struct("!BBH").pack
_long = struct.Struct("!BBQ").pack

REPLACED = (
    "data_received",
    "eof_received",
    "connection_made",
    "process_event",
    "recv",
    "send",
    "send_context",
    "send_data",
    "drain",
    "set_connection_exc",
    "close_exc",
    "handshake",
    "start_keepalive",
    "keepalive",
    "ping",
)
"""Methods of `websockets` that the fast path replaces, or whose work it does without a call."""


class FastPath(QuickHandshake, SharedKeepalive):
    """Mix-in before a connection class with inlined calls; handles whole, uncompressed messages."""

    monitor: ClassVar[Recorder]
    _tally: FrameCounter
    _count_wire: Callable[[int], None]
    _deliver: Callable[[list[Event]], None]

    def _opened(self) -> None:
        super()._opened()  # type: ignore[misc]
        self._tally.between = _is_between(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # Break reference cycles, which only a full garbage collection would find. The stream has
        # ended and the state is CLOSED, so nothing more is parsed or sent.
        try:
            protocol: Any = self.protocol
            protocol.parser.close()
            self._tally.original_send_frame = _ended
            if protocol.parser_exc is not None:
                traceback.clear_frames(protocol.parser_exc.__traceback__)
        except Exception as failure:
            self.monitor.probe_failed(failure)

    def data_received(self, data: bytes) -> None:
        protocol = self.protocol
        tally = self._tally
        if not tally.between or protocol._state is not OPEN:  # noqa: SLF001
            if not (protocol._state is CONNECTING and self._took_request(data)):  # noqa: SLF001
                super().data_received(data)
                tally.between = _is_between(self)
            return
        frames: list[Event] = []
        begin, size = 0, len(data)
        while size - begin >= 6:
            head = data[begin]
            length = data[begin + 1] - 128
            start = begin + 6
            if length == 126 and size - begin >= 8:
                length = data[begin + 2] << 8 | data[begin + 3]
                start += 2
            elif not 0 <= length < 126:
                break
            end = start + length
            if (
                end > size
                or not (head == 0x81 or head == 0x82)  # noqa: PLR1714 - faster than a tuple
                or ((limit := protocol.max_message_size) is not None and length > limit)
                or ((limit := protocol.max_fragment_size) is not None and length > limit)
            ):
                break
            payload = apply_mask(data[start:end], data[start - 4 : start])
            frames.append(Frame(_TEXT if head == 0x81 else _BINARY, payload))
            begin = end
        if begin < size or protocol.writes or protocol.events:
            if not (frames or protocol.writes or protocol.events) and self._took_pong(data):
                return
            if begin:
                protocol.events += frames
                self._count_wire(begin)
            super().data_received(data[begin:])
            tally.between = _is_between(self)
            return
        self._count_wire(size)
        self._deliver(frames)

    async def send(self, message: Any, *, text: bool | None = None) -> None:  # noqa: C901, PLR0912 - one function, for speed
        protocol = self.protocol
        if self._tally.groups and self.send_in_progress is None:
            self._tally.flush(begins=False)
        if (
            protocol._state is OPEN  # noqa: SLF001
            and self.send_in_progress is None
            and not protocol.writes
            and not protocol.extensions
            and not protocol.expect_continuation_frame
            and not protocol.debug
        ):
            kind = type(message)
            data: bytes | None = None
            if kind is str:
                opcode = _BINARY if text is False else _TEXT
                try:  # noqa: SIM105 - suppress() costs a microsecond
                    data = message.encode()
                except UnicodeEncodeError:
                    pass  # the library's own code raises the error
            elif kind is bytes:
                opcode = _TEXT if text is True else _BINARY
                data = message
            if data is not None:
                length = len(data)
                if length < 126:
                    frame = _SHORT[opcode][length] + data
                elif length < 65536:
                    frame = _medium(128 | opcode, 126, length) + data
                else:
                    frame = _long(128 | opcode, 127, length) + data
                try:
                    tally = self._tally
                    meter = tally.meter
                    tally.frame_sent(opcode, data, fin=True)
                    size = len(frame)
                    meter.own_wire_out += size
                    meter.ledger.wire_out += size
                    if not meter.dirty:
                        meter.mark()
                except Exception as exc:
                    self.monitor.probe_failed(exc)
                try:
                    self.transport.write(frame)
                    if self.paused or self.transport.is_closing():
                        await self.drain()
                except Exception as exc:
                    await self._write_failed(exc)
                return
        await super().send(message, text=text)

    def _ready(self) -> bool:
        return self._tally.between

    async def _write_failed(self, exc: Exception) -> None:
        """Handle an exception of the transport in the same way as `websockets`."""
        self.set_connection_exc(exc)
        self.transport.abort()
        await asyncio.shield(self.connection_lost_waiter)
        raise self.close_exc


FRONT = (FastPath, inlined_calls.InlinedCalls)
"""Mix-ins that come before a counting connection class on the fast path."""


def _ended(frame: Frame) -> None:
    """Do nothing. Takes the place of ``send_frame`` once the connection is lost."""


def _is_between(connection: ServerConnection) -> bool:
    """Return True if the next received byte begins a message, and no received data is buffered."""
    protocol = connection.protocol
    if (
        protocol.extensions
        or protocol.state is not OPEN
        or protocol.reader.buffer
        or protocol.current_size is not None
        or protocol.debug
    ):
        return False
    # An empty buffer does not prove that a frame begins here: the parser reads a header in parts.
    # Protocol.parse() waits at the beginning of a frame; ServerProtocol.parse() delegates to it.
    parser: Any = protocol.parser
    if parser.gi_code is _SERVER_PARSE:
        parser = parser.gi_yieldfrom
    if parser is None or parser.gi_code is not _PARSE:
        return False
    inner = parser.gi_yieldfrom
    return inner is not None and inner.gi_code is _AT_EOF


def obstacle(base: type[Connection]) -> str | None:
    """Return the reason why the fast path cannot be used; None if it can.

    More is checked at run time by :mod:`~rtmon.probes.websockets.library_selftest`.

    Args:
        base: the connection class that the fast path would come before.
    """
    if not issubclass(base, ServerConnection):
        return "it is for the connections of servers"
    return inlined_calls.obstacle(base, replaced=REPLACED)
