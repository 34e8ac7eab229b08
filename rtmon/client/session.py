"""The state of a client that is kept across reconnects. No I/O; time is passed in.

The code that has the connection writes the data that :meth:`ClientSession.next` returns, passes
received data to :meth:`ClientSession.receive`, calls :meth:`ClientSession.tick` at the time that
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
    """Connects the parts of a client: connection state, sender, memberships and receiver.

    Args:
        options: the client's options.
        rng: random numbers for the backoff.
        wall: returns Unix seconds, for the timestamps of messages.

    Attributes:
        client_id: client id that the server assigned on this connection; None before that.
        lifecycle: the connection state, which decides when to reconnect.
        sender: chooses the next message to send.
        places: memberships of channels, rooms and the chat.
        dead: the reason why the connection must be cut; None while it is alive.
        dropped: number of dropped messages, see :class:`ClientStats`.
        last_problem: why the last attempt to connect failed, or the last connection ended.
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
        """True while messages can be sent.

        Begins with the server's welcome, or for ``protocol="plain"`` when the connection opens.
        """
        return self.sender.connected

    # Connecting

    def query(self) -> dict[str, str]:
        """Return the query parameters of a hub's URL: name, user, and position in the chat.

        Empty for ``protocol="plain"``.
        """
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
        """Prepare for an attempt to connect, and count it."""
        self.lifecycle.attempt()
        self._receiver.start()
        self.dead = None

    def opened(self, now: float) -> None:
        """Handle an open connection. A hub's connection is ready only after its welcome."""
        if self._plain and self.lifecycle.state != "closing":
            wire = self.sender.wire
            self.sender.start(now, rate=None, burst=None, message_size=wire.message_size)
            self.heartbeat.hurry(now)  # measure the round-trip time soon
            self.tell(self.lifecycle.opened(now))

    def _welcomed(self, welcome: Greeting, now: float) -> None:
        """Handle the server's welcome: send ``connect``, and request all memberships again."""
        self.sender.start(
            now,
            rate=welcome.limits.rate,
            burst=welcome.limits.burst,
            message_size=welcome.limits.message_size,
        )
        self.client_id = welcome.client_id
        options, batch = self.options, self.options.server_batch
        # Use the secret of the first connection on every later connection. By this secret, the
        # server recognizes the sender of repeated messages and detects duplicates.
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
        """Handle a failed attempt to connect.

        Returns:
            Seconds until the next attempt; None if there is none.
        """
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
        """Begin to close the client, because the user asked for it."""
        self.lifecycle.closing()

    def closed(self, now: float) -> None:
        """Finish closing the client, and report it."""
        change = self.lifecycle.closed(now)
        if change is not None:
            self.tell(change)
        self._end()

    def check(self) -> None:
        """Raise an error if the client is closed.

        Raises:
            ClientClosed: the client is closed or closing.
        """
        if self.lifecycle.state in {"closing", "closed"}:
            raise self.gone()

    def gone(self) -> ClientClosed:
        """Return the exception that states why the client is closed."""
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
        """Queue a message of the user.

        Args:
            kind: the message type.
            payload: its payload.
            now: monotonic seconds.
            settle: called once with the answer or the error; None if no caller waits.

        Raises:
            ClientClosed: the client is closed, or has stopped reconnecting.
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
        """Queue a message like ``leave_room``, unless the client is closed. Ignore its reply."""
        if self.lifecycle.state != "closed":
            self.sender.take_back(kind, payload, now, lambda _: None)

    def next(self, now: float) -> str | bytes | Ping | None:
        """Return the next data to write; None if nothing may be sent now."""
        self.places.proceed(now)
        return self.sender.next(now)

    # Timers

    def due(self, now: float) -> float:
        """Return the monotonic time at which to call :meth:`tick` and :meth:`next` again."""
        expires = self.outbox.expires()
        return min(expires, self.sender.due(now)) if self.connected else expires

    def tick(self, now: float) -> None:
        """Drop messages that have expired, and detect a dead connection."""
        for entry in self.outbox.expire(now):
            self.tell(self._untold(f"{entry.kind!r} waited too long and is dropped."))
        if self.connected and self.dead is None and self.heartbeat.dead(now):
            self.dead = f"no sign of life for {self.options.heartbeat_timeout:g} s"

    # Receiving

    def receive(self, data: str | bytes, now: float) -> None:
        """Handle a message from the server. Invalid messages raise no exception here."""
        self.heartbeat.heard(now)
        self._receiver.receive(data, now)

    def ponged(self, key: str, now: float) -> None:
        """Handle a pong frame, which acknowledges all messages sent before the matching ping."""
        self.heartbeat.heard(now)
        self.sender.pinged(key, now)

    def tell(self, event: Event) -> None:
        """Add an event, to be delivered to the user."""
        self._events.append(event)

    def take_events(self) -> list[Event]:
        """Return and remove the events to be delivered, in order."""
        events, self._events = self._events, []
        return events

    def stats(self, now: float, *, url: str = "") -> ClientStats:
        """Return the client's statistics. ``url`` becomes their field of this name."""
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
