"""The protocol for servers other than hubs: ``{type, payload}`` in JSON, or raw messages. Pure.

Such a server sends no welcome, knows no message ids, and acknowledges nothing. Ping frames, which
every WebSocket server answers, show that it is alive and has received what was sent.
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
from .result_types import Message
from .session_events import Event
from .wire_formats import Ping, Raw

__all__ = ["RAW", "PlainReceiver", "PlainWire", "comes_back", "described"]

RAW: Final = "raw"
"""Type of a :class:`Message` without a JSON ``type``; its payload is the whole message."""

_DEPTH = limits.DATA_DEPTH + 1
"""Maximum nesting depth of a payload, as for a hub."""

_PRIVATE = 3000
"""First private close code; each server defines its own: RFC 6455, 7.4.2."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class PlainWire:
    """Encodes messages for servers other than hubs; see :class:`rtmon.client.wire_formats.Wire`."""

    codec: Final = JSON
    repeatable: Final = frozenset[str]()  # such a server does not deduplicate
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
        """Encode a message as ``{type, payload}``; a raw message stays unchanged."""
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
        """Join messages into ``{type: "batch", payload: {messages}}``, unless there is only one."""
        if len(parts) == 1:
            return parts[0]
        messages = [msgspec.Raw(part) for part in parts]
        return _encode({"type": "batch", "payload": {"messages": messages}}).decode()

    def ping(self, *, key: str, timestamp: int) -> Ping:  # noqa: ARG002
        """Return a ping frame."""
        return Ping(key)


class PlainReceiver:
    """Decodes the messages of a server other than a hub, and delivers them all.

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
        """Reset for a new connection."""

    def receive(self, data: str | bytes, now: float) -> None:  # noqa: ARG002 - as Receiver
        """Handle a message from the server. Never raises because of its content."""
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
    # Some servers put their fields beside the type, without a payload.
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
    """Return True if a client reconnects after a close code.

    It does not after codes that a new connection would meet again. It does after 1000, the default
    of many server libraries whatever the reason.
    """
    return code == NORMAL or code >= _PRIVATE or may_reconnect(code)


def described(code: int) -> str:
    """Return a short name of a close code; private codes have none."""
    return describe(code) if code < _PRIVATE else f"close code {code}"
