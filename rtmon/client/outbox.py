"""Queue of a client's messages, kept until the server acknowledges them. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from ..protocol import limits
from .errors import ConnectionLost, MessageExpired, QueueFull
from .options import ClientOptions
from .result_types import Message

__all__ = ["Outbox", "OutboxEntry"]

_REMEMBERED: Final = limits.DEDUPE_SECONDS - 30.0
"""Seconds after the first sending during which a message may be sent again. Later the server may
have deleted the message's id, and would not detect the duplicate."""


@dataclass(slots=True, eq=False)
class OutboxEntry:
    """One outgoing message.

    Attributes:
        key: the message id.
        kind: the message type.
        data: the encoded message.
        created: monotonic time at which the user sent it.
        settle: called once with the answer or the error; None if no caller waits.
        asks: True if the server answers the message even on success.
        control: True for messages of the client itself, such as ``subscribe``; they are made anew
            for each connection.
        size: size of ``data`` in bytes; 0 for messages of the client itself.
        first_sent: monotonic time at which it was first sent; None before that.
        number: sequence number in the queue, kept when the message is sent again.
        order: sequence number among the messages sent on this connection.
    """

    key: str
    kind: str
    data: str | bytes
    created: float
    settle: Callable[[Message | Exception], None] | None = field(default=None)
    asks: bool = False
    control: bool = False
    size: int = 0
    first_sent: float | None = None
    number: int = 0
    order: int = 0

    def fail(self, error: Exception) -> bool:
        """Report an error to the caller that waits. Returns False if no caller waits."""
        if self.settle is None:
            return False
        self.settle(error)
        return True


