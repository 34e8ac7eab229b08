"""Positions in message histories, by which a client detects duplicates and gaps. No I/O.

Each channel, each room and the chat numbers its messages. A client compares the number of each
message with the number of the last message that it received. So it detects duplicates and gaps.
"""

from __future__ import annotations

from ..core.lru_cache import LRU
from ..protocol.catalog import Position

__all__ = ["Cursor", "Cursors"]

_CURSORS = 1_000
"""Maximum number of channels whose positions a pattern's subscription keeps (least recently used
channels are evicted)."""


class Cursor:
    """Position of a client in the history of one channel, room or the chat.

    Args:
        dense: True if the client gets every number, so that a missing number is a gap. False for
            rooms: a client's own messages have numbers, but are not sent back to it.
        position: position of the last message received; None if there is none.

    Attributes:
        lost: True if messages were lost and the next message must be marked with ``gap``.
    """

    __slots__ = ("dense", "lost", "position")

    def __init__(self, *, dense: bool, position: Position | None = None) -> None:
        self.dense = dense
        self.position = position
        self.lost = False

    def entered(self, position: Position | None, recovered: bool | None) -> bool:  # noqa: FBT001 - the values that the server sent
        """Set the position that the server reports when it accepts the client.

        Args:
            position: the server's current position; None if there is no history.
            recovered: True if the server sends all messages since the client's position, False if
                it no longer has them all, None if the client did not ask.

        Returns:
            True if messages were lost.
        """
        mine = self.position
        if mine is None or position is None:
            self.position = position
            # A client that had no position cannot know which messages it has missed.
            lost = position is None and recovered is False
        else:
            lost = not recovered and mine != position
            if recovered is None or mine.epoch != position.epoch:
                # The server does not send the missed messages, so continue from the server's
                # position.
                self.position = position
        self.lost = self.lost or lost
        return lost

    def take(self, at: Position) -> bool | None:
        """Advance to the position of a received message.

        Returns:
            True if a message before this one was lost, False if not. None if this message was
            received before.
        """
        mine = self.position
        if mine is not None and mine.epoch == at.epoch:
            if at.offset <= mine.offset:
                return None
            hole = self.dense and at.offset != mine.offset + 1
        else:
            hole = mine is not None
        gap = self.lost or hole
        self.position, self.lost = at, False
        return gap


class Cursors:
    """Positions of a subscription: in its channel, or in each channel that its pattern matches.

    Args:
        name: name of the channel, or the pattern.
        position: position to start after; None to start with new messages.
    """

    def __init__(self, name: str, position: Position | None) -> None:
        self._pattern = "*" in name
        self._first = Cursor(dense=True, position=position)
        self._channels: LRU[str, Cursor] = LRU(_CURSORS)
        self._lost = False

    @property
    def position(self) -> Position | None:
        """Position of the last message in the channel; None for a pattern, or before the first."""
        return None if self._pattern else self._first.position

    def lost(self) -> None:
        """Mark the next message with ``gap``, because messages before it were lost."""
        self._lost = True

    def begin(self, position: Position | None) -> None:
        """Set the position when the server accepts the subscription.

        If the subscription has a position already, ``position`` is ignored, with one exception: if
        ``position`` is None, the server keeps no history, and the subscription has no position
        either.
        """
        if self._first.position is None or position is None:
            self._first.position = position

    def take(self, channel: str, at: Position) -> bool | None:
        """Advance in the history of one channel. Returns the same as :meth:`Cursor.take`."""
        if not self._pattern:
            cursor = self._first
        else:
            known = self._channels.get(channel)
            cursor = known or Cursor(dense=False)
            if known is None:
                self._channels.put(channel, cursor)
        gap = cursor.take(at)
        if gap is None:
            return None
        gap, self._lost = gap or self._lost, False
        return gap
