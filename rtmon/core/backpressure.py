"""Backpressure: bounded send queues with policies for slow consumers. No I/O.

A transport takes messages until its own buffer is full. Later messages wait in a bounded
:class:`SendQueue`. Each message has a policy, which decides what is dropped when the queue is
full. A message that the transport has already taken cannot be dropped any more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, get_args

from ..errors import OptionError

__all__ = [
    "POLICIES",
    "Bounds",
    "Policy",
    "Progress",
    "SendQueue",
    "Verdict",
    "checked_policy",
    "together",
]

Policy = Literal["disconnect", "drop_oldest", "drop_newest", "keep_latest", "block"]
"""Policy of a message: what is dropped when the send queue of a slow consumer is full.

* ``disconnect``: drops queued messages with one of the next three policies. If that does not make
  enough room, the connection is closed with close code 1013.
* ``drop_oldest``: drops the oldest queued messages whose policy allows it.
* ``drop_newest``: drops the new message.
* ``keep_latest``: replaces the queued message with the same key, even if the queue is not full.
  If that does not make enough room, the oldest messages are dropped, as with ``drop_oldest``.
* ``block``: the publisher waits before it publishes, so the queue accepts the message. If the
  publisher cannot wait and the queue is over its bounds already, this is ``disconnect``.
"""

POLICIES: tuple[Policy, ...] = get_args(Policy)

Verdict = Literal["taken", "dropped", "overflow"]
"""Result of :meth:`SendQueue.offer`. ``taken``: the message was queued. ``dropped``: the message
was dropped. ``overflow``: the connection must be closed."""

T = TypeVar("T")

_EVICTABLE = frozenset({"drop_oldest", "keep_latest"})
_FATAL = frozenset({"disconnect", "block"})


def checked_policy(policy: str) -> Policy:
    """Return a policy name unchanged, if it is valid.

    Raises:
        OptionError: there is no policy of this name.
    """
    for known in POLICIES:
        if known == policy:
            return known
    raise OptionError(f"{policy!r} is no policy for slow receivers: use {', '.join(POLICIES)}.")


def together(policies: Iterable[Policy]) -> Policy:
    """Return the policy for a frame that contains several messages.

    If the messages have different policies, the result is ``disconnect``. If all messages have the
    same policy, the result is this policy, with one exception: ``keep_latest`` becomes
    ``drop_oldest``, because the messages may have different keys.
    """
    found = set(policies)
    policy = found.pop() if len(found) == 1 else "disconnect"
    return "drop_oldest" if policy == "keep_latest" else policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits of the send queue of one connection.

    Attributes:
        bytes: maximum size of the messages in the queue and in the transport's buffer together.
        messages: maximum number of messages in the queue.
        age: maximum number of seconds that a message may wait in the queue.
    """

    bytes: int = 1 << 20
    messages: int = 10_000
    age: float = 10.0

    def __post_init__(self) -> None:
        if self.bytes < 1 or self.messages < 1 or not self.age > 0:
            raise OptionError(f"{self}: bytes, messages and age must be more than 0.")


@dataclass(slots=True)
class _Entry(Generic[T]):
    item: T
    size: int
    since: float
    policy: Policy
    key: Hashable


