"""Backpressure: bounded send queues with policies for slow consumers. Pure.

A transport takes messages until its own buffer is full; what comes then waits in a
:class:`SendQueue`, which is bounded, and each message brings the policy that says what is given
up when it is full. What a transport has taken cannot be dropped any more.
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
"""What a full send queue drops, by policy.

* ``disconnect``: what waits under another policy, or else the connection, with close code 1013.
* ``drop_oldest``: the oldest messages that may be given up.
* ``drop_newest``: the message that does not fit.
* ``keep_latest``: what waits under the same key, full or not; if that is not enough, the oldest.
* ``block``: the publisher's time. It waits before it publishes, so the queue takes what it
  brings; where nobody can wait and the queue is over its bounds already, as ``disconnect``.
"""

POLICIES: tuple[Policy, ...] = get_args(Policy)

Verdict = Literal["taken", "dropped", "overflow"]
"""Result of queueing a message: queued, dropped, or the connection must be closed."""

T = TypeVar("T")

_EVICTABLE = frozenset({"drop_oldest", "keep_latest"})
_FATAL = frozenset({"disconnect", "block"})


def checked_policy(policy: str) -> Policy:
    """A policy's name, if it is one.

    Raises:
        OptionError: it is none.
    """
    for known in POLICIES:
        if known == policy:
            return known
    raise OptionError(f"{policy!r} is no policy for slow receivers: use {', '.join(POLICIES)}.")


def together(policies: Iterable[Policy]) -> Policy:
    """The policy of several messages in one: theirs if it is the same, else the default.

    Of ``keep_latest`` there are several keys in it, so it is the oldest that goes.
    """
    found = set(policies)
    policy = found.pop() if len(found) == 1 else "disconnect"
    return "drop_oldest" if policy == "keep_latest" else policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits of the send queue of one connection.

    Attributes:
        bytes: of messages, in the queue and in the transport's buffer together.
        messages: in the queue.
        age: seconds that a message may wait in the queue.
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
    """The messages that wait for one connection, in order; time and bounds are passed in.

    The first message always finds room, however large it is.

    ``keep_latest`` keeps the order, so that positions only grow: a newer message takes the place
    of the older one at the end of the queue, not in the middle. Messages go in rounds, each made
    of what waits when it begins, and what is in a round is not replaced: or a key that changes
    more often than the reader reads would never have its turn.

    Args:
        on_drop: called with each message that was taken and is given up later.

    Attributes:
        bytes: that wait.
        dropped: messages given up so far.
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
        """Since when the first message waits; None if there is none."""
        return next(iter(self._entries.values())).since if self._entries else None

    def has_room(self, bounds: Bounds, *, buffered: int = 0, share: float = 1.0) -> bool:
        """Whether less than a share of what may wait does."""
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
        """Queue a message, as its policy allows.

        Args:
            item: the message.
            size: its bytes.
            bounds: how much may wait, from now on.
            now: monotonic seconds.
            policy: what to drop if the queue is full.
            key: for ``keep_latest``: messages with the same key replace each other.
            buffered: bytes that wait in the transport's buffer, in front of this queue.
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
        """The message whose turn it is.

        Raises:
            IndexError: none waits.
        """
        if not self._entries:
            raise IndexError("nothing waits in this queue")
        first = next(iter(self._entries))
        if first > self._round:
            self._round = self._serial
        return self._remove(first).item

    def expire(self, bounds: Bounds, now: float) -> bool:
        """Drop messages that have waited too long, if their policy allows.

        Returns:
            Whether something is left that has waited for too long and may not: the connection
            is to be given up instead.
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
        """Give everything up. Returns how many messages that were."""
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
        """Give up the oldest that may be, as few as make room; none if all were not enough."""
        # What must not be dropped is worth more than anything that may.
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
    """Measures for how long a reader has made no progress; time is passed in.

    Args:
        taken: a number that grows as bytes leave, such as those handed over less those waiting.
        now: monotonic seconds.
    """

    __slots__ = ("_since", "_taken")

    def __init__(self, taken: int, now: float) -> None:
        self._taken, self._since = taken, now

    def look(self, taken: int, now: float) -> float:
        """Seconds since the first look at which it had taken as much as now."""
        if taken > self._taken:
            self._taken, self._since = taken, now
        return now - self._since
