"""The channels, rooms and the chat that a client is in, across reconnects. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ..errors import ProtocolError
from ..protocol.catalog import Position
from ..protocol.message_type import PlaceKind
from .errors import MessageExpired
from .history_positions import Cursor
from .outbox import OutboxEntry
from .result_types import Message
from .send_scheduler import Sender

__all__ = ["Membership", "Memberships", "position_of"]

_Key = tuple[PlaceKind, str]

_CHAT: Final[_Key] = ("chat", "")


class Membership:
    """A channel, pattern, room or the chat that a client is in, across reconnects.

    Attributes:
        cursor: position of the last message received.
        entered: True if the server has accepted the client on the present connection.
        been: True if the server has accepted the client on any connection.
        version: number of rewinds so far. Answers to requests that were sent before the last rewind
            are ignored.
        told: the furthest position that was delivered. After a rewind the cursor is behind it.
        on_entered: functions called each time that the server accepts the client, with True if
            messages were lost.
        on_refused: functions called with the error if the server refuses the client.
    """

    def __init__(self, kind: PlaceKind, name: str, position: Position | None = None) -> None:
        self.kind = kind
        self.name = name
        self.cursor = Cursor(dense=kind == "channel", position=position)
        self.entered = self.been = False
        self.version = 0
        self.told: Position | None = None
        self.on_entered: list[Callable[[bool], None]] = []
        self.on_refused: list[Callable[[Exception], None]] = []

    @property
    def key(self) -> _Key:
        """Kind and name of the channel, room or chat."""
        return (self.kind, self.name)

    def again(self, at: Position) -> bool:
        """Return True if this position was delivered before; otherwise record it as delivered."""
        told = self.told
        if told is not None and told.epoch == at.epoch and at.offset <= told.offset:
            return True
        self.told = at
        return False

    @property
    def pattern(self) -> bool:
        """True for a pattern, which matches several channels and has no position."""
        return self.kind == "channel" and "*" in self.name


class Memberships:
    """All memberships of a client. After each reconnect they are requested again, with positions.

    Args:
        sender: sends the requests to join, subscribe, leave and unsubscribe.

    Attributes:
        gaps: how often messages were lost, because the server's history no longer held them.
        duplicates: number of messages that were received again and not delivered again.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._places: dict[_Key, Membership] = {_CHAT: Membership("chat", "")}
        self._inside: set[_Key] = set()
        """Keys of the memberships that the server has confirmed on the present connection."""
        self._requests: dict[_Key, OutboxEntry] = {}
        """Requests that wait for an answer, by the key of their channel or room."""
        self._answered: deque[_Key] = deque()
        self.gaps = self.duplicates = 0

    @property
    def chat(self) -> Membership:
        """The membership of the chat of all clients, which every client is in."""
        return self._places[_CHAT]

    def get(self, kind: PlaceKind, name: str) -> Membership | None:
        """Return the membership of a channel or room; None if the client is not in it."""
        return self._places.get((kind, name))

    # Joining and leaving

    def enter(
        self, kind: PlaceKind, name: str, now: float, since: Position | None = None
    ) -> Membership:
        """Return the membership of a channel or room; add and request it if there is none."""
        place = self._places.get((kind, name))
        if place is None:
            place = self._places[kind, name] = Membership(kind, name, since)
            self._request(place.key, now)
        return place

    def leave(self, place: Membership, now: float) -> None:
        """Remove a membership, and ask the server to remove the client from it."""
        if self._places.get(place.key) is place:
            del self._places[place.key]
            self._request(place.key, now)

    def rewind(self, place: Membership, position: Position, now: float) -> None:
        """Request the messages after a position again."""
        place.cursor.position, place.entered = position, False
        place.version += 1
        self._request(place.key, now)

    def reenter(self, now: float) -> None:
        """Request all memberships again on a new connection."""
        for entry in self._requests.values():
            self._sender.outbox.forget(entry.key)
        self._requests.clear()
        self._inside.clear()
        for place in self._places.values():
            place.entered = place.key == _CHAT
            self._request(place.key, now)

    def proceed(self, now: float) -> None:
        """Send the next request, if any, for each channel or room that has no pending request."""
        while self._answered:
            self._request(self._answered.popleft(), now)

    def end(self, error: Exception) -> None:
        """Remove all memberships, because the client is closed."""
        for place in self._places.values():
            for refuse in place.on_refused:
                refuse(error)
        self._places = {_CHAT: self.chat}

    def _request(self, key: _Key, now: float) -> None:
        """Request the change that the server needs to agree with the user's wish, if any.

        At most one request for a channel or room is pending. If there were two, the server could
        refuse the first by its rate limit, and the client would send it again after the second.
        """
        if key == _CHAT or key in self._requests or not self._sender.connected:
            return
        place = self._places.get(key)
        if key in self._inside:
            if place is None or not place.entered:
                self._ask_out(key, now)
        elif place is not None:
            self._ask_in(place, now)

    def _ask_in(self, place: Membership, now: float) -> None:
        position = place.cursor.position
        payload: dict[str, Any] = {place.kind: place.name}
        if position is not None and not place.pattern:
            payload["since"] = {"epoch": position.epoch, "offset": position.offset}
        version = place.version

        def settle(answer: Message | Exception) -> None:
            if isinstance(answer, Message):
                self._inside.add(place.key)
            # After a rewind, an answer to an older request has another position: ignore it.
            if self._places.get(place.key) is place and version == place.version:
                self._let_in(place, answer)

        kind = "join_room" if place.kind == "room" else "subscribe"
        self._requests[place.key] = self._sender.control(
            kind, payload, now, self._settling(place.key, settle)
        )

    def _ask_out(self, key: _Key, now: float) -> None:
        kind, name = key

        def settle(answer: Message | Exception) -> None:
            # The request was never sent, so it has not changed the server's state. It is sent
            # again.
            if not isinstance(answer, MessageExpired):
                self._inside.discard(key)

        answered = self._settling(key, settle)
        if kind == "channel":
            entry = self._sender.control("unsubscribe", {"channel": name}, now, answered)
        else:
            # Leave the room only after the queued messages to this room were sent.
            entry = self._sender.take_back("leave_room", {"room": name}, now, answered)
        self._requests[key] = entry

    def _settling(
        self, key: _Key, settle: Callable[[Message | Exception], None]
    ) -> Callable[[Message | Exception], None]:
        """Wrap a handler of an answer, so that the answered request is no longer pending."""

        def answered(answer: Message | Exception) -> None:
            self._requests.pop(key, None)
            self._answered.append(key)
            settle(answer)

        return answered

    def _let_in(self, place: Membership, answer: Message | Exception) -> None:
        """Handle the server's answer to a request to join or subscribe."""
        if isinstance(answer, Message):
            place.entered = True
            self.located(place, answer.payload)
        elif isinstance(answer, ProtocolError) and answer.code == "invalid_position":
            place.cursor.lost, place.cursor.position = True, None
            self.gaps += 1
            for enter in list(place.on_entered):
                enter(True)
        elif isinstance(answer, ProtocolError):
            del self._places[place.key]
            for refuse in list(place.on_refused):
                refuse(answer)

    # Receiving

    def located(self, place: Membership, payload: dict[str, Any]) -> None:
        """Handle the position in a history that the server reports when it accepts the client."""
        recovered = payload.get("recovered")
        if place.pattern:
            # A pattern has no history, so messages published between two connections are lost.
            lost = place.cursor.entered(None, None if not place.been else False)
        else:
            lost = place.cursor.entered(position_of(payload), recovered)
        place.been = True
        self.gaps += lost
        for enter in list(place.on_entered):
            enter(lost)

    def gap(self, payload: dict[str, Any]) -> None:
        """Handle the server's ``gap``: messages of a channel, a room or the chat were lost."""
        kind = next((kind for kind in ("room", "channel") if kind in payload), None)
        key = _CHAT if kind is None else (kind, str(payload[kind]))
        place = self._places.get(key)
        if place is not None and place.entered:
            self.located(place, payload)

    def take(
        self, kind: PlaceKind, payload: dict[str, Any], position: Position | None
    ) -> tuple[bool, bool] | None:
        """Handle a message of a channel, room or the chat.

        Returns:
            A pair: whether a message before this one was lost, and whether this message was
            delivered before a rewind. None if the message must not be delivered now.
        """
        key = _CHAT if kind == "chat" else (kind, str(payload.get(kind)))
        place = self._places.get(key)
        if place is None:
            return False, False
        if not place.entered:
            # The server sends this message again during recovery, in order.
            return None if place.been else (False, False)
        if position is None:
            return False, False
        known = place.cursor.lost
        gap = place.cursor.take(position)
        if gap is None:
            self.duplicates += 1
            return None
        self.gaps += gap and not known
        return gap, place.again(position)


def position_of(payload: dict[str, Any]) -> Position | None:
    """Return the position (epoch and offset) in a payload; None if the payload has none."""
    try:
        return msgspec.convert(
            {"epoch": payload.get("epoch"), "offset": payload.get("offset")}, Position
        )
    except msgspec.ValidationError:
        return None
