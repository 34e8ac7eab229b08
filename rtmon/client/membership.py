"""Coming to channels and rooms, and going."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocol.catalog import Position

if TYPE_CHECKING:
    from .records import Message
    from .session import Session
    from .subscription import Subscription

__all__ = ["Attendance"]


class Attendance:
    """Who of the user's subscriptions gets what, and which rooms the client is in.

    Args:
        session: what remembers the places.
        now: seconds that only grow.
        wake: called when there is something to send.
    """

    def __init__(
        self, session: Session, *, now: Callable[[], float], wake: Callable[[], None]
    ) -> None:
        self.session = session
        self._now = now
        self._wake = wake
        self._subscriptions: list[Subscription] = []

    def publication(self, message: Message) -> int:
        """Hand a publication to all who want it. Returns how many lost something for it."""
        channel = message.channel or ""
        wanting = [each for each in self._subscriptions if each.wants(channel)]
        return sum(each.put(message) for each in wanting)

    def subscribe(self, subscription: Subscription, since: Position | None) -> None:
        """Begin.

        Raises:
            ClientClosed: the client is closed, or has given up.
        """
        session = self.session
        session.check()
        there = session.places.get(("channel", subscription.channel))
        place = session.enter("channel", subscription.channel, self._now(), since)
        self._subscriptions.append(subscription)
        subscription.begin(place)
        if there is not None and since is not None:
            session.rewind(place, since, self._now())
        self._wake()

    def unsubscribe(self, subscription: Subscription) -> None:
        """End."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        place = subscription.stop()
        if place is not None:
            self.session.leave(place, self._now())
            self._wake()

    def catch_up(self, subscription: Subscription) -> None:
        """Its reader has read all that it held: get what it let go of."""
        place, position = subscription.place, subscription.position
        if place is not None and position is not None:
            self.session.rewind(place, position, self._now())
            self._wake()

    async def join(self, room: str, since: Position | None) -> None:
        """See :meth:`Client.join`."""
        self.session.check()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = self.session.enter("room", room, self._now(), since)
        if place.entered:
            return
        self._wake()

        def entered(_: bool) -> None:  # noqa: FBT001 - as the session tells it
            if not done.done():
                done.set_result(None)

        def refused(error: Exception) -> None:
            if not done.done():
                done.set_exception(error)

        place.on_entered.append(entered)
        place.on_refused.append(refused)
        try:
            await done
        finally:
            place.on_entered.remove(entered)
            place.on_refused.remove(refused)

    def leave(self, room: str) -> None:
        """See :meth:`Client.leave`."""
        place = self.session.places.get(("room", room))
        if place is not None:
            self.session.leave(place, self._now())
            self._wake()

    def end(self, error: Exception | None) -> None:
        """The client has ended."""
        for subscription in self._subscriptions:
            subscription.end(error)
