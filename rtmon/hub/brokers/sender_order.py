"""The order of each sender's messages when some of them are refused. Pure: time is passed in.

A client sends without waiting for answers. When one message is refused because the broker is away,
those behind it are on their way already; were they published as soon as the broker is back, the
first would come after them when the client sends it again.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["SenderOrder"]


class _Refused:
    """The refused messages of one sender, in the order in which they are expected again."""

    __slots__ = ("ids", "until")

    def __init__(self, first: str, until: float) -> None:
        self.ids: dict[str, None] = {first: None}
        self.until = until

    def drop_before(self, message: str) -> None:
        for earlier in list(self.ids):
            if earlier == message:
                return
            del self.ids[earlier]


class SenderOrder:
    """Holds back what a sender sends after a refused message, until it sends that one again.

    Only messages with ids of the sender's own are known again, so others are not held back.

    Args:
        seconds: how long to wait for a refused message to be sent again; after that its sender
            has given it up.
        senders: senders to remember; past it the one longest quiet is forgotten.
        each: refused messages of one sender to remember; those beyond are refused all the same.
    """

    def __init__(self, *, seconds: float, senders: int = 10_000, each: int = 1_000) -> None:
        self._seconds = seconds
        self._most = senders
        self._each = each
        self._senders: OrderedDict[str, _Refused] = OrderedDict()

    def __len__(self) -> int:
        return len(self._senders)

    def admit(self, sender: str, message: str, *, now: float) -> bool:
        """Return whether a message may be published now; if not, its sender must send it again."""
        refused = self._senders.get(sender)
        if refused is None:
            return True
        if refused.until <= now:
            del self._senders[sender]
            return True
        if message in refused.ids:
            # Refusals arrive in order: the sender knows of the earlier ones, and gave them up.
            refused.drop_before(message)
            return True
        if len(refused.ids) < self._each:
            refused.ids[message] = None
        return False

    def refused(self, sender: str, message: str, *, now: float) -> None:
        """Note that the broker has refused a message that was admitted."""
        # Those behind it may have been sent before their sender hears of it: all are new again.
        self._senders[sender] = _Refused(message, now + self._seconds)
        self._senders.move_to_end(sender)
        self._expire(now)

    def published(self, sender: str, message: str, *, now: float) -> None:
        """Note that the broker has published a message that was admitted."""
        refused = self._senders.get(sender)
        if refused is None or message not in refused.ids:
            return
        refused.drop_before(message)
        del refused.ids[message]
        if refused.ids:
            refused.until = now + self._seconds
            self._senders.move_to_end(sender)
        else:
            del self._senders[sender]

    def _expire(self, now: float) -> None:
        # Each change moves a sender to the end, so the first is the first to be given up.
        while self._senders:
            sender, refused = next(iter(self._senders.items()))
            if len(self._senders) <= self._most and refused.until > now:
                return
            del self._senders[sender]
