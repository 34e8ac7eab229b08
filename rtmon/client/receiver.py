"""Decode messages from a hub, and pass each to the part of the client that handles it. No I/O."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from ..errors import ProtocolError
from ..protocol import limits
from ..protocol.binary_messages import CHUNK, decode_chunk
from ..protocol.catalog import POSITIONED, Batch, Position
from ..protocol.codecs import JSON, Codec
from ..protocol.envelope import Envelope
from .memberships import Memberships, position_of
from .reconnection import Lifecycle
from .result_types import Change, Message
from .send_scheduler import Sender
from .session_events import Chunk, Event, Replayed

__all__ = ["Greeting", "Receiver"]

_LATER = frozenset({"rate_limited", "overloaded", "unavailable"})
"""Error codes of the server after which the client sends the refused message again."""

_LONGEST_WAIT = 30.0
"""Maximum number of seconds until the client sends a refused message again."""


class _Limits(msgspec.Struct):
    rate: Annotated[float, msgspec.Meta(gt=0)] = limits.RATE
    burst: int | None = None
    message_size: int = limits.MESSAGE_SIZE


class Greeting(msgspec.Struct):
    """The fields of a ``welcome`` message that a client uses."""

    client_id: str
    session: str
    limits: _Limits = msgspec.field(default_factory=_Limits)


class Receiver:
    """Handles the messages that a client receives from a hub.

    Args:
        lifecycle: connection state of the client.
        sender: holds sent messages that wait for an answer.
        places: the client's channels, rooms and the chat, whose messages are numbered.
        welcomed: called with the first ``welcome`` message of a connection.
        tell: called with each event that is to be delivered to the user.

    Attributes:
        received: number of messages so far, including heartbeats.
        retry: False if the server asked the client not to reconnect, True if it allowed it; None if
            it sent neither.
        retry_after: seconds that the server asked to wait before reconnecting; None if it did not.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        sender: Sender,
        places: Memberships,
        *,
        welcomed: Callable[[Greeting, float], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._lifecycle = lifecycle
        self._sender = sender
        self._places = places
        self._welcomed = welcomed
        self._tell = tell
        self.received = 0
        self.retry: bool | None = None
        self.retry_after: float | None = None

    def start(self) -> None:
        """Reset ``retry`` and ``retry_after`` for a new connection."""
        self.retry = self.retry_after = None

    def receive(self, data: str | bytes, now: float) -> None:
        """Handle a message from the server. Invalid messages raise no exception here."""
        codec = JSON if isinstance(data, str) else self._sender.wire.codec
        try:
            if isinstance(data, bytes) and data[:1] == bytes((CHUNK,)):
                self._tell(Chunk(*decode_chunk(data)))
                return
            self._handle(codec.decode(data), codec, now)
        except ProtocolError as error:
            # The server may be newer than this client, or may be no hub. Report the error, and go
            # on.
            self._error(f"a message of the server cannot be read: {error}", error)

    def _handle(self, envelope: Envelope, codec: Codec, now: float) -> None:
        kind = envelope.type
        if kind == "batch":
            for raw in codec.payload(envelope.payload, Batch, of=kind).messages:
                self._handle(codec.decode(raw), codec, now)
            return
        self.received += 1
        payload = _decoded(codec.payload(envelope.payload, dict[str, Any], of=kind))
        if not self._sender.connected and kind != "welcome":
            # A hub sends nothing before its welcome, so this server is not a hub.
            return
        if kind == "welcome":
            self._welcome(envelope, payload, now)
        elif kind == "ping":
            answer = {"timestamp": payload.get("timestamp")}
            self._sender.control("pong", answer, now, reply_to=envelope.id)
        elif kind == "error":
            self._refused(envelope, payload, now)
        elif not self._answered(envelope, payload):
            self._unasked(envelope, payload, now)

    def _unasked(self, envelope: Envelope, payload: dict[str, Any], now: float) -> None:
        if envelope.type == "pong":
            self._sender.pinged(envelope.reply_to, now)
            return
        if envelope.type == "disconnect":
            self._goodbye(payload)
        elif envelope.type == "gap":
            self._places.gap(payload)
        self._deliver(envelope, payload)

    def _welcome(self, envelope: Envelope, payload: dict[str, Any], now: float) -> None:
        if self._sender.connected:
            # This ``welcome`` answers the client's ``connect``. Its chat position is out of date.
            self._sender.outbox.answered(envelope.reply_to)
            return
        if self._lifecycle.state == "closing":
            return
        try:
            greeting = msgspec.convert(payload, Greeting)
        except msgspec.ValidationError as error:
            raise ProtocolError("invalid_payload", f"its welcome: {error}") from None
        self._places.located(self._places.chat, payload)
        self._welcomed(greeting, now)
        self._deliver(envelope, payload)

    def _goodbye(self, payload: dict[str, Any]) -> None:
        retry, after = payload.get("retry"), payload.get("retry_after")
        self.retry = retry if isinstance(retry, bool) else None
        if isinstance(after, int | float) and not isinstance(after, bool):
            self.retry_after = float(after)

    def _answered(self, envelope: Envelope, payload: dict[str, Any]) -> bool:
        entry = self._sender.outbox.answered(envelope.reply_to)
        if entry is None:
            return False
        if entry.settle is not None:
            entry.settle(_message(envelope, payload, position=position_of(payload)))
        return True

    def _refused(self, envelope: Envelope, payload: dict[str, Any], now: float) -> None:
        sender = self._sender
        code = str(payload.get("code"))
        error = ProtocolError(code, str(payload.get("message")), retry=payload.get("retry") is True)
        entry = sender.outbox.answered(envelope.reply_to)
        if code in _LATER:
            sender.pause(until=now + _wait(payload.get("retry_after")))
            if sender.heartbeat.refused(envelope.reply_to):
                return
            if entry is not None:
                sender.outbox.again(entry)
                return
        if entry is None or not entry.fail(error):
            self._error(error.message, error)

    def _deliver(self, envelope: Envelope, payload: dict[str, Any]) -> None:
        gap, replayed, position = False, False, None
        place = POSITIONED.get(envelope.type)
        if place is not None:
            position = position_of(payload)
            taken = self._places.take(place, payload, position)
            if taken is None:
                return
            gap, replayed = taken
        message = _message(envelope, payload, position=position, gap=gap)
        self._tell(Replayed(message) if replayed else message)

    def _error(self, reason: str, error: Exception) -> None:
        self._tell(Change(what="error", state=self._lifecycle.state, reason=reason, error=error))


def _decoded(payload: dict[str, Any]) -> dict[str, Any]:
    if payload.get("encoding") != "base64":
        return payload
    try:
        return {**payload, "data": base64.b64decode(payload["data"], validate=True)}
    except (KeyError, TypeError, ValueError):
        return payload


def _message(
    envelope: Envelope,
    payload: dict[str, Any],
    *,
    position: Position | None = None,
    gap: bool = False,
) -> Message:
    text = {
        field: value if isinstance(value := payload.get(field), str) else None
        for field in ("channel", "client_id", "name")
    }
    return Message(
        type=envelope.type,
        payload=payload,
        id=envelope.id,
        timestamp=envelope.timestamp,
        position=position,
        gap=gap,
        **text,
    )


def _wait(retry_after: object) -> float:
    """Return the seconds to wait before sending again: the server's value, limited to a maximum.

    Returns 0.0 if the server's value is no number.
    """
    if isinstance(retry_after, bool) or not isinstance(retry_after, int | float):
        return 0.0
    return min(max(float(retry_after), 0.0), _LONGEST_WAIT)
