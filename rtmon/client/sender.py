"""Decides which message a client sends next, and when. Pure: time is passed in."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from typing import Any, Final

from ..errors import OptionError
from .encoding import RtmonWire
from .heartbeat import Heartbeat
from .options import ClientOptions
from .outbox import Outbox, OutboxEntry
from .plain_protocol import PlainWire
from .records import Message
from .send_rate import SendRate
from .wire_formats import Ping, Wire

__all__ = ["Sender"]

_PROBE_EVERY: Final = 64
"""Messages sent after which the server is asked whether it has them, before a heartbeat is due."""

_ENVELOPE: Final = 1_024
"""Bytes of a batch beside its messages, at most."""


class Sender:
    """Heartbeats, then the client's own messages, then the user's, as fast as the server allows.

    Args:
        options: the client's.
        wall: Unix seconds, for timestamps.

    Attributes:
        wire: how messages look to the server.
        connected: true between the server's welcome and the end of the connection.
        sent: messages so far.
    """

    def __init__(self, options: ClientOptions, wall: Callable[[], float]) -> None:
        self.wire: Wire = PlainWire() if options.protocol == "plain" else RtmonWire(options)
        self.outbox = Outbox(
            options, repeatable=self.wire.repeatable, ephemeral=self.wire.ephemeral
        )
        self.heartbeat = Heartbeat(
            interval=options.heartbeat_interval, timeout=options.heartbeat_timeout
        )
        self.connected = False
        self.sent = 0
        self._options = options
        self._wall = wall
        self._message_size = self.wire.message_size
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._pacing = SendRate()
        self._probes: dict[str, int] = {}
        self._asked = False
        self._held_until = 0.0

    def start(
        self, now: float, *, rate: float | None, burst: int | None, message_size: int
    ) -> None:
        """Begin to send over a connection, within the limits of the server.

        Args:
            now: the time.
            rate: messages a second that the server takes; None if it has not said.
            burst: messages that it takes at once; None if it has not said.
            message_size: bytes of the largest message that it takes.
        """
        self.connected = True
        self._message_size = message_size
        self._pacing.start(now, rate=rate, burst=burst)
        self._probes.clear()
        self._held_until = 0.0
        self.heartbeat.start(now)

    def stop(self) -> None:
        """Send nothing until the next connection."""
        self.connected = False

    def entry(
        self,
        kind: str,
        payload: Any,
        now: float,
        settle: Callable[[Message | Exception], None] | None,
    ) -> OutboxEntry:
        """Encode a message of the user, to be queued.

        Raises:
            OptionError: it cannot be sent.
        """
        key = self.new_key()
        # Nothing binary fits into a batch of JSON.
        attach = self._options.batch is None
        data = self.wire.message(
            kind,
            payload,
            key=key,
            timestamp=self.milliseconds(),
            attach=attach,
            ack=settle is not None,
        )
        size = len(data) if isinstance(data, bytes) else len(data.encode())
        if size > self._message_size:
            raise OptionError(
                f"This {kind!r} takes {size} bytes, the server takes {self._message_size}: send "
                "less, or send a file."
            )
        return OutboxEntry(key, kind, data, now, settle, asks=settle is not None, size=size)

    def new_key(self) -> str:
        """Return an id that no other message of this client has."""
        return f"{self._prefix}-{next(self._numbers):x}"

    def control(
        self,
        kind: str,
        payload: Any,
        now: float,
        settle: Callable[[Message | Exception], None] | None = None,
        reply_to: str | None = None,
    ) -> OutboxEntry:
        """Queue one of the client's own messages, before all others."""
        key = self.new_key()
        data = self.wire.message(
            kind, payload, key=key, timestamp=self.milliseconds(), reply_to=reply_to
        )
        entry = OutboxEntry(key, kind, data, now, settle, asks=settle is not None, control=True)
        self.outbox.put_control(entry)
        return entry

    def take_back(
        self, kind: str, payload: Any, now: float, settle: Callable[[Message | Exception], None]
    ) -> OutboxEntry:
        """Queue a message that ends something, after the user's, also if the queue is full."""
        entry = self.entry(kind, payload, now, settle)
        self.outbox.append(entry)
        return entry

    def ask(self) -> None:
        """Ask the server soon whether it has what was sent, since a caller waits for that."""
        self._asked = True

    def next(self, now: float) -> str | bytes | Ping | None:
        """Return what to write now; None if there is nothing, or it is not time yet."""
        if not self.connected:
            return None
        room = self._pacing.left(now)
        if room < 1:
            return None
        unprobed = self.outbox.unprobed if self.heartbeat.free else 0
        if self.heartbeat.wants_ping(now) or unprobed >= _PROBE_EVERY:
            return self._ping(now)
        # Heartbeats go on while the server does not take anything else.
        held = now < self._held_until
        entry = self.outbox.next_control(now, refused=not held)
        if entry is not None:
            self._spend(1)
            return entry.data
        entries = [] if held else self._messages(now, room)
        if entries:
            self._spend(len(entries))
            return self.wire.batch(
                [entry.data for entry in entries],
                key=self.new_key(),
                timestamp=self.milliseconds(),
            )
        return self._ping(now) if self._asked and unprobed else None

    def _messages(self, now: float, room: int) -> list[OutboxEntry]:
        batch = self._options.batch
        if batch is None:
            entry = self.outbox.next(now)
            return [] if entry is None else [entry]
        if self._asked or self.outbox.queued >= batch.size or now >= self._batch_due():
            size = self._message_size - _ENVELOPE
            return self.outbox.next_batch(now, most=min(batch.size, room), size=size)
        return []

    def _spend(self, messages: int) -> None:
        self.sent += messages
        self._pacing.spend(messages)

    def _batch_due(self) -> float:
        batch, oldest = self._options.batch, self.outbox.oldest
        return float("inf") if batch is None or oldest is None else oldest + batch.delay

    def _ping(self, now: float) -> str | bytes | Ping:
        key = self.new_key()
        self.heartbeat.pinged(key, now)
        self._asked = False
        # The server takes messages in order: when it answers, it has all that was sent before.
        self._probes = {key: self.outbox.probe()}
        self._spend(1)
        return self.wire.ping(key=key, timestamp=self.milliseconds())

    def pinged(self, key: str | None, now: float) -> None:
        """Take the server's answer to a ``ping``."""
        if self.heartbeat.answered(key, now) and key in self._probes:
            self.outbox.confirm(self._probes.pop(key))

    def pause(self, until: float = 0.0) -> None:
        """Slow down, because the server has refused a message for now.

        Args:
            until: when it may be sent again.
        """
        self._pacing.stop()
        self._held_until = max(self._held_until, until)

    def due(self, now: float) -> float:
        """Return when to ask again, if nothing happens before."""
        batch = self._batch_due() if self._pacing.left(now) >= 1 else self._pacing.due(now)
        if now < self._held_until:
            batch = self._held_until
        return min(self.heartbeat.due(now), batch)

    def milliseconds(self) -> int:
        """Return the time, as messages carry it."""
        return int(self._wall() * 1000)
