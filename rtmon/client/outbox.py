"""Queues messages until the server is known to have them. Pure: time is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from ..protocol import limits
from .errors import ConnectionLost, MessageExpired, QueueFull
from .options import ClientOptions
from .records import Message

__all__ = ["Outbox", "OutboxEntry"]

_REMEMBERED: Final = limits.DEDUPE_SECONDS - 30.0
"""Seconds after which a message is not sent again: the server might take it for a new one."""


@dataclass(slots=True, eq=False)
class OutboxEntry:
    """One message on its way out.

    Attributes:
        key: its id.
        kind: its type.
        data: the message, encoded.
        created: when it was handed over.
        settle: called once with the answer or an error; None if no caller waits.
        asks: true if an answer comes even if all went well.
        control: the session's own, which each connection makes anew.
        size: bytes of ``data``; not told of the session's own.
        first_sent: when it was first sent; None before.
        number: its place among all that was queued; it keeps that however often it is sent.
        order: its number among what was sent on this connection.
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
        """Settle with an error. Returns whether a caller waited."""
        if self.settle is None:
            return False
        self.settle(error)
        return True


class Outbox:
    """Messages in the order in which they are sent, held until the server has them.

    Args:
        options: the client's.
        repeatable: message types that are sent again after a connection was lost.
        ephemeral: message types that are of no use later: losing them is not told.

    Attributes:
        resent, dropped, expired: messages, so far.
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
        """Messages that wait to be sent."""
        return len(self._waiting)

    @property
    def unconfirmed(self) -> int:
        """Messages sent that the server is not known to have."""
        return len(self._sent)

    @property
    def full(self) -> bool:
        """True if one more message would be too many."""
        return len(self._waiting) + len(self._sent) >= self._size

    @property
    def unprobed(self) -> int:
        """Messages sent since :meth:`probe`."""
        return self._order - self._probed

    @property
    def oldest(self) -> float | None:
        """Time at which the next message was queued; None if there is none."""
        return self._waiting[0].created if self._waiting else None

    def put(self, entry: OutboxEntry) -> OutboxEntry | None:
        """Queue a message. Returns the one that was dropped for it, if one was.

        Raises:
            QueueFull: there is no room, and the policy says to refuse.
        """
        dropped: OutboxEntry | None = None
        if self.full:
            if self._policy != "drop_oldest":
                raise QueueFull(
                    f"{self._size} messages wait to be sent, the most that may: send less, or "
                    "give a larger queue_size."
                )
            # What was sent already cannot be taken back: only what waits makes room.
            dropped = self._waiting.popleft() if self._waiting else entry
            self.dropped += 1
        if dropped is not entry:
            self.append(entry)
        return dropped

    def append(self, entry: OutboxEntry) -> None:
        """Queue a message even if there is no room: what takes something back is never refused."""
        self._number += 1
        entry.number = self._number
        self._waiting.append(entry)

    def put_control(self, entry: OutboxEntry) -> None:
        """Queue one of the session's own messages, before all others."""
        self._number += 1
        entry.number = self._number
        self._control.append(entry)

    def next(self, now: float) -> OutboxEntry | None:
        """Take the message that is to be sent now."""
        queue = self._control or self._waiting
        return self._take(queue.popleft(), now) if queue else None

    def next_control(self, now: float, *, refused: bool = True) -> OutboxEntry | None:
        """Take the next of the session's own messages.

        Args:
            now: the time.
            refused: whether one may be taken that the server has refused before.
        """
        for entry in self._control:
            if refused or entry.order == 0:
                self._control.remove(entry)
                return self._take(entry, now)
        return None

    def next_batch(self, now: float, *, most: int, size: int) -> list[OutboxEntry]:
        """Take several, of up to ``size`` bytes together, at least one if any waits."""
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
        """Note what was sent so far; see :meth:`confirm`."""
        self._probed = self._order
        return self._order

    def answered(self, key: str | None) -> OutboxEntry | None:
        """Take an answer, which says that the message has arrived. Returns the message."""
        return self._sent.pop(key or "", None) or self._sent_control.pop(key or "", None)

    def confirm(self, order: int) -> None:
        """Note that all up to this order has arrived, since the server takes messages in order."""
        for sent in (self._sent, self._sent_control):
            for key, entry in list(sent.items()):
                if entry.order > order:
                    break
                if not entry.asks:
                    del sent[key]

    def again(self, entry: OutboxEntry) -> None:
        """Queue what the server did not take for now, before all that was queued after it."""
        queue = self._control if entry.control else self._waiting
        place = 0
        while place < len(queue) and queue[place].number < entry.number:
            place += 1
        queue.insert(place, entry)

    def forget(self, key: str) -> None:
        """Ignore the answer to a message; if it was not sent, drop it."""
        for entry in self._waiting:
            if entry.key == key:
                self._waiting.remove(entry)
                return
        sent = self._sent.get(key)
        if sent is not None:
            sent.settle, sent.asks = None, False

    def lost(self) -> list[OutboxEntry]:
        """Queue again, in front, what may be repeated after the connection was lost.

        Returns:
            Messages that may not be repeated, and for which no caller waits.
        """
        again = [entry for entry in self._sent.values() if entry.kind in self._repeatable]
        gone = [entry for entry in self._sent.values() if entry.kind not in self._repeatable]
        # What was refused and waits may be older than what was sent after it.
        self._waiting = deque(sorted([*again, *self._waiting], key=_number))
        for queue in (self._sent, self._sent_control, self._control):
            queue.clear()
        return [e for e in gone if not e.fail(_unknown(e)) and e.kind not in self._ephemeral]

    def expire(self, now: float) -> list[OutboxEntry]:
        """Drop what has waited too long. Returns the messages for which no caller waits."""
        untold: list[OutboxEntry] = []
        # In the order in which they were handed over, so the first is the first to be too old.
        while self._waiting and now >= self.expires():
            entry = self._waiting.popleft()
            self.expired += 1
            if not entry.fail(_expired(entry)):
                untold.append(entry)
        return untold

    def expires(self) -> float:
        """Return when the next message will have waited too long."""
        return self._ends(self._waiting[0]) if self._waiting else float("inf")

    def _ends(self, entry: OutboxEntry) -> float:
        ends = entry.created + self._age
        return ends if entry.first_sent is None else min(ends, entry.first_sent + _REMEMBERED)

    def end(self, error: Exception) -> list[OutboxEntry]:
        """Drop everything, as the client is closed. Returns as :meth:`expire`."""
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
