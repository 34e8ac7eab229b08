"""Encoding of publications and other messages in Redis, as MessagePack that all versions read."""

from __future__ import annotations

import msgspec

from ...protocol.catalog import OUTGOING
from ...protocol.codecs import MSGPACK
from ...protocol.data_encoding import encode_data
from ...protocol.payload_bases import DataOut
from .base import Draft, Note
from .node_messages import NODE_MESSAGES

__all__ = ["decode_draft", "decode_note", "encode_draft", "encode_note"]


def encode_draft(draft: Draft) -> bytes:
    """Encode a publication, to store it in Redis and send it to other nodes."""
    return MSGPACK.encode_struct(draft)


def decode_draft(body: bytes) -> Draft:
    """Decode a publication that :func:`encode_draft` has encoded.

    Raises:
        msgspec.MsgspecError, TypeError, ValueError: the bytes are not a valid publication. A node
            of another version, or another client of Redis, may have written them.
    """
    draft = msgspec.msgpack.decode(body, type=Draft)
    return msgspec.structs.replace(draft, data=encode_data(draft.data))


def encode_note(note: Note) -> bytes:
    """Encode a message without a position, to send it to other nodes."""
    return MSGPACK.encode_struct(note)


def decode_note(body: bytes) -> Note:
    """Decode a message that :func:`encode_note` has encoded.

    Raises:
        msgspec.MsgspecError, TypeError, ValueError: the bytes are not a valid message, or its type
            is unknown to this version.
    """
    note = msgspec.msgpack.decode(body, type=Note)
    kind = NODE_MESSAGES.get(note.type) or OUTGOING.get(note.type)
    if kind is None:
        raise msgspec.ValidationError(f"there is no message type {note.type!r}")
    payload = msgspec.convert(note.payload, kind)
    if isinstance(payload, DataOut):
        payload = msgspec.structs.replace(payload, data=encode_data(payload.data))
    return msgspec.structs.replace(note, payload=payload)
