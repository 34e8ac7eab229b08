"""Build frames that can be shared by many connections, and decide which connections can."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from ...probes.websockets.counting_connection import CountingConnection

__all__ = [
    "Blocked",
    "Kind",
    "Piece",
    "Sendable",
    "Setting",
    "frame",
    "is_fragmenting",
    "kind_of",
    "payload",
    "setting",
    "shareable",
    "write_own",
]

Sendable: TypeAlias = str | bytes | bytearray | memoryview
"""What is sent as one message."""

Blocked: TypeAlias = Callable[[Any, Any], object]
"""Called with a connection that cannot be written to, and a message."""

Setting: TypeAlias = tuple[Any, ...] | None
"""Compression parameters without context takeover: window bits, then the arguments for zlib. None
if a shared frame is not compressed."""


class Kind(enum.Enum):
    """How frames can be sent to a class of connections."""

    OWN = enum.auto()
    """Probed by rtmon: it flushes the groups that it is in, and counts its messages."""
    PLAIN = enum.auto()
    """It only writes its protocol's bytes to the transport."""
    FOREIGN = enum.auto()
    """A client's, or one with its own way of sending: messages go through the library."""


class Piece(NamedTuple):
    """A message: its frame, its original form, and the callback for blocked connections."""

    opcode: Opcode
    data: bytes
    frame: bytes
    message: Any
    on_blocked: Blocked | None


def kind_of(connection_class: type[Any]) -> Kind:
    """Return how frames can be sent to a class of connections."""
    if not issubclass(connection_class, ServerConnection):
        return Kind.FOREIGN
    if issubclass(connection_class, CountingConnection):
        send_data: Any = connection_class._base_send_data  # noqa: SLF001 - rtmon's own
        return Kind.OWN if send_data is Connection.send_data else Kind.FOREIGN
    send_data = connection_class.send_data
    return Kind.PLAIN if send_data is Connection.send_data else Kind.FOREIGN


def shareable(protocol: Any) -> bool:
    """Return True if a server protocol does nothing with a message but compress and frame it."""
    extensions = protocol.extensions
    return (
        type(protocol) is ServerProtocol
        and not protocol.debug
        and (not extensions or (len(extensions) == 1 and type(extensions[0]) is PerMessageDeflate))
    )


def is_fragmenting(connection: Any) -> bool:
    """Return True if a connection is in the middle of a fragmented message, in any version."""
    return (
        getattr(connection, "send_in_progress", None) is not None
        or getattr(connection, "fragmented_send_waiter", None) is not None  # up to version 15
        or connection.protocol.expect_continuation_frame
    )


def setting(extensions: list[Any]) -> Setting:
    """Return how a frame for a connection with these extensions may be compressed.

    With context takeover, a frame depends on earlier messages of the same connection: other
    connections would silently decompress it to another message. Uncompressed
    (RSV1 = 0), a message is right on every connection (RFC 7692, section 6).
    """
    if extensions and extensions[0].local_no_context_takeover:
        deflate = extensions[0]
        return (deflate.local_max_window_bits, *deflate.compress_settings.items())
    return None


def payload(message: Any, text: bool | None) -> tuple[Opcode, bytes]:  # noqa: FBT001 - the library's
    """Return a message as opcode and bytes.

    Raises:
        TypeError: it is neither ``str`` nor bytes-like.
    """
    if isinstance(message, str):
        return (Opcode.BINARY if text is False else Opcode.TEXT), message.encode()
    if isinstance(message, bytes | bytearray | memoryview):
        return (Opcode.TEXT if text is True else Opcode.BINARY), bytes(message)
    raise TypeError("data must be str or bytes")


def frame(opcode: Opcode, data: bytes, setting: Setting) -> bytes:
    """Return the message as one unmasked frame."""
    if setting is None:
        return Frame(opcode, data).serialize(mask=False)
    bits, *settings = setting
    # A new protocol, because a connection's may be in the middle of a fragmented message.
    deflate = PerMessageDeflate(
        remote_no_context_takeover=True,
        local_no_context_takeover=True,
        remote_max_window_bits=15,
        local_max_window_bits=bits,
        compress_settings=dict(settings),
    )
    return Frame(opcode, data).serialize(mask=False, extensions=[deflate])


def write_own(connection: Any, pieces: Sequence[Piece]) -> None:
    """Write messages to a probed connection, after its queued ones, and count them.

    Raises:
        Exception: raised by the transport; nothing is counted.
    """
    tally = connection._tally  # noqa: SLF001 - rtmon's own
    if tally.groups:
        tally.flush(begins=False)
    data = b"".join([piece.frame for piece in pieces])
    connection.transport.write(data)
    try:
        for piece in pieces:
            tally.frame_sent(piece.opcode, piece.data, fin=True)
        meter = tally.meter
        meter.own_wire_out += len(data)
        meter.ledger.wire_out += len(data)
        meter.mark()
    except Exception as exc:  # noqa: BLE001 - nothing that goes wrong in counting reaches anybody
        connection.monitor.probe_failed(exc)
