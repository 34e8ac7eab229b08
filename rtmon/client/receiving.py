"""What comes from the server, and what a session does about it. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from ..errors import ProtocolError
from ..protocol import limits
from ..protocol.binary import CHUNK, decode_chunk
from ..protocol.codecs import JSON, Codec
from ..protocol.envelope import Envelope
from ..protocol.incoming import Position
from ..protocol.outgoing import Batch
from .places import CHAT, Place
from .records import Change, Message

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Chunk", "Greeting", "Receiver", "Replayed"]

_LATER = frozenset({"rate_limited", "overloaded", "unavailable"})
"""Errors that say no more than: not now."""

_LONGEST_WAIT = 30.0
"""Seconds that a client waits at most before it sends a refused message again."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file that the server sends."""

    file: str
    offset: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Replayed:
    """A message that was passed on before, and comes again for a reader who was behind."""

    message: Message


class _Limits(msgspec.Struct):
    rate: Annotated[float, msgspec.Meta(gt=0)] = limits.RATE
    burst: int | None = None
    message_size: int = limits.MESSAGE_SIZE


class Greeting(msgspec.Struct):
    """What a client needs to know of a ``welcome``."""

    client_id: str
    session: str
    limits: _Limits = msgspec.field(default_factory=_Limits)


def _wait(retry_after: object) -> float:
    """Seconds for which the server wants nothing: as it says, within reason."""
    if isinstance(retry_after, bool) or not isinstance(retry_after, int | float):
        return 0.0
    return min(max(float(retry_after), 0.0), _LONGEST_WAIT)


