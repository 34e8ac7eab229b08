"""Publishing to a place: stored and delivered in one step of the broker."""

from __future__ import annotations

from .brokers.base import Draft, PublishResult
from .hub_context import HubContext
from .join_leave_announcements import JoinLeaveAnnouncements

__all__ = ["Publisher"]


class Publisher:
    """Publishes to places.

    Args:
        context: of the hub.
        join_leave: announcements that go out before a new member's first publication.
    """

    def __init__(self, context: HubContext, join_leave: JoinLeaveAnnouncements) -> None:
        self._context = context
        self._join_leave = join_leave

    async def publish(self, key: str, draft: Draft, *, sender: str | None = None) -> PublishResult:
        """Publish a draft to a place.

        Args:
            key: the place.
            draft: the publication.
            sender: for deduplication; None if it has no id of the client's own.

        Returns:
            Its position.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        if draft.client_id is not None:
            # A client's join is announced before its first publication.
            self._join_leave.announce_member(key, draft.client_id)
        size, age = self._context.history_bounds(key)
        return await self._context.broker.publish(key, draft, size=size, age=age, sender=sender)
