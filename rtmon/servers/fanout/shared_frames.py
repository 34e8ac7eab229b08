"""Encode frames that many connections can share, and decide which connections can share them."""

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
"""Types of a message: text, or bytes for a binary message."""

Blocked: TypeAlias = Callable[[Any, Any], object]
"""A function that is called with a connection and a message that cannot be written to it."""

Setting: TypeAlias = tuple[Any, ...] | None
"""Compression parameters of a shared frame: window bits, then the arguments for zlib. None if it is
not compressed."""


class Kind(enum.Enum):
    """How a shared frame can be written to connections of a class."""

    OWN = enum.auto()
    """A class with rtmon's probe: counts messages, and writes pending group messages first."""
    PLAIN = enum.auto()
    """A class that only writes the bytes of its protocol to the transport."""
    FOREIGN = enum.auto()
    """A client's class, or a class with its own sending method. The library sends its messages."""


class Piece(NamedTuple):
    """A published message.

    Attributes:
        opcode: text or binary.
        data: the payload.
        frame: the encoded frame, which connections share.
        message: the message as it was published.
        on_blocked: called if the message cannot be written to a connection. None to call the
            ``on_blocked`` of the group.
    """

    opcode: Opcode
    data: bytes
    frame: bytes
    message: Any
    on_blocked: Blocked | None


def kind_of(connection_class: type[Any]) -> Kind:
    """Return how a shared frame can be written to connections of a class."""
    if not issubclass(connection_class, ServerConnection):
        return Kind.FOREIGN
    if issubclass(connection_class, CountingConnection):
        send_data: Any = connection_class._base_send_data  # noqa: SLF001 - an attribute of rtmon
        return Kind.OWN if send_data is Connection.send_data else Kind.FOREIGN
    send_data = connection_class.send_data
    return Kind.PLAIN if send_data is Connection.send_data else Kind.FOREIGN


def shareable(protocol: Any) -> bool:
    """Return True if a server protocol only compresses and frames messages.

    Other protocol classes or extensions might change a message, so they cannot share frames.
    """
    extensions = protocol.extensions
    return (
        type(protocol) is ServerProtocol
        and not protocol.debug
        and (not extensions or (len(extensions) == 1 and type(extensions[0]) is PerMessageDeflate))
    )


def is_fragmenting(connection: Any) -> bool:
    """Return True if a connection is in the middle of sending a fragmented message.

    Works with all supported versions of ``websockets``.
    """
    return (
        getattr(connection, "send_in_progress", None) is not None
        or getattr(connection, "fragmented_send_waiter", None) is not None  # websockets up to 15
        or connection.protocol.expect_continuation_frame
    )


def setting(extensions: list[Any]) -> Setting:
    """Return how a shared frame may be compressed for a connection with these extensions.

    With context takeover, a compressed frame depends on earlier messages of its connection. Other
    connections would decompress it to a wrong message, without an error. An uncompressed frame
    (RSV1 = 0) is valid on every connection (RFC 7692, section 6).
    """
    if extensions and extensions[0].local_no_context_takeover:
        deflate = extensions[0]
        return (deflate.local_max_window_bits, *deflate.compress_settings.items())
    return None


def payload(message: Any, text: bool | None) -> tuple[Opcode, bytes]:  # noqa: FBT001 - the library's name for it
    """Return the opcode and the payload of a message.

    Args:
        message: ``str`` or bytes-like.
        text: True to send bytes as text, False to send a ``str`` as binary, None for the type's
            usual opcode.

    Raises:
        TypeError: the message is neither ``str`` nor bytes-like.
    """
    if isinstance(message, str):
        return (Opcode.BINARY if text is False else Opcode.TEXT), message.encode()
    if isinstance(message, bytes | bytearray | memoryview):
        return (Opcode.TEXT if text is True else Opcode.BINARY), bytes(message)
    raise TypeError("data must be str or bytes")


def frame(opcode: Opcode, data: bytes, setting: Setting) -> bytes:
    """Return the message as one unmasked frame, compressed with the given setting if not None."""
    if setting is None:
        return Frame(opcode, data).serialize(mask=False)
    bits, *settings = setting
    # Use a new compressor, because the compressor of a connection may be in the middle of a
    # fragmented message.
    deflate = PerMessageDeflate(
        remote_no_context_takeover=True,
        local_no_context_takeover=True,
        remote_max_window_bits=15,
        local_max_window_bits=bits,
        compress_settings=dict(settings),
    )
    return Frame(opcode, data).serialize(mask=False, extensions=[deflate])


def write_own(connection: Any, pieces: Sequence[Piece]) -> None:
    """Write messages to a connection with a probe, after its pending messages, and count them.

    Raises:
        Exception: the transport raised. Then nothing is counted.
    """
    tally = connection._tally  # noqa: SLF001 - an attribute of rtmon
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
    except Exception as exc:  # noqa: BLE001 - an error of counting must not reach the application
        connection.monitor.probe_failed(exc)
