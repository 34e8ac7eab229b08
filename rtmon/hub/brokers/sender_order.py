"""Keeps the order of each sender's messages when the broker refuses some of them.

A client sends messages without waiting for answers. If one is refused because the broker is
unreachable, later messages are already on their way. Without this module, they could be published
before the client resends the refused message.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict

__all__ = ["SenderOrder"]


class _Refused:
    """The refused messages of one sender, in the order in which they were first sent.

    Attributes:
        ids: message id → number of its last refusal.
        until: time after which the sender will not resend any of them.
    """

    __slots__ = ("ids", "until")

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.until = 0.0

    def may_pass(self, message: str) -> bool:
        """Return True if the sender will not resend any message before this one.

        The sender receives refusals in order. If no earlier message was refused after this one, the
        sender knows of all earlier refusals, and has resent or abandoned the earlier messages.
        """
        number = self.ids[message]
        for earlier, refused in self.ids.items():
            if earlier == message:
                return True
            if refused > number:
                return False
        return True

    def drop_before(self, message: str) -> int:
        """Remove the messages that were first sent before this one. Returns how many."""
        earlier = list(itertools.takewhile(lambda each: each != message, self.ids))
        for each in earlier:
            del self.ids[each]
        return len(earlier)


class SenderOrder:
    """After a refused message, refuses the sender's further messages until that one is resent.

    This works only for messages with an id that the sender has chosen. Messages without such an id
    are never refused.

    Args:
        seconds: time to wait for a refused message to be resent. After that, it counts as
            abandoned.
        each: maximum number of remembered refused messages of one sender. Further messages are
            refused as well, but their order is not ensured.
        capacity: maximum number of remembered messages of all senders. Above it, the sender that
            has been silent longest is removed, and its order is no longer ensured.
    """

    def __init__(self, *, seconds: float, each: int = 10_000, capacity: int = 200_000) -> None:
        self._seconds = seconds
        self._each = each
        self._capacity = capacity
        self._senders: OrderedDict[str, _Refused] = OrderedDict()
        self._numbers = itertools.count()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def admit(self, sender: str, message: str, *, now: float) -> bool:
        """Return True if a message may be published now. If False, its sender must resend it."""
        refused = self._senders.get(sender)
        if refused is None:
            return True
        if refused.until <= now:
            self._forget(sender)
            return True
        if message in refused.ids:
            if refused.may_pass(message):
                self._count -= refused.drop_before(message)
                return True
        elif len(refused.ids) >= self._each:
            return False
        else:
            self._count += 1
        refused.ids[message] = next(self._numbers)
        self._make_room(now)
        return False

    def refused(self, sender: str, message: str, *, now: float) -> None:
        """Record that the broker has refused a message that :meth:`admit` allowed."""
        refused = self._senders.setdefault(sender, _Refused())
        self._count += message not in refused.ids
        refused.ids[message] = next(self._numbers)
        self._renew(sender, refused, now)
        self._make_room(now)

    def published(self, sender: str, message: str, *, now: float) -> None:
        """Record that the broker has published a message that :meth:`admit` allowed."""
        refused = self._senders.get(sender)
        if refused is None or refused.ids.pop(message, None) is None:
            return
        self._count -= 1
        if refused.ids:
            self._renew(sender, refused, now)
        else:
            self._forget(sender)

    def _renew(self, sender: str, refused: _Refused, now: float) -> None:
        """Extend the time in which the sender may resend its messages."""
        refused.until = now + self._seconds
        self._senders.move_to_end(sender)

    def _make_room(self, now: float) -> None:
        # A sender moves to the end each time its time to resend is extended. So the time of the
        # first sender ends first.
        """Remove senders whose time to resend has passed, or, above the capacity, the oldest."""
        while self._senders:
            sender, refused = next(iter(self._senders.items()))
            if self._count <= self._capacity and refused.until > now:
                return
            self._forget(sender)

    def _forget(self, sender: str) -> None:
        """Remove a sender and its refused messages."""
        self._count -= len(self._senders.pop(sender).ids)
