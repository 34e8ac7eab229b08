"""The subscriptions and rooms of a client: start, stop, and deliver messages to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..protocol.catalog import Position
from .errors import ClientError
from .result_types import Message
from .session import ClientSession
from .subscription import Subscription

__all__ = ["Joining"]


class Joining:
    """The subscriptions and rooms that the client's user has asked for.

    Args:
        session: holds the memberships, which are requested again after each reconnect.
        now: returns monotonic seconds.
        wake: called when a message was queued for sending.
    """

    def __init__(
        self, session: ClientSession, *, now: Callable[[], float], wake: Callable[[], None]
    ) -> None:
        self._session = session
        self._now = now
        self._wake = wake
        self._subscriptions: list[Subscription] = []

    def publication(self, message: Message) -> int:
        """Deliver a publication to the subscriptions of its channel.

        Returns:
            The number of subscriptions that dropped a message.
        """
        channel = message.channel or ""
        wanting = [each for each in self._subscriptions if each.wants(channel)]
        return sum(each.put(message) for each in wanting)

    def subscribe(self, subscription: Subscription, since: Position | None) -> None:
        """Start a subscription.

        Args:
            subscription: the subscription, which gets the channel's publications from now on.
            since: position after which to resume; None to start with new publications.

        Raises:
            ClientClosed: the client is closed, or has stopped reconnecting.
        """
        self._session.check()
        places = self._session.places
        there = places.get("channel", subscription.channel)
        place = places.enter("channel", subscription.channel, self._now(), since)
        self._subscriptions.append(subscription)
        subscription.begin(place)
        if there is not None and since is not None:
            places.rewind(place, since, self._now())
        self._wake()

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop a subscription. If it was the last one of its channel, unsubscribe at the server."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        place = subscription.stop()
        if place is not None:
            self._session.places.leave(place, self._now())
            self._wake()

    def catch_up(self, subscription: Subscription) -> None:
        """Request from the server's history the messages that a slow subscription has dropped.

        Called when the subscription's reader has read all buffered messages.
        """
        place, position = subscription.place, subscription.position
        if place is not None and position is not None:
            self._session.places.rewind(place, position, self._now())
            self._wake()

    async def join(self, room: str, since: Position | None) -> None:
        """Join a room, and wait for the server's answer; see :meth:`Client.join`."""
        self._session.check()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = self._session.places.enter("room", room, self._now(), since)
        if place.entered:
            return
        self._wake()

        def entered(_: bool) -> None:  # noqa: FBT001 - as Membership.on_entered
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
        """Leave a room; see :meth:`Client.leave`."""
        place = self._session.places.get("room", room)
        if place is not None:
            self._session.places.leave(place, self._now())
            left = ClientError(f"The client left the room {room!r} before it was let in.")
            for refuse in list(place.on_refused):
                refuse(left)
            self._wake()

    def end(self, error: Exception | None) -> None:
        """End all subscriptions, because the client has ended.

        Args:
            error: raised in iterations over the subscriptions; None to end them normally.
        """
        for subscription in self._subscriptions:
            subscription.end(error)
