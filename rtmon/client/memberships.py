"""The channels, rooms and the chat that a client is in, over all connections. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ..errors import ProtocolError
from ..protocol.catalog import Position
from ..protocol.message_type import PlaceKind
from .errors import MessageExpired
from .outbox import OutboxEntry
from .positions import Cursor
from .records import Message
from .sender import Sender

__all__ = ["Membership", "Memberships", "position_of"]

_Key = tuple[PlaceKind, str]

_CHAT: Final[_Key] = ("chat", "")


class Membership:
    """A channel, a pattern, a room or the chat that the client is in, over all connections.

    Attributes:
        cursor: position of the last message received.
        entered: true if the server has let the client in, on this connection.
        been: true if it ever has.
        version: how often it was rewound: answers to requests from before do not count.
        told: the furthest position that was passed on; the cursor is behind it after a rewind.
        on_entered: called each time the client is let in, with true if history was lost.
        on_refused: called with the error if it is not.
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
        """Kind and name."""
        return (self.kind, self.name)

    def again(self, at: Position) -> bool:
        """Return whether a position was passed on before, and note that it is now."""
        told = self.told
        if told is not None and told.epoch == at.epoch and at.offset <= told.offset:
            return True
        self.told = at
        return False

    @property
    def pattern(self) -> bool:
        """True if it stands for several channels, and so has no position."""
        return self.kind == "channel" and "*" in self.name


class Memberships:
    """All places of a client. They are entered again, from their positions, on each connection.

    Args:
        sender: sends what asks the server to be let in, and out.

    Attributes:
        gaps: times that history was lost.
        duplicates: messages that came again, and are not passed on.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._places: dict[_Key, Membership] = {_CHAT: Membership("chat", "")}
        self._inside: set[_Key] = set()
        """Where the server has the client, on this connection."""
        self._requests: dict[_Key, OutboxEntry] = {}
        """What the server was asked about a place, and has not answered."""
        self._answered: deque[_Key] = deque()
        self.gaps = self.duplicates = 0

    @property
    def chat(self) -> Membership:
        """The chat with everybody, which every client is in."""
        return self._places[_CHAT]

    def get(self, kind: PlaceKind, name: str) -> Membership | None:
        """Return a place; None if the client is not there."""
        return self._places.get((kind, name))

    # Entering and leaving

    def enter(
        self, kind: PlaceKind, name: str, now: float, since: Position | None = None
    ) -> Membership:
        """Be in a place from now on; returns the one that is there, if the client is in it."""
        place = self._places.get((kind, name))
        if place is None:
            place = self._places[kind, name] = Membership(kind, name, since)
            self._request(place.key, now)
        return place

    def leave(self, place: Membership, now: float) -> None:
        """Be in a place no more."""
        if self._places.get(place.key) is place:
            del self._places[place.key]
            self._request(place.key, now)

    def rewind(self, place: Membership, position: Position, now: float) -> None:
        """Get the messages after a position again."""
        place.cursor.position, place.entered = position, False
        place.version += 1
        self._request(place.key, now)

    def reenter(self, now: float) -> None:
        """Ask to be let into all places, on a new connection, which is in none."""
        for entry in self._requests.values():
            self._sender.outbox.forget(entry.key)
        self._requests.clear()
        self._inside.clear()
        for place in self._places.values():
            place.entered = place.key == _CHAT
            self._request(place.key, now)

    def proceed(self, now: float) -> None:
        """Send the client's next request about each place whose last request was answered."""
        while self._answered:
            self._request(self._answered.popleft(), now)

    def end(self, error: Exception) -> None:
        """Leave all places, as the client is closed."""
        for place in self._places.values():
            for refuse in place.on_refused:
                refuse(error)
        self._places = {_CHAT: self.chat}

    def _request(self, key: _Key, now: float) -> None:
        """Ask the server for what the user wants of a place, if that is not so already.

        There is one request about a place at a time: of two, the server could refuse the first for
        now, and take it when it is sent again, after the second.
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
            # What follows the answer to an earlier request begins somewhere else.
            if self._places.get(place.key) is place and version == place.version:
                self._let_in(place, answer)

        kind = "join_room" if place.kind == "room" else "subscribe"
        self._requests[place.key] = self._sender.control(
            kind, payload, now, self._settling(place.key, settle)
        )

    def _ask_out(self, key: _Key, now: float) -> None:
        kind, name = key

        def settle(answer: Message | Exception) -> None:
            # What was never sent leaves the client where it is: it is sent anew.
            if not isinstance(answer, MessageExpired):
                self._inside.discard(key)

        answered = self._settling(key, settle)
        if kind == "channel":
            entry = self._sender.control("unsubscribe", {"channel": name}, now, answered)
        else:
            # After the messages that were sent there before.
            entry = self._sender.take_back("leave_room", {"room": name}, now, answered)
        self._requests[key] = entry

    def _settling(
        self, key: _Key, settle: Callable[[Message | Exception], None]
    ) -> Callable[[Message | Exception], None]:
        """Wrap a function that takes an answer: the request is under way no more."""

        def answered(answer: Message | Exception) -> None:
            self._requests.pop(key, None)
            self._answered.append(key)
            settle(answer)

        return answered

    def _let_in(self, place: Membership, answer: Message | Exception) -> None:
        """Take the server's answer to a request to be let in."""
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
        """Take the server's word on where a place's history is."""
        recovered = payload.get("recovered")
        if place.pattern:
            # A pattern has no history to return to.
            lost = place.cursor.entered(None, None if not place.been else False)
        else:
            lost = place.cursor.entered(position_of(payload), recovered)
        place.been = True
        self.gaps += lost
        for enter in list(place.on_entered):
            enter(lost)

    def gap(self, payload: dict[str, Any]) -> None:
        """Take the server's word that history of a place was lost."""
        kind = next((kind for kind in ("room", "channel") if kind in payload), None)
        key = _CHAT if kind is None else (kind, str(payload[kind]))
        place = self._places.get(key)
        if place is not None and place.entered:
            self.located(place, payload)

    def take(
        self, kind: PlaceKind, payload: dict[str, Any], position: Position | None
    ) -> tuple[bool, bool] | None:
        """Take a publication.

        Returns:
            Whether something before it was lost, and whether it was passed on before a rewind;
            None if it is not to be passed on now.
        """
        key = _CHAT if kind == "chat" else (kind, str(payload.get(kind)))
        place = self._places.get(key)
        if place is None:
            return False, False
        if not place.entered:
            # Of a place that the client returns to, it comes again, in its order.
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
    """Return the position that a payload names; None if it names none."""
    try:
        return msgspec.convert(
            {"epoch": payload.get("epoch"), "offset": payload.get("offset")}, Position
        )
    except msgspec.ValidationError:
        return None
