"""A client without a socket: what it knows, what it wants to send, when. Pure: time is passed in.

Whoever has a socket asks :meth:`Session.next` for what to write, hands what comes to
:meth:`Session.receive`, calls :meth:`Session.tick` when :meth:`Session.due` says so, and passes on
what :meth:`Session.take_events` gives.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ..protocol import limits
from ..protocol.catalog import EPHEMERAL, Position
from ..protocol.message_type import PlaceKind
from .errors import ClientClosed, ConnectionLost, QueueFull
from .lifecycle import Lifecycle
from .options import ClientOptions
from .outbox import Entry
from .positions import CHAT, Place
from .receiver import Chunk, Greeting, Receiver, Replayed
from .records import Change, ClientStats, Message
from .sender import Sender
from .token import may_return

__all__ = ["Event", "Session"]

Event = Message | Replayed | Change | Chunk


class Session:
    """Everything about a client that outlives its connections.

    Args:
        options: how it behaves.
        rng: for the waits.
        wall: Unix seconds, for timestamps.

    Attributes:
        connected: between the server's welcome and the end of the connection.
        client_id: who the server says this client is, on this connection.
        sender: what is sent, and when.
        dead: why the connection must be cut; None while it is well.
        retry, retry_after: what the server said about coming back; None if nothing.
        places: where the client is, or wants to be.
        lifecycle: whether it is connected.
        duplicates, gaps, received, dropped: see :class:`ClientStats`.
    """

    def __init__(
        self, options: ClientOptions, *, rng: random.Random, wall: Callable[[], float]
    ) -> None:
        self.options = options
        self.lifecycle = Lifecycle(options, rng)
        self.sender = Sender(options, wall)
        self.outbox = self.sender.outbox
        self.heartbeat = self.sender.heartbeat
        self.places: dict[tuple[str, str], Place] = {CHAT: Place("chat", "")}
        self.connected = False
        self.client_id: str | None = None
        self.dead: str | None = None
        self.retry: bool | None = None
        self.retry_after: float | None = None
        self.duplicates = self.gaps = self.received = self.dropped = 0
        self._secret: str | None = None
        self._events: list[Event] = []
        self._receiver = Receiver(self)

    # Connecting

    def query(self) -> dict[str, str]:
        """What to add to the address: who one is, and where in the chat one was."""
        chat = self.places[CHAT].cursor.position
        pairs = {
            "name": self.options.name,
            "user": self.options.user,
            "epoch": None if chat is None else chat.epoch,
            "offset": None if chat is None else str(chat.offset),
        }
        return {key: value for key, value in pairs.items() if value is not None}

    def connecting(self) -> None:
        """A connection is being attempted."""
        self.lifecycle.attempt()
        self.dead = self.retry = self.retry_after = None

    def welcomed(self, welcome: Greeting, now: float) -> None:
        """The server has spoken: say who one is, and return to where one was."""
        self.sender.start(
            now,
            rate=welcome.limits.rate,
            burst=welcome.limits.burst,
            message_size=welcome.limits.message_size,
        )
        self.client_id = welcome.client_id
        self.connected = True
        options, batch = self.options, self.options.server_batch
        # The first secret of all: messages sent again must come from the same sender.
        known, self._secret = self._secret, self._secret or welcome.session
        introduction = {
            "session": known,
            "info": options.info,
            "heartbeat": max(limits.HEARTBEAT_MIN, options.heartbeat_interval),
            "batch": None if batch is None else {"size": batch.size, "delay": batch.delay},
        }
        self.sender.control(
            "connect", {k: v for k, v in introduction.items() if v is not None}, now
        )
        for place in self.places.values():
            place.entered = place.key == CHAT
            self.reenter(place, now)
        self.tell(self.lifecycle.opened(now))

    def failed(
        self, now: float, error: Exception, *, fatal: bool = False, retry_after: float | None = None
    ) -> float | None:
        """An attempt has failed. Returns the seconds until the next; None if there is none."""
        changes = self.lifecycle.failed(now, error, fatal=fatal, retry_after=retry_after)
        return self._after(changes)

    def lost(self, now: float, code: int, reason: str) -> float | None:
        """The connection has ended. Returns as :meth:`failed`."""
        self.connected = False
        for entry in self.outbox.lost():
            self.tell(self._untold(f"{entry.kind!r} was sent, but may not have arrived."))
        retry = self.retry if may_return(self.options.token, code) else False
        changes = self.lifecycle.lost(
            now, code, self.dead or reason, retry=retry, retry_after=self.retry_after
        )
        return self._after(changes)

    def closing(self) -> None:
        """Somebody wants the client closed."""
        self.lifecycle.closing()

    def closed(self, now: float) -> None:
        """The client is closed, as somebody wanted."""
        change = self.lifecycle.closed(now)
        if change is not None:
            self.tell(change)
        self._end()

    def check(self) -> None:
        """Whether anything can be done.

        Raises:
            ClientClosed: not any more.
        """
        if self.lifecycle.state in {"closing", "closed"}:
            raise self.gone()

    def gone(self) -> ClientClosed:
        """Why nothing can be done any more."""
        ended = self.lifecycle.ended
        if ended is None:
            return ClientClosed("The client is closed: connect a new one.")
        return ClientClosed(
            f"The client has given up after {ended.attempt} failures: {ended.reason}.",
            code=ended.code,
        )

    def _after(self, changes: list[Change]) -> float | None:
        for change in changes:
            self.tell(change)
        if self.lifecycle.state == "closed":
            self._end()
        return changes[-1].delay

    def _end(self) -> None:
        self.connected = False
        left = len(self.outbox.end(self.gone()))
        if left:
            self.dropped += left
            messages = "1 message" if left == 1 else f"{left} messages"
            self.tell(self._untold(f"{messages} may not have arrived: the client is closed."))
        for place in self.places.values():
            for refuse in place.on_refused:
                refuse(self.gone())
        self.places = {CHAT: self.places[CHAT]}

    # Places

    def enter(self, kind: PlaceKind, name: str, now: float, since: Position | None = None) -> Place:
        """Be in a place from now on, over all connections; the same if one is there already."""
        place = self.places.get((kind, name))
        if place is None:
            place = self.places[kind, name] = Place(kind, name, since)
            self.reenter(place, now)
        return place

    def leave(self, place: Place, now: float) -> None:
        """Be there no more."""
        if self.places.pop(place.key, None) is not place or not self.connected:
            return
        if place.kind == "channel":
            self.sender.control("unsubscribe", {"channel": place.name}, now, lambda _: None)
        else:
            # After what was said there before.
            self.take_back("leave_room", {"room": place.name}, now)

    def rewind(self, place: Place, position: Position, now: float) -> None:
        """Get again what came after a position."""
        place.cursor.position, place.entered = position, False
        if self.connected:
            self.sender.control("unsubscribe", {"channel": place.name}, now, lambda _: None)
            self.reenter(place, now)

    def reenter(self, place: Place, now: float) -> None:
        """Ask to be let into a place, on this connection."""
        if place.key == CHAT or not self.connected:
            return
        position = place.cursor.position
        payload: dict[str, Any] = {place.kind: place.name}
        if position is not None and not place.pattern:
            payload["since"] = {"epoch": position.epoch, "offset": position.offset}
        kind = "join_room" if place.kind == "room" else "subscribe"
        place.asked += 1
        asked = place.asked

        def settle(answer: Message | Exception) -> None:
            # Only the latest answer counts: what follows an earlier one begins somewhere else.
            if asked == place.asked:
                self._receiver.entered(place, answer, now)

        self.sender.control(kind, payload, now, settle)

    # Sending

    def send(
        self,
        kind: str,
        payload: Any,
        now: float,
        *,
        settle: Callable[[Message | Exception], None] | None = None,
    ) -> Entry:
        """Queue a message.

        Raises:
            ClientClosed: nothing is sent any more.
            OptionError: it cannot be sent.
            QueueFull: there is no room.
        """
        self.check()
        entry = self.sender.entry(kind, payload, now, settle)
        if not self.connected and kind in EPHEMERAL:
            entry.fail(ConnectionLost(f"{kind!r} means nothing later: it is not kept for then."))
            return entry
        dropped = self.outbox.put(entry)
        if dropped is not None:
            full = QueueFull(f"The queue is full: {dropped.kind!r} is dropped for a newer message.")
            if not dropped.fail(full):
                self.tell(self._untold(str(full)))
        return entry

    def take_back(self, kind: str, payload: Any, now: float) -> None:
        """Queue a message that ends something, also if the queue is full; its answer is nobody's.

        Once the client is closed there is nothing to end.
        """
        if self.lifecycle.state != "closed":
            self.outbox.append(self.sender.entry(kind, payload, now, lambda _: None))

    def pong(self, ping: str | None, timestamp: Any, now: float) -> None:
        """Answer the server's ``ping``."""
        self.sender.control("pong", {"timestamp": timestamp}, now, reply_to=ping)

    def next(self, now: float) -> str | bytes | None:
        """What to write now; None if there is nothing, or it is not time yet."""
        return self.sender.next(now) if self.connected else None

    # Time

    def due(self, now: float) -> float:
        """When to call :meth:`tick` and :meth:`next` again, if nothing happens before."""
        expires = self.outbox.expires()
        return min(expires, self.sender.due(now)) if self.connected else expires

    def tick(self, now: float) -> None:
        """Look what time it is."""
        for entry in self.outbox.expire(now):
            self.tell(self._untold(f"{entry.kind!r} waited too long and is dropped."))
        if self.connected and self.dead is None and self.heartbeat.dead(now):
            self.dead = f"no sign of life for {self.options.heartbeat_timeout:g} s"

    # Receiving

    def receive(self, data: str | bytes, now: float) -> None:
        """Take what came from the server. Never raises for what it says."""
        self.heartbeat.heard(now)
        self._receiver.receive(data, now)

    def tell(self, event: Event) -> None:
        """Have something passed on."""
        self._events.append(event)

    def take_events(self) -> list[Event]:
        """What is to be passed on, in order."""
        events, self._events = self._events, []
        return events

    def stats(self, now: float, *, url: str = "") -> ClientStats:
        """The client's numbers; where it connects to is not the session's to know."""
        outbox, lifecycle = self.outbox, self.lifecycle
        return ClientStats(
            name=self.options.name,
            url=url,
            state=lifecycle.state,
            attempts=lifecycle.attempts,
            reconnects=max(0, lifecycle.connections - 1),
            downtime=lifecycle.downtime(now),
            rtt=self.heartbeat.rtt,
            queued=outbox.queued,
            unconfirmed=outbox.unconfirmed,
            sent=self.sender.sent,
            received=self.received,
            resent=outbox.resent,
            duplicates=self.duplicates,
            gaps=self.gaps,
            dropped=self.dropped + outbox.dropped,
            expired=outbox.expired,
        )

    def _untold(self, reason: str) -> Change:
        return Change(what="error", state=self.lifecycle.state, reason=reason)
