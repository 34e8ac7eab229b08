"""Publishing to a room, a channel or the chat: the broker stores and delivers in one step."""

from __future__ import annotations

from .brokers.base import Draft, PublishResult
from .hub_context import HubContext
from .join_leave_announcements import JoinLeaveAnnouncements

__all__ = ["Publisher"]


class Publisher:
    """Publishes to rooms, channels and the chat.

    Args:
        context: the hub's shared context.
        join_leave: announces a new member before the member's first publication.
    """

    def __init__(self, context: HubContext, join_leave: JoinLeaveAnnouncements) -> None:
        self._context = context
        self._join_leave = join_leave

    async def publish(self, key: str, draft: Draft, *, sender: str | None = None) -> PublishResult:
        """Publish to a room, a channel or the chat.

        Args:
            key: key of the room, the channel or the chat.
            draft: the publication, without a position.
            sender: sender key for deduplication; None if the client gave the message no id.

        Returns:
            The position of the publication.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        if draft.client_id is not None:
            self._join_leave.announce_member(key, draft.client_id)
        size, age = self._context.history_bounds(key)
        return await self._context.broker.publish(key, draft, size=size, age=age, sender=sender)
