"""Binary WebSocket messages for file chunks, and for an envelope followed by raw data.

The first byte is 0x01 or 0x02 and says which of the two a message is. No JSON object or MessagePack
map begins with either byte.
"""

from __future__ import annotations

import struct
from typing import Final

from ..errors import ProtocolError

__all__ = [
    "ATTACHED",
    "CHUNK",
    "decode_attached",
    "decode_chunk",
    "encode_attached",
    "encode_chunk",
]

CHUNK: Final = 0x01
"""First byte of a file chunk. Layout: this byte, length of the file id (1 byte), file id (ASCII),
offset (64 bits, big-endian), data."""

ATTACHED: Final = 0x02
"""First byte of an envelope with data. Layout: this byte, length of the envelope (32 bits,
big-endian), envelope, data."""

_OFFSET = struct.Struct(">Q")
_LENGTH = struct.Struct(">I")


def encode_chunk(file: str, offset: int, data: bytes | memoryview) -> bytes:
    """Encode one chunk of a file as a binary message.

    Args:
        file: the file id.
        offset: position of the chunk in the file, in bytes.
        data: the bytes of the chunk.
    """
    key = file.encode("ascii")
    return b"".join((bytes((CHUNK, len(key))), key, _OFFSET.pack(offset), data))


def decode_chunk(message: bytes) -> tuple[str, int, memoryview]:
    """Decode a file chunk. Returns the file id, the offset in bytes, and the data.

    Raises:
        ProtocolError: the message is truncated, or the file id is not ASCII.
    """
    try:
        end = 2 + message[1]
        file = message[2:end].decode("ascii")
        (offset,) = _OFFSET.unpack_from(message, end)
    except (IndexError, UnicodeDecodeError, struct.error):
        raise ProtocolError(
            "invalid_message",
            "This file chunk is truncated. Send the byte 0x01, the length of the file id, the "
            "file id, the offset as 64 bits big-endian, the data.",
        ) from None
    return file, offset, memoryview(message)[end + _OFFSET.size :]


def encode_attached(envelope: bytes, data: bytes) -> bytes:
    """Encode an envelope and the data that belongs to it as one binary message."""
    return b"".join((bytes((ATTACHED,)), _LENGTH.pack(len(envelope)), envelope, data))


def decode_attached(message: bytes) -> tuple[bytes, bytes]:
    """Split a binary message into the envelope, still encoded, and the data behind it.

    Raises:
        ProtocolError: the message is truncated.
    """
    begin = 1 + _LENGTH.size
    length = _LENGTH.unpack_from(message, 1)[0] if len(message) >= begin else len(message)
    if begin + length > len(message):
        raise ProtocolError(
            "invalid_message",
            "This message is truncated. Send the byte 0x02, the length of the envelope as 32 "
            "bits big-endian, the envelope, the data.",
        )
    return message[begin : begin + length], message[begin + length :]