class Receiver:
    """Takes messages for a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def receive(self, data: str | bytes, now: float) -> None:
        """Take whatever came over the connection."""
        codec = JSON if isinstance(data, str) else self._session.sender.codec
        try:
            if isinstance(data, bytes) and data[:1] == bytes((CHUNK,)):
                self._session.tell(Chunk(*decode_chunk(data)))
                return
            self._handle(codec.decode(data), codec, now)
        except ProtocolError as error:
            # The server is newer than this client, or no hub; either way others can be read.
            self._error(f"a message of the server cannot be read: {error}", error)

    def _handle(self, envelope: Envelope, codec: Codec, now: float) -> None:
        session, kind = self._session, envelope.type
        if kind == "batch":
            for raw in codec.payload(envelope.payload, Batch, of=kind).messages:
                self._handle(codec.decode(raw), codec, now)
            return
        session.received += 1
        payload = _decoded(codec.payload(envelope.payload, dict[str, Any], of=kind))
        if not session.connected and kind != "welcome":
            # Nothing comes before the welcome from a hub; from others it means nothing here.
            return
        if kind == "welcome":
            self._welcome(envelope, payload, now)
        elif kind == "ping":
            session.pong(envelope.id, payload.get("timestamp"), now)
        elif kind == "error":
            self._refused(envelope, payload, now)
        elif not self._answered(envelope, payload):
            self._unasked(envelope, payload, now)

    def _unasked(self, envelope: Envelope, payload: dict[str, Any], now: float) -> None:
        if envelope.type == "pong":
            self._session.sender.pinged(envelope.reply_to, now)
            return
        if envelope.type == "disconnect":
            self._goodbye(payload)
        elif envelope.type == "gap":
            self._gap(payload)
        self._deliver(envelope, payload)

    def _welcome(self, envelope: Envelope, payload: dict[str, Any], now: float) -> None:
        session = self._session
        if session.connected:
            # The answer to `connect`; its position is that of when the connection was opened.
            session.outbox.answered(envelope.reply_to)
            return
        if session.lifecycle.state == "closing":
            return
        try:
            greeting = msgspec.convert(payload, Greeting)
        except msgspec.ValidationError as error:
            raise ProtocolError("invalid_payload", f"its welcome: {error}") from None
        self._place(session.places[CHAT], payload)
        session.welcomed(greeting, now)
        self._deliver(envelope, payload)

    def _goodbye(self, payload: dict[str, Any]) -> None:
        retry, after = payload.get("retry"), payload.get("retry_after")
        self._session.retry = retry if isinstance(retry, bool) else None
        if isinstance(after, int | float) and not isinstance(after, bool):
            self._session.retry_after = float(after)

    def _answered(self, envelope: Envelope, payload: dict[str, Any]) -> bool:
        entry = self._session.outbox.answered(envelope.reply_to)
        if entry is None:
            return False
        if entry.settle is not None:
            entry.settle(_message(envelope, payload, position=_position(payload)))
        return True

    def _refused(self, envelope: Envelope, payload: dict[str, Any], now: float) -> None:
        session = self._session
        code = str(payload.get("code"))
        error = ProtocolError(code, str(payload.get("message")), retry=payload.get("retry") is True)
        entry = session.outbox.answered(envelope.reply_to)
        if code in _LATER:
            session.sender.pause(until=now + _wait(payload.get("retry_after")))
            if session.heartbeat.refused(envelope.reply_to):
                return
            if entry is not None:
                session.outbox.again(entry)
                return
        if entry is None or not entry.fail(error):
            self._error(error.message, error)

    # Places

    def entered(self, place: Place, answer: Message | Exception, now: float) -> None:
        """The server has let the client into a place, or has not."""
        session = self._session
        if session.places.get(place.key) is not place:
            return
        if isinstance(answer, Message):
            place.entered = True
            self._place(place, answer.payload)
        elif isinstance(answer, ProtocolError) and answer.code == "invalid_position":
            place.cursor.lost, place.cursor.position = True, None
            session.gaps += 1
            for enter in list(place.on_entered):
                enter(True)
            session.reenter(place, now)
        elif isinstance(answer, ProtocolError):
            del session.places[place.key]
            for refuse in list(place.on_refused):
                refuse(answer)

    def _place(self, place: Place, payload: dict[str, Any]) -> None:
        recovered = payload.get("recovered")
        if place.pattern:
            # A pattern has no history to return to.
            lost = place.cursor.entered(None, None if not place.been else False)
        else:
            lost = place.cursor.entered(_position(payload), recovered)
        place.been = True
        self._session.gaps += lost
        for enter in list(place.on_entered):
            enter(lost)

    def _gap(self, payload: dict[str, Any]) -> None:
        kind = next((kind for kind in ("room", "channel") if kind in payload), None)
        key = CHAT if kind is None else (kind, str(payload[kind]))
        place = self._session.places.get(key)
        if place is not None and place.entered:
            self._place(place, payload)

    def _deliver(self, envelope: Envelope, payload: dict[str, Any]) -> None:
        kind, gap, replayed, position = envelope.type, False, False, None
        if kind in {"chat_message", "room_message", "publication"}:
            position = _position(payload)
            place = self._session.places.get(_key(kind, payload))
            if place is not None and place.been and not place.entered:
                # It comes again, in its order, as soon as the client is let in.
                return
            if place is not None and place.entered and position is not None:
                known = place.cursor.lost
                taken = place.cursor.take(position)
                if taken is None:
                    self._session.duplicates += 1
                    return
                gap = taken
                self._session.gaps += gap and not known
                replayed = place.again(position)
        message = _message(envelope, payload, position=position, gap=gap)
        self._session.tell(Replayed(message) if replayed else message)

    def _error(self, reason: str, error: Exception) -> None:
        state = self._session.lifecycle.state
        self._session.tell(Change(what="error", state=state, reason=reason, error=error))


def _key(kind: str, payload: dict[str, Any]) -> tuple[str, str]:
    if kind == "chat_message":
        return CHAT
    place = "room" if kind == "room_message" else "channel"
    return place, str(payload.get(place))


def _position(payload: dict[str, Any]) -> Position | None:
    try:
        return msgspec.convert(
            {"epoch": payload.get("epoch"), "offset": payload.get("offset")}, Position
        )
    except msgspec.ValidationError:
        return None


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
