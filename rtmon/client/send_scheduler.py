"""Decide which message a client sends next, and when. Pure: time is passed in."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from typing import Any, Final

from ..errors import OptionError
from .heartbeat import Heartbeat
from .message_encoding import RtmonWire
from .options import ClientOptions
from .outbox import Outbox, OutboxEntry
from .plain_protocol import PlainWire
from .result_types import Message
from .send_rate_limit import SendRate
from .wire_formats import Ping, Wire

__all__ = ["Sender"]

_PROBE_EVERY: Final = 64
"""Messages after which the client asks the server for an acknowledgement by a ``ping``."""

_ENVELOPE: Final = 1_024
"""Maximum overhead of a batch beside its messages, in bytes."""


class Sender:
    """Sends heartbeats, then the client's own messages, then the user's, within the rate limit.

    Args:
        options: the client's.
        wall: Unix seconds, for timestamps.

    Attributes:
        wire: encodes messages for the server's protocol.
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
        """Start sending over a new connection, within the limits of the server.

        Args:
            now: the time.
            rate: the server's rate limit, in messages a second; None if unknown.
            burst: messages that the server accepts at once; None if unknown.
            message_size: maximum size of a message, in bytes.
        """
        self.connected = True
        self._message_size = message_size
        self._pacing.start(now, rate=rate, burst=burst)
        self._probes.clear()
        self._held_until = 0.0
        self.heartbeat.start(now)

    def stop(self) -> None:
        """Stop sending until the next connection."""
        self.connected = False

    def entry(
        self,
        kind: str,
        payload: Any,
        now: float,
        settle: Callable[[Message | Exception], None] | None,
    ) -> OutboxEntry:
        """Encode a message of the user for the queue.

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
        """Queue a message such as ``leave_room`` after the user's, even if the queue is full."""
        entry = self.entry(kind, payload, now, settle)
        self.outbox.append(entry)
        return entry

    def ask(self) -> None:
        """Ask the server soon for an acknowledgement, since a caller waits for it."""
        self._asked = True

    def next(self, now: float) -> str | bytes | Ping | None:
        """Return the data to write now; None if there is none yet."""
        if not self.connected:
            return None
        room = self._pacing.left(now)
        if room < 1:
            return None
        unprobed = self.outbox.unprobed if self.heartbeat.free else 0
        if self.heartbeat.wants_ping(now) or unprobed >= _PROBE_EVERY:
            return self._ping(now)
        # Heartbeats continue while the server's rate limit holds back everything else.
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
        # The server handles messages in order: its answer acknowledges all sent before.
        self._probes = {key: self.outbox.probe()}
        self._spend(1)
        return self.wire.ping(key=key, timestamp=self.milliseconds())

    def pinged(self, key: str | None, now: float) -> None:
        """Handle the server's answer to a ``ping``."""
        if self.heartbeat.answered(key, now) and key in self._probes:
            self.outbox.confirm(self._probes.pop(key))

    def pause(self, until: float = 0.0) -> None:
        """Pause after the server has refused a message for now.

        Args:
            until: time from which it may be sent again.
        """
        self._pacing.stop()
        self._held_until = max(self._held_until, until)

    def due(self, now: float) -> float:
        """Return the time of the next call, if nothing happens before."""
        batch = self._batch_due() if self._pacing.left(now) >= 1 else self._pacing.due(now)
        if now < self._held_until:
            batch = self._held_until
        return min(self.heartbeat.due(now), batch)

    def milliseconds(self) -> int:
        """Return the time in milliseconds since 1970, as in messages."""
        return int(self._wall() * 1000)
