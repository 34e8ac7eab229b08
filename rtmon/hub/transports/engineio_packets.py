"""Validation of Engine.IO packets from clients, before python-engineio processes them.

Without this validation, malformed packets can make python-engineio raise an exception or wait
forever for a poll.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ...errors import MissingExtra
from ...protocol import limits

try:
    import engineio  # type: ignore[import-untyped]
except ImportError:
    raise MissingExtra("The Socket.IO transport", "python-socketio", "asgi") from None

__all__ = ["PacketError", "TooLargeError", "checked", "read_body", "read_packets"]

_SEPARATOR = "\x1e"
_CONTROL = len("2probe")
"""Maximum length of a packet that is not a message."""


class PacketError(OSError):
    """A client sent an invalid packet.

    The class derives from OSError, so that python-engineio closes the connection.
    """


class TooLargeError(Exception):
    """The body of a request is larger than allowed."""


class _Payload(engineio.payload.Payload):  # type: ignore[misc]  # untyped library
    """The packets of one POST: up to ``limits.BURST``, instead of python-engineio's 16."""

    max_decode_packets = limits.BURST


def checked(packet: str | bytes, *, kinds: str = "1235") -> str | bytes:
    """Return a packet from a client unchanged, after validating it.

    Args:
        packet: the packet. Bytes are always a message.
        kinds: allowed packet types, in addition to messages.

    Raises:
        PacketError: the packet is invalid.
    """
    if isinstance(packet, bytes):
        return packet
    kind, second = packet[:1], packet[1:2]
    if kind == "4":  # a message, whose content begins with the digit of a Socket.IO packet type
        right = not second or (second.isascii() and second.isdigit())
    elif kind == "b":
        right = _is_base64(packet[1:])
    else:
        right = kind != "" and kind in kinds and len(packet) <= _CONTROL
    if not right:
        raise PacketError("This is no packet of Engine.IO.")
    return packet


def read_packets(body: bytes) -> list[Any]:
    """Return the packets in the body of a POST.

    Raises:
        PacketError: a packet is invalid, or there are too many.
    """
    try:
        text = body.decode()
        if not text.startswith("d="):  # JSONP
            for packet in text.split(_SEPARATOR):
                checked(packet, kinds="135")
        packets: list[Any] = _Payload(encoded_payload=text).packets
    except (ValueError, LookupError, RecursionError):
        raise PacketError("This is no packet of Engine.IO.") from None
    if any(packet.packet_type not in (1, 3, 4, 5) for packet in packets):
        raise PacketError("This is no packet of Engine.IO.")
    return packets


async def read_body(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    most: int,
) -> bytes | None:
    """Read the whole body of a request; None if the client has disconnected.

    Args:
        scope: the ASGI scope of the request.
        receive: the server's ``receive``.
        most: maximum size of the body in bytes.

    Raises:
        TooLargeError: the body is larger.
    """
    lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    if any(int(value) > most for value in lengths if value.isdigit()):
        raise TooLargeError
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            raise TooLargeError
        if not message.get("more_body", False):
            return bytes(body)


def _is_base64(text: str) -> bool:
    """Return whether a text is valid base64."""
    try:
        base64.b64decode(text)
    except ValueError:
        return False
    return True
