"""Binary messages that are not envelopes; their first byte tells which kind they are.

Neither a JSON object nor a MessagePack map begins with one of these.
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
"""Chunk of a file: length of the file id, the file id, offset (u64), data."""

ATTACHED: Final = 0x02
"""Envelope and its data: length of the envelope (u32), the envelope, data."""

_OFFSET = struct.Struct(">Q")
_LENGTH = struct.Struct(">I")


def encode_chunk(file: str, offset: int, data: bytes | memoryview) -> bytes:
    """Encode a chunk of a file as a binary message."""
    key = file.encode("ascii")
    return b"".join((bytes((CHUNK, len(key))), key, _OFFSET.pack(offset), data))


def decode_chunk(message: bytes) -> tuple[str, int, memoryview]:
    """Decode a chunk of a file: file id, offset and data.

    Raises:
        ProtocolError: it is cut short, or the id is not ASCII.
    """
    try:
        end = 2 + message[1]
        file = message[2:end].decode("ascii")
        (offset,) = _OFFSET.unpack_from(message, end)
    except (IndexError, UnicodeDecodeError, struct.error):
        raise ProtocolError(
            "invalid_message",
            "This file chunk is cut short. Send the byte 0x01, the length of the file id, the "
            "file id, the offset as 64 bits big-endian, the data.",
        ) from None
    return file, offset, memoryview(message)[end + _OFFSET.size :]


def encode_attached(envelope: bytes, data: bytes) -> bytes:
    """Encode an envelope and its data as one binary message."""
    return b"".join((bytes((ATTACHED,)), _LENGTH.pack(len(envelope)), envelope, data))


def decode_attached(message: bytes) -> tuple[bytes, bytes]:
    """Split a binary message into the envelope, still encoded, and its data.

    Raises:
        ProtocolError: it is cut short.
    """
    begin = 1 + _LENGTH.size
    length = _LENGTH.unpack_from(message, 1)[0] if len(message) >= begin else len(message)
    if begin + length > len(message):
        raise ProtocolError(
            "invalid_message",
            "This message is cut short. Send the byte 0x02, the length of the envelope as 32 "
            "bits big-endian, the envelope, the data.",
        )
    return message[begin : begin + length], message[begin + length :]