class Outbox:
    """The outgoing messages of a client, in order, until the server has acknowledged them.

    Args:
        options: the client's options.
        repeatable: message types that are sent again after a reconnect.
        ephemeral: message types that are useful only when sent immediately, such as a typing
            notice. Their loss is not reported.

    Attributes:
        resent: number of messages sent again.
        dropped: number of messages dropped because the queue was full.
        expired: number of messages dropped because they waited too long.
    """

    def __init__(
        self, options: ClientOptions, *, repeatable: Collection[str], ephemeral: Collection[str]
    ) -> None:
        self._repeatable = repeatable
        self._ephemeral = ephemeral
        self._size = options.queue_size
        self._policy = options.queue_policy
        self._age = options.queue_age
        self._control: deque[OutboxEntry] = deque()
        self._waiting: deque[OutboxEntry] = deque()
        self._sent: dict[str, OutboxEntry] = {}
        self._sent_control: dict[str, OutboxEntry] = {}
        self._number = 0
        self._order = 0
        self._probed = 0
        self.resent = self.dropped = self.expired = 0

    @property
    def queued(self) -> int:
        """Number of messages that wait to be sent."""
        return len(self._waiting)

    @property
    def unconfirmed(self) -> int:
        """Number of messages that were sent and not acknowledged."""
        return len(self._sent)

    @property
    def full(self) -> bool:
        """True if the queued and the unacknowledged messages reach ``queue_size``."""
        return len(self._waiting) + len(self._sent) >= self._size

    @property
    def unprobed(self) -> int:
        """Number of messages sent since the last call of :meth:`probe`."""
        return self._order - self._probed

    @property
    def oldest(self) -> float | None:
        """Time at which the next message to send was queued; None if no message is queued."""
        return self._waiting[0].created if self._waiting else None

    def put(self, entry: OutboxEntry) -> OutboxEntry | None:
        """Queue a message of the user.

        Returns:
            The message that was dropped because the queue was full; None if there was room.

        Raises:
            QueueFull: the queue is full, and the policy is not ``drop_oldest``.
        """
        dropped: OutboxEntry | None = None
        if self.full:
            if self._policy != "drop_oldest":
                raise QueueFull(
                    f"{self._size} messages wait to be sent, the most that may: send less, or "
                    "give a larger queue_size."
                )
            # Only a message that was not sent yet can be dropped. If all queued messages were sent,
            # drop the new message.
            dropped = self._waiting.popleft() if self._waiting else entry
            self.dropped += 1
        if dropped is not entry:
            self.append(entry)
        return dropped

    def append(self, entry: OutboxEntry) -> None:
        """Queue a message even if the queue is full, such as ``leave_room``."""
        self._number += 1
        entry.number = self._number
        self._waiting.append(entry)

    def put_control(self, entry: OutboxEntry) -> None:
        """Queue a message of the client itself, to be sent before the user's messages."""
        self._number += 1
        entry.number = self._number
        self._control.append(entry)

    def next(self, now: float) -> OutboxEntry | None:
        """Remove and return the next message to send; None if there is none."""
        queue = self._control or self._waiting
        return self._take(queue.popleft(), now) if queue else None

    def next_control(self, now: float, *, refused: bool = True) -> OutboxEntry | None:
        """Remove and return the next message of the client itself; None if there is none.

        Args:
            now: monotonic seconds.
            refused: True to include messages that the server has refused by its rate limit.
        """
        for entry in self._control:
            if refused or entry.order == 0:
                self._control.remove(entry)
                return self._take(entry, now)
        return None

    def next_batch(self, now: float, *, most: int, size: int) -> list[OutboxEntry]:
        """Remove and return the messages of the next batch.

        Args:
            now: monotonic seconds.
            most: maximum number of messages.
            size: maximum total size in bytes; a larger message is returned alone.
        """
        taken: list[OutboxEntry] = []
        while self._waiting and len(taken) < most:
            size -= self._waiting[0].size
            if size < 0 and taken:
                break
            taken.append(self._take(self._waiting.popleft(), now))
        return taken

    def _take(self, entry: OutboxEntry, now: float) -> OutboxEntry:
        self._order += 1
        entry.order = self._order
        if entry.first_sent is not None:
            self.resent += 1
        else:
            entry.first_sent = now
        (self._sent_control if entry.control else self._sent)[entry.key] = entry
        return entry

    def probe(self) -> int:
        """Return the sequence number of the last message sent, for :meth:`confirm`.

        Call this when a ``ping`` is sent: its answer acknowledges all messages sent before it.
        """
        self._probed = self._order
        return self._order

    def answered(self, key: str | None) -> OutboxEntry | None:
        """Remove and return the sent message with an id; None if there is none.

        Called when the server has answered the message.
        """
        return self._sent.pop(key or "", None) or self._sent_control.pop(key or "", None)

    def confirm(self, order: int) -> None:
        """Mark all messages sent up to a sequence number as acknowledged.

        The server handles messages in order, so it has received them all.
        """
        for sent in (self._sent, self._sent_control):
            for key, entry in list(sent.items()):
                if entry.order > order:
                    break
                if not entry.asks:
                    del sent[key]

    def again(self, entry: OutboxEntry) -> None:
        """Queue a message again that the server's rate limit refused.

        The message goes before all messages that were queued after it.
        """
        queue = self._control if entry.control else self._waiting
        place = 0
        while place < len(queue) and queue[place].number < entry.number:
            place += 1
        queue.insert(place, entry)

    def forget(self, key: str) -> None:
        """Ignore the answer to a message. If the message was not sent yet, drop it."""
        for entry in self._waiting:
            if entry.key == key:
                self._waiting.remove(entry)
                return
        sent = self._sent.get(key)
        if sent is not None:
            sent.settle, sent.asks = None, False

    def lost(self) -> list[OutboxEntry]:
        """Handle a lost connection: queue repeatable messages again, before all others.

        Returns:
            Lost messages to report: they cannot be sent again, no caller waits for an answer, and
            they are not ephemeral.
        """
        again = [entry for entry in self._sent.values() if entry.kind in self._repeatable]
        gone = [entry for entry in self._sent.values() if entry.kind not in self._repeatable]
        # Sort: a message that the rate limit refused may be older than messages sent after it.
        self._waiting = deque(sorted([*again, *self._waiting], key=_number))
        for queue in (self._sent, self._sent_control, self._control):
            queue.clear()
        return [e for e in gone if not e.fail(_unknown(e)) and e.kind not in self._ephemeral]

    def expire(self, now: float) -> list[OutboxEntry]:
        """Drop messages that have waited too long.

        Returns:
            The dropped messages for whose answer no caller waits.
        """
        untold: list[OutboxEntry] = []
        # The queue is ordered by ``created``, so its first message expires first.
        while self._waiting and now >= self.expires():
            entry = self._waiting.popleft()
            self.expired += 1
            if not entry.fail(_expired(entry)):
                untold.append(entry)
        return untold

    def expires(self) -> float:
        """Return the time at which the next message expires; infinity if no message can expire."""
        return self._ends(self._waiting[0]) if self._waiting else float("inf")

    def _ends(self, entry: OutboxEntry) -> float:
        ends = entry.created + self._age
        return ends if entry.first_sent is None else min(ends, entry.first_sent + _REMEMBERED)

    def end(self, error: Exception) -> list[OutboxEntry]:
        """Drop all messages, because the client is closed.

        Returns:
            The dropped messages for whose answer no caller waits, without ephemeral messages.
        """
        entries = [*self._sent.values(), *self._waiting]
        for queue in (self._sent, self._sent_control, self._control, self._waiting):
            queue.clear()
        return [e for e in entries if not e.fail(error) and e.kind not in self._ephemeral]


def _number(entry: OutboxEntry) -> int:
    return entry.number


def _unknown(entry: OutboxEntry) -> Exception:
    return ConnectionLost(
        f"The connection was lost before the answer to {entry.kind!r} came: whether the server "
        "did it is not known. Ask it, or send it again if twice does no harm."
    )


def _expired(entry: OutboxEntry) -> Exception:
    problem = f"{entry.kind!r} waited longer than queue_age to be sent, and is dropped."
    if entry.first_sent is not None:
        problem += " It was sent before the connection was lost, and may have arrived."
    return MessageExpired(problem)
