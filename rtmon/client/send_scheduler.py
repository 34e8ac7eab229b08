"""Decide which message a client sends next, and when. No I/O; time is passed in."""

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
"""Number of sent messages after which the client sends a ``ping``. The server's answer acknowledges
all messages before it."""

_ENVELOPE: Final = 1_024
"""Maximum size of a batch's envelope, in bytes: the batch without its messages."""


class Sender:
    """Chooses the next message: heartbeats first, then the client's own messages, then the user's.

    The rate of all messages stays within the server's limit.

    Args:
        options: the client's options.
        wall: returns Unix seconds, for the timestamps of messages.

    Attributes:
        wire: encodes messages for the server's protocol.
        connected: True between the server's welcome and the end of the connection.
        sent: number of messages sent so far.
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
        """Start sending on a new connection, within the limits of the server.

        Args:
            now: monotonic seconds.
            rate: the server's rate limit, in messages a second; None if there is none.
            burst: number of messages that the server accepts at once; None if it is unknown.
            message_size: maximum size of a message, in bytes.
        """
        self.connected = True
        self._message_size = message_size
        self._pacing.start(now, rate=rate, burst=burst)
        self._probes.clear()
        self._held_until = 0.0
        self.heartbeat.start(now)

    def stop(self) -> None:
        """Stop sending, because the connection has ended."""
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
            OptionError: the message cannot be encoded, or is too large for the server.
        """
        key = self.new_key()
        # A batch of JSON messages cannot contain a message with binary data.
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
        """Queue a message of the client itself, such as ``subscribe``, before the user's messages.

        Args:
            kind: the message type.
            payload: its payload.
            now: monotonic seconds.
            settle: called once with the answer or the error; None if no answer is needed.
            reply_to: id of the server's message that this message answers.
        """
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
        """Queue a message such as ``leave_room``, even if the send queue is full."""
        entry = self.entry(kind, payload, now, settle)
        self.outbox.append(entry)
        return entry

    def ask(self) -> None:
        """Make the next ``ping`` due soon, because a caller waits until all is acknowledged."""
        self._asked = True

    def next(self, now: float) -> str | bytes | Ping | None:
        """Return the next data to write; None if nothing may be sent now."""
        if not self.connected:
            return None
        room = self._pacing.left(now)
        if room < 1:
            return None
        unprobed = self.outbox.unprobed if self.heartbeat.free else 0
        if self.heartbeat.wants_ping(now) or unprobed >= _PROBE_EVERY:
            return self._ping(now)
        # Heartbeats continue while a refusal by the rate limit holds back all other messages.
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
        # The server handles messages in order, so its answer acknowledges all messages sent before
        # the ``ping``.
        self._probes = {key: self.outbox.probe()}
        self._spend(1)
        return self.wire.ping(key=key, timestamp=self.milliseconds())

    def pinged(self, key: str | None, now: float) -> None:
        """Handle the server's answer to the ``ping`` with id ``key``."""
        if self.heartbeat.answered(key, now) and key in self._probes:
            self.outbox.confirm(self._probes.pop(key))

    def pause(self, until: float = 0.0) -> None:
        """Pause sending, because the server has refused a message for the time being.

        Args:
            until: monotonic time from which messages may be sent again.
        """
        self._pacing.stop()
        self._held_until = max(self._held_until, until)

    def due(self, now: float) -> float:
        """Return the time at which :meth:`next` may have data, if no event occurs earlier."""
        batch = self._batch_due() if self._pacing.left(now) >= 1 else self._pacing.due(now)
        if now < self._held_until:
            batch = self._held_until
        return min(self.heartbeat.due(now), batch)

    def milliseconds(self) -> int:
        """Return the time as in messages: milliseconds since 1970."""
        return int(self._wall() * 1000)