class SendQueue(Generic[T]):
    """The queue of messages to be sent on one connection. Time and limits are passed in.

    An empty queue accepts a message of any size.

    A ``keep_latest`` message replaces the queued message with the same key. The new message goes to
    the end of the queue, so that a client gets the publications of a channel in the order of their
    stream offsets. Messages are sent in rounds: a round contains the messages that were queued when
    the round began. Messages of the current round are not replaced. Otherwise, if new messages with
    a key come faster than the client reads, none of them would ever be sent.

    Args:
        on_drop: called with each message that was queued and is now dropped or replaced. It is not
            called for a message that :meth:`offer` does not queue.

    Attributes:
        bytes: total size of the queued messages.
        dropped: number of messages dropped so far, including those that were never queued.
    """

    __slots__ = ("_entries", "_latest", "_on_drop", "_round", "_serial", "bytes", "dropped")

    def __init__(self, on_drop: Callable[[T], object] | None = None) -> None:
        self._on_drop = on_drop
        self.bytes = 0
        self.dropped = 0
        self._entries: OrderedDict[int, _Entry[T]] = OrderedDict()
        self._latest: dict[Hashable, int] = {}
        self._serial = 0
        self._round = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest(self) -> float | None:
        """Time at which the first queued message was queued; None if the queue is empty."""
        return next(iter(self._entries.values())).since if self._entries else None

    def has_room(self, bounds: Bounds, *, buffered: int = 0, share: float = 1.0) -> bool:
        """Return True if the queue is filled to less than ``share`` of its bounds.

        Args:
            bounds: limits of the queue.
            buffered: bytes in the transport's buffer, which count, too.
            share: fraction of the bounds, from 0 to 1.
        """
        return (
            self.bytes + buffered < share * bounds.bytes
            and len(self._entries) < share * bounds.messages
        )

    def offer(
        self,
        item: T,
        size: int,
        *,
        bounds: Bounds,
        now: float,
        policy: Policy = "disconnect",
        key: Hashable = None,
        buffered: int = 0,
    ) -> Verdict:
        """Queue a message if its policy and the bounds allow it.

        Args:
            item: the message.
            size: its size in bytes.
            bounds: limits of the queue to apply in this call.
            now: monotonic seconds.
            policy: what to drop if the queue is full.
            key: for ``keep_latest``: messages with the same key replace each other.
            buffered: bytes in the transport's buffer, which will be sent before this queue.

        Returns:
            ``taken`` if the message was queued, ``dropped`` if it was dropped, or ``overflow`` if
            the caller must close the connection.
        """
        if policy == "keep_latest":
            older = self._latest.get(key)
            if older is not None and older > self._round:
                self._drop([older])
        if not self._fits(0 if policy == "block" else size, bounds, buffered) or (
            policy == "drop_newest" and self._is_late(bounds, now)
        ):
            need = 0 if policy == "block" else size
            if policy == "drop_newest" or not self._evict(need, bounds, buffered, policy):
                if policy in _FATAL:
                    return "overflow"
                self.dropped += 1
                return "dropped"
        self._serial += 1
        self._entries[self._serial] = _Entry(item, size, now, policy, key)
        self.bytes += size
        if policy == "keep_latest":
            self._latest[key] = self._serial
        return "taken"

    def take(self) -> T:
        """Remove the next message to send, and return it.

        Raises:
            IndexError: the queue is empty.
        """
        if not self._entries:
            raise IndexError("nothing waits in this queue")
        first = next(iter(self._entries))
        if first > self._round:
            self._round = self._serial
        return self._remove(first).item

    def expire(self, bounds: Bounds, now: float) -> bool:
        """Drop messages that have waited longer than ``bounds.age``, if their policy allows it.

        Returns:
            True if a message has waited too long whose policy is ``disconnect`` or ``block``. The
            caller must then close the connection.
        """
        fatal, late = False, []
        for serial, entry in self._entries.items():
            if now - entry.since <= bounds.age:
                break
            fatal = fatal or entry.policy in _FATAL
            if entry.policy in _EVICTABLE:
                late.append(serial)
        self._drop(late)
        return fatal

    def clear(self) -> int:
        """Drop all queued messages. Returns the number of dropped messages."""
        serials = list(self._entries)
        self._drop(serials)
        return len(serials)

    def _fits(self, size: int, bounds: Bounds, buffered: int) -> bool:
        count = len(self._entries)
        return not count or (
            self.bytes + buffered + size <= bounds.bytes and count < bounds.messages
        )

    def _is_late(self, bounds: Bounds, now: float) -> bool:
        oldest = self.oldest
        return oldest is not None and now - oldest > bounds.age

    def _evict(self, size: int, bounds: Bounds, buffered: int, policy: Policy) -> bool:
        """Drop the oldest droppable messages until the new message fits.

        Returns:
            False, without dropping any message, if dropping all of them would not be enough.
        """
        # A message that would close the connection may displace messages of all other policies.
        may = frozenset(POLICIES) - _FATAL if policy in _FATAL else _EVICTABLE
        excess_bytes = self.bytes + buffered + size - bounds.bytes
        excess_messages = len(self._entries) + 1 - bounds.messages
        victims = []
        for serial, entry in self._entries.items():
            if excess_bytes <= 0 and excess_messages <= 0:
                break
            if entry.policy in may:
                victims.append(serial)
                excess_bytes -= entry.size
                excess_messages -= 1
        if len(victims) < len(self._entries) and (excess_bytes > 0 or excess_messages > 0):
            return False
        self._drop(victims)
        return True

    def _drop(self, serials: list[int]) -> None:
        for serial in serials:
            entry = self._remove(serial)
            self.dropped += 1
            if self._on_drop is not None:
                self._on_drop(entry.item)

    def _remove(self, serial: int) -> _Entry[T]:
        entry = self._entries.pop(serial)
        self.bytes -= entry.size
        if self._latest.get(entry.key) == serial:
            del self._latest[entry.key]
        return entry


class Progress:
    """Measures for how long the peer of a connection has taken no data; time is passed in.

    Args:
        taken: bytes that have left this process so far, such as bytes written minus bytes buffered.
        now: monotonic seconds.
    """

    __slots__ = ("_since", "_taken")

    def __init__(self, taken: int, now: float) -> None:
        self._taken, self._since = taken, now

    def look(self, taken: int, now: float) -> float:
        """Record the bytes taken so far, and return the seconds since that number last grew."""
        if taken > self._taken:
            self._taken, self._since = taken, now
        return now - self._since
