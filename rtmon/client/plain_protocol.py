"""The protocol for servers other than hubs: ``{type, payload}`` in JSON, or raw messages. No I/O.

Such a server sends no welcome message, knows no message ids, and acknowledges no messages. Every
WebSocket server answers ping frames. Pongs show that the server is alive and has received what was
sent before the ping.
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
from ..protocol.data_encoding import encode_value, plain_text
from .result_types import Message
from .session_events import Event
from .wire_formats import Ping, Raw

__all__ = ["RAW", "PlainReceiver", "PlainWire", "comes_back", "described"]

RAW: Final = "raw"
"""Type of a received :class:`Message` that is not JSON with a ``type``. Its payload is the whole
WebSocket message."""

_DEPTH = limits.DATA_DEPTH + 1
"""Maximum nesting depth of a payload, the same as for a hub."""

_PRIVATE = 3000
"""First close code that is defined by libraries and applications, not by RFC 6455 itself (see its
section 7.4.2)."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class PlainWire:
    """Encodes messages for other servers; implements :class:`rtmon.client.wire_formats.Wire`."""

    codec: Final = JSON
    repeatable: Final = frozenset[str]()  # empty: the server does not detect duplicates
    ephemeral: Final = frozenset[str]()
    message_size: Final = sys.maxsize

    def message(
        self,
        kind: str,
        payload: Any,
        *,
        key: str,  # noqa: ARG002 - this protocol has no ids, times and answers
        timestamp: int,  # noqa: ARG002
        reply_to: str | None = None,  # noqa: ARG002
        attach: bool = True,  # noqa: ARG002
        ack: bool = False,  # noqa: ARG002
    ) -> str | bytes:
        """Encode a message as ``{type, payload}``. A :class:`Raw` payload is sent unchanged."""
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
        """Join messages into ``{type: "batch", payload: {messages}}``; keep a single message."""
        if len(parts) == 1:
            return parts[0]
        messages = [msgspec.Raw(part) for part in parts]
        return _encode({"type": "batch", "payload": {"messages": messages}}).decode()

    def ping(self, *, key: str, timestamp: int) -> Ping:  # noqa: ARG002
        """Return a ping frame with the message id as its application data."""
        return Ping(key)


class PlainReceiver:
    """Decodes the messages of a server that is not a hub, and delivers them all.

    Args:
        tell: called with each message.

    Attributes:
        received: number of messages so far.
        retry, retry_after: None, because such a server sends no instruction about reconnecting.
    """

    retry: bool | None = None
    retry_after: float | None = None

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self.received = 0

    def start(self) -> None:
        """Prepare for a new connection; there is no state to reset."""

    def receive(self, data: str | bytes, now: float) -> None:  # noqa: ARG002 - the interface of Receiver
        """Handle a message from the server. Invalid messages raise no exception here."""
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
    # Some servers send the fields next to ``type``, without ``payload``.
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
    """Return True if a client should reconnect after a close code.

    The client should not reconnect if a new connection would probably end with the same code. The
    client should reconnect after code 1000, because many server libraries send 1000 whenever they
    close.
    """
    return code == NORMAL or code >= _PRIVATE or may_reconnect(code)


def described(code: int) -> str:
    """Return a short description of a close code; private codes have no name."""
    return describe(code) if code < _PRIVATE else f"close code {code}"
