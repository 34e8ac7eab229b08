"""The state of a client that outlives its connections. Pure: no socket, and time is passed in.

The owner of a connection writes what :meth:`ClientSession.next` returns, passes received data to
:meth:`ClientSession.receive`, calls :meth:`ClientSession.tick` at the time that
:meth:`ClientSession.due` returns, and delivers the events of :meth:`ClientSession.take_events`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ..protocol import limits
from .errors import ClientClosed, ConnectionLost, QueueFull
from .memberships import Memberships
from .options import ClientOptions
from .outbox import OutboxEntry
from .plain_protocol import PlainReceiver
from .receiver import Greeting, Receiver
from .reconnection import Lifecycle
from .result_types import Change, ClientStats, Message
from .send_scheduler import Sender
from .session_events import Event
from .wire_formats import Ping

__all__ = ["ClientSession"]


class ClientSession:
    """Holds the parts of a client: lifecycle, sender, memberships and receiver.

    Args:
        options: the client's options.
        rng: random numbers for the backoff.
        wall: Unix seconds, for timestamps.

    Attributes:
        client_id: the client id that the server gave on this connection.
        lifecycle: connection state, and when to reconnect.
        sender: chooses what to send, and when.
        places: memberships of channels, rooms and the chat.
        dead: why the connection must be cut; None while it is alive.
        dropped: see :class:`ClientStats`.
        last_problem: why the last attempt failed, or the last connection ended.
    """

    def __init__(
        self, options: ClientOptions, *, rng: random.Random, wall: Callable[[], float]
    ) -> None:
        self.options = options
        self.lifecycle = Lifecycle(options, rng)
        self.sender = Sender(options, wall)
        self.outbox = self.sender.outbox
        self.heartbeat = self.sender.heartbeat
        self.places = Memberships(self.sender)
        self.client_id: str | None = None
        self.dead: str | None = None
        self.dropped = 0
        self.last_problem = "still under way"
        self._secret: str | None = None
        self._events: list[Event] = []
        self._plain = options.protocol == "plain"
        self._receiver = (
            PlainReceiver(self.tell)
            if self._plain
            else Receiver(
                self.lifecycle, self.sender, self.places, welcomed=self._welcomed, tell=self.tell
            )
        )

    @property
    def connected(self) -> bool:
        """True from the server's welcome, or the opening of a plain connection, to its end."""
        return self.sender.connected

    # Connecting

    def query(self) -> dict[str, str]:
        """Return the query for a hub's address: name, user, and position in the chat."""
        if self._plain:
            return {}
        chat = self.places.chat.cursor.position
        pairs = {
            "name": self.options.name,
            "user": self.options.user,
            "epoch": None if chat is None else chat.epoch,
            "offset": None if chat is None else str(chat.offset),
        }
        return {key: value for key, value in pairs.items() if value is not None}

    def connecting(self) -> None:
        """Begin an attempt to connect."""
        self.lifecycle.attempt()
        self._receiver.start()
        self.dead = None

    def opened(self, now: float) -> None:
        """Handle an open connection: a plain one is ready now, a hub's after its welcome."""
        if self._plain and self.lifecycle.state != "closing":
            wire = self.sender.wire
            self.sender.start(now, rate=None, burst=None, message_size=wire.message_size)
            self.heartbeat.hurry(now)  # to measure the latency soon
            self.tell(self.lifecycle.opened(now))

    def _welcomed(self, welcome: Greeting, now: float) -> None:
        """Send ``connect`` after the server's welcome, and request all memberships again."""
        self.sender.start(
            now,
            rate=welcome.limits.rate,
            burst=welcome.limits.burst,
            message_size=welcome.limits.message_size,
        )
        self.client_id = welcome.client_id
        options, batch = self.options, self.options.server_batch
        # Always the first secret: deduplication needs the same sender for repeated messages.
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
        self.places.reenter(now)
        self.tell(self.lifecycle.opened(now))

    def failed(
        self, now: float, error: Exception, *, fatal: bool = False, retry_after: float | None = None
    ) -> float | None:
        """Handle a failed attempt. Returns the seconds until the next; None if there is none."""
        changes = self.lifecycle.failed(now, error, fatal=fatal, retry_after=retry_after)
        return self._after(changes)

    def lost(self, now: float, code: int, reason: str) -> float | None:
        """Handle the end of the connection. Returns the same as :meth:`failed`."""
        self.sender.stop()
        for entry in self.outbox.lost():
            self.tell(self._untold(f"{entry.kind!r} was sent, but may not have arrived."))
        changes = self.lifecycle.lost(
            now,
            code,
            self.dead or reason,
            retry=self._receiver.retry,
            retry_after=self._receiver.retry_after,
        )
        return self._after(changes)

    def closing(self) -> None:
        """Begin an explicit close."""
        self.lifecycle.closing()

    def closed(self, now: float) -> None:
        """Finish an explicit close."""
        change = self.lifecycle.closed(now)
        if change is not None:
            self.tell(change)
        self._end()

    def check(self) -> None:
        """Check that the client is not closed.

        Raises:
            ClientClosed: it is closed, or closing.
        """
        if self.lifecycle.state in {"closing", "closed"}:
            raise self.gone()

    def gone(self) -> ClientClosed:
        """Return the error that says why the client is closed."""
        ended = self.lifecycle.ended
        if ended is None:
            return ClientClosed("The client is closed: connect a new one.")
        return ClientClosed(
            f"The client has given up (failures in a row: {ended.attempt}): {ended.reason}",
            code=ended.code,
        )

    def _after(self, changes: list[Change]) -> float | None:
        self.last_problem = changes[0].reason
        for change in changes:
            self.tell(change)
        if self.lifecycle.state == "closed":
            self._end()
        return changes[-1].delay

    def _end(self) -> None:
        self.sender.stop()
        left = len(self.outbox.end(self.gone()))
        if left:
            self.dropped += left
            messages = "1 message" if left == 1 else f"{left} messages"
            self.tell(self._untold(f"{messages} may not have arrived: the client is closed."))
        self.places.end(self.gone())

    # Sending

    def send(
        self,
        kind: str,
        payload: Any,
        now: float,
        *,
        settle: Callable[[Message | Exception], None] | None = None,
    ) -> OutboxEntry:
        """Queue a message.

        Raises:
            ClientClosed: the client is closed, or has given up.
            OptionError: the message cannot be encoded, or is too large.
            QueueFull: the queue is full.
        """
        self.check()
        entry = self.sender.entry(kind, payload, now, settle)
        if not self.connected and kind in self.sender.wire.ephemeral:
            entry.fail(ConnectionLost(f"{kind!r} means nothing later: it is not kept for then."))
            return entry
        dropped = self.outbox.put(entry)
        if dropped is not None:
            full = QueueFull(f"The queue is full: {dropped.kind!r} is dropped for a newer message.")
            if not dropped.fail(full):
                self.tell(self._untold(str(full)))
        return entry

    def take_back(self, kind: str, payload: Any, now: float) -> None:
        """Queue a message such as ``leave_room`` unless the client is closed; ignore its answer."""
        if self.lifecycle.state != "closed":
            self.sender.take_back(kind, payload, now, lambda _: None)

    def next(self, now: float) -> str | bytes | Ping | None:
        """Return the data to write now; None if there is none yet."""
        self.places.proceed(now)
        return self.sender.next(now)

    # Time

    def due(self, now: float) -> float:
        """Return when to call :meth:`tick` and :meth:`next` again, if nothing happens before."""
        expires = self.outbox.expires()
        return min(expires, self.sender.due(now)) if self.connected else expires

    def tick(self, now: float) -> None:
        """Expire old messages, and detect a dead connection."""
        for entry in self.outbox.expire(now):
            self.tell(self._untold(f"{entry.kind!r} waited too long and is dropped."))
        if self.connected and self.dead is None and self.heartbeat.dead(now):
            self.dead = f"no sign of life for {self.options.heartbeat_timeout:g} s"

    # Receiving

    def receive(self, data: str | bytes, now: float) -> None:
        """Handle a message from the server. Never raises because of its content."""
        self.heartbeat.heard(now)
        self._receiver.receive(data, now)

    def ponged(self, key: str, now: float) -> None:
        """Handle a pong frame, which acknowledges everything sent before its ping."""
        self.heartbeat.heard(now)
        self.sender.pinged(key, now)

    def tell(self, event: Event) -> None:
        """Add an event to be delivered."""
        self._events.append(event)

    def take_events(self) -> list[Event]:
        """Return and remove the events to be delivered, in order."""
        events, self._events = self._events, []
        return events

    def stats(self, now: float, *, url: str = "") -> ClientStats:
        """Return the client's statistics; the caller passes the address."""
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
            received=self._receiver.received,
            resent=outbox.resent,
            duplicates=self.places.duplicates,
            gaps=self.places.gaps,
            dropped=self.dropped + outbox.dropped,
            expired=outbox.expired,
        )

    def _untold(self, reason: str) -> Change:
        return Change(what="error", state=self.lifecycle.state, reason=reason)
