"""Engine.IO packets as clients send them, checked before python-engineio sees them.

It raises for some that are none, waits for a poll that never comes, or takes any amount of them.
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
"""Characters of the longest packet that is no message."""


class PacketError(OSError):
    """What a client sent is no packet. An OSError, so that python-engineio ends the connection."""


class TooLargeError(Exception):
    """A request has a larger body than is taken."""


class _Payload(engineio.payload.Payload):  # type: ignore[misc]  # has no types
    """What one POST carries: as many packets as a client may send at once, rather than 16."""

    max_decode_packets = limits.BURST


def checked(packet: str | bytes, *, kinds: str = "1235") -> str | bytes:
    """A packet that a client sent, if it is one.

    Args:
        packet: as it was sent: bytes are always a message.
        kinds: types that are taken, beside messages.

    Raises:
        PacketError: it is none.
    """
    if isinstance(packet, bytes):
        return packet
    kind, second = packet[:1], packet[1:2]
    if kind == "4":  # a message: Socket.IO's begin with a digit of their own
        right = not second or (second.isascii() and second.isdigit())
    elif kind == "b":
        right = _is_base64(packet[1:])
    else:
        right = kind != "" and kind in kinds and len(packet) <= _CONTROL
    if not right:
        raise PacketError("This is no packet of Engine.IO.")
    return packet


def read_packets(body: bytes) -> list[Any]:
    """The packets that a client which polls has posted.

    Raises:
        PacketError: they are none, or too many.
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
    """Read a request's body to its end, however it is framed; None if the client has left.

    Raises:
        TooLargeError: it has more bytes than ``most``.
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
    try:
        base64.b64decode(text)
    except ValueError:
        return False
    return True
