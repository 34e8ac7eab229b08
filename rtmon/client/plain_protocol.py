"""The protocol of servers that are no hub: ``{type, payload}`` in JSON, or raw messages. Pure.

Such a server says no welcome, knows no ids, and acknowledges nothing. That it is alive, and has
what was sent, is asked with ping frames, which every WebSocket server answers.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ..errors import OptionError
from ..protocol import limits
from ..protocol.close import NORMAL, describe, may_reconnect
from ..protocol.codecs import JSON
from ..protocol.data import encode_value, plain_text
from .records import Message
from .session_events import Event
from .wire_formats import Ping, Raw

__all__ = ["RAW", "PlainReceiver", "PlainWire", "comes_back", "described"]

RAW: Final = "raw"
"""Type of a :class:`Message` that is no JSON object with a ``type``; its payload is all of it."""

_DEPTH = limits.DATA_DEPTH + 1
"""How deep a payload may nest: as with a hub."""

_PRIVATE = 3000
"""Close codes from here on mean what each server likes: RFC 6455, 7.4.2."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class PlainWire:
    """Encodes messages for servers that are no hub; see :class:`rtmon.client.wire_formats.Wire`."""

    codec: Final = JSON
    repeatable: Final = frozenset[str]()  # such a server takes the same message twice for two
    ephemeral: Final = frozenset[str]()
    message_size: Final = sys.maxsize

    def message(
        self,
        kind: str,
        payload: Any,
        *,
        key: str,  # noqa: ARG002 - ids, times and answers are not part of this protocol
        timestamp: int,  # noqa: ARG002
        reply_to: str | None = None,  # noqa: ARG002
        attach: bool = True,  # noqa: ARG002
        ack: bool = False,  # noqa: ARG002
    ) -> str | bytes:
        """Encode a message as ``{type, payload}``; one that is raw stays as it is."""
        if isinstance(payload, Raw):
            return payload.data
        try:
            encoded = encode_value(payload, depth=_DEPTH)
            return _encode(
                {"type": plain_text(kind), "payload": msgspec.Raw(encoded.json)}
            ).decode()
        except (TypeError, ValueError) as error:
            raise OptionError(f"The payload of {kind!r} cannot be sent: {error}.") from None

    def batch(
        self,
        parts: list[str | bytes],
        *,
        key: str,  # noqa: ARG002
        timestamp: int,  # noqa: ARG002
    ) -> str | bytes:
        """Join messages to one ``{type: "batch", payload: {messages}}``, unless there is one."""
        if len(parts) == 1:
            return parts[0]
        messages = [msgspec.Raw(part) for part in parts]
        return _encode({"type": "batch", "payload": {"messages": messages}}).decode()

    def ping(self, *, key: str, timestamp: int) -> Ping:  # noqa: ARG002
        """Return a ping frame."""
        return Ping(key)


class PlainReceiver:
    """Takes what comes from a server that is no hub, and passes all of it on.

    Args:
        tell: called with each message.

    Attributes:
        received: messages so far.
        retry, retry_after: None: such a server says nothing about reconnecting.
    """

    retry: bool | None = None
    retry_after: float | None = None

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self.received = 0

    def start(self) -> None:
        """Begin a connection."""

    def receive(self, data: str | bytes, now: float) -> None:  # noqa: ARG002 - as Receiver
        """Take a message. Never raises for what it says."""
        self.received += 1
        self._tell(_message(data))


def _message(data: str | bytes) -> Message:
    found: Any = None
    if isinstance(data, str):
        with contextlib.suppress(ValueError, RecursionError):
            found = _decode(data)
    if not (isinstance(found, dict) and isinstance(found.get("type"), str)):
        return Message(type=RAW, payload=data)
    kind = found.pop("type")
    # Some servers have their fields beside the type, and no payload.
    payload = found.get("payload", found)
    key, channel, timestamp = found.get("id"), found.get("channel"), found.get("timestamp")
    return Message(
        type=kind,
        payload=payload,
        id=key if isinstance(key, str) else None,
        timestamp=timestamp if isinstance(timestamp, int | float) else None,
        channel=channel if isinstance(channel, str) else None,
    )


def comes_back(code: int) -> bool:
    """Return whether a client tries again after a close code.

    Not after those that say that the next connection would end like this one. After 1000 it does:
    many servers end with it whatever the reason, since it is what their libraries send by default.
    """
    return code == NORMAL or code >= _PRIVATE or may_reconnect(code)


def described(code: int) -> str:
    """Return a short name for a close code, of which the private ones have none."""
    return describe(code) if code < _PRIVATE else f"close code {code}"
