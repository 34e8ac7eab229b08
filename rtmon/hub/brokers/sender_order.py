"""The order of each sender's messages when some of them are refused. Pure: time is passed in.

A client sends without waiting for answers. When one message is refused because the broker is away,
those behind it are on their way already; were they published as soon as the broker is back, the
first would come after them when the client sends it again.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict

__all__ = ["SenderOrder"]


class _Refused:
    """The refused messages of one sender, in the order in which they were first sent.

    Attributes:
        ids: message → the number of its last refusal.
        until: when the sender has given up all of them.
    """

    __slots__ = ("ids", "until")

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.until = 0.0

    def may_pass(self, message: str) -> bool:
        """Return whether the sender will not send the messages before this one again.

        It hears of refusals in their order: if this one's was the last, it knows of the others
        and has sent, or given up, what stands before.
        """
        number = self.ids[message]
        for earlier, refused in self.ids.items():
            if earlier == message:
                return True
            if refused > number:
                return False
        return True

    def drop_before(self, message: str) -> int:
        """Forget the messages before this one. Returns how many."""
        earlier = list(itertools.takewhile(lambda each: each != message, self.ids))
        for each in earlier:
            del self.ids[each]
        return len(earlier)


class SenderOrder:
    """Holds back what a sender sends after a refused message, until it sends that one again.

    Only messages with ids of the sender's own are known again, so others are not held back.

    Args:
        seconds: how long to wait for a refused message to be sent again; after that its sender
            has given it up.
        each: refused messages of one sender to remember. Those beyond are refused all the same;
            whether they come in order then is up to their sender.
        capacity: refused messages of all senders to remember; past it the sender longest quiet
            is forgotten, and no longer held back.
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
        """Return whether a message may be published now; if not, its sender must send it again."""
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
        """Note that the broker has refused a message that was admitted."""
        refused = self._senders.setdefault(sender, _Refused())
        self._count += message not in refused.ids
        refused.ids[message] = next(self._numbers)
        self._renew(sender, refused, now)
        self._make_room(now)

    def published(self, sender: str, message: str, *, now: float) -> None:
        """Note that the broker has published a message that was admitted."""
        refused = self._senders.get(sender)
        if refused is None or refused.ids.pop(message, None) is None:
            return
        self._count -= 1
        if refused.ids:
            self._renew(sender, refused, now)
        else:
            self._forget(sender)

    def _renew(self, sender: str, refused: _Refused, now: float) -> None:
        refused.until = now + self._seconds
        self._senders.move_to_end(sender)

    def _make_room(self, now: float) -> None:
        # A renewed sender moves to the end, so the first is the first to be given up.
        while self._senders:
            sender, refused = next(iter(self._senders.items()))
            if self._count <= self._capacity and refused.until > now:
                return
            self._forget(sender)

    def _forget(self, sender: str) -> None:
        self._count -= len(self._senders.pop(sender).ids)
