"""Where in which history a client is. Pure.

Channels, rooms and the chat count what is published there. Who knows the last number it got can
tell what is new, what comes again and what is missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from ..protocol.incoming import Position

__all__ = ["CHAT", "Cursor", "Cursors", "Place", "PlaceKind"]

PlaceKind = Literal["chat", "room", "channel"]

CHAT = ("chat", "")

_CURSORS = 1_000
"""Channels that one pattern keeps a position of; past it the one longest quiet is forgotten."""


class Cursor:
    """A position in one history.

    Args:
        dense: whether every number is delivered here, so that a missing one is a loss. What one
            says oneself in a room need not come back, but has a number.
    """

    __slots__ = ("dense", "lost", "position")

    def __init__(self, *, dense: bool, position: Position | None = None) -> None:
        self.dense = dense
        self.position = position
        self.lost = False

    def entered(self, position: Position | None, recovered: bool | None) -> bool:  # noqa: FBT001 - both as they came
        """The server has said where the history is, and whether what follows is complete.

        Returns:
            Whether something was lost.
        """
        mine = self.position
        if mine is None or position is None:
            self.position = position
            # Without a position to return to, nobody knows what was said meanwhile.
            lost = position is None and recovered is False
        else:
            lost = not recovered and mine != position
            if recovered is None or mine.epoch != position.epoch:
                # Nothing of what was missed follows.
                self.position = position
        self.lost = self.lost or lost
        return lost

    def take(self, at: Position) -> bool | None:
        """Something with this position came.

        Returns:
            Whether something before it was lost; None if it came before.
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
    """The positions in all channels that one subscription stands for.

    Args:
        name: the channel, or a pattern.
    """

    def __init__(self, name: str, position: Position | None) -> None:
        self._pattern = "*" in name
        self._first = Cursor(dense=True, position=position)
        self._channels: OrderedDict[str, Cursor] = OrderedDict()
        self._lost = False

    @property
    def position(self) -> Position | None:
        """Of the last message; a pattern has none."""
        return None if self._pattern else self._first.position

    def lost(self) -> None:
        """History was lost: the next message says so."""
        self._lost = True

    def begin(self, position: Position | None) -> None:
        """The subscription begins here, unless it is further already.

        None if where it was is no place to return to.
        """
        if self._first.position is None or position is None:
            self._first.position = position

    def take(self, channel: str, at: Position) -> bool | None:
        """As :meth:`Cursor.take`."""
        if not self._pattern:
            cursor = self._first
        else:
            cursor = self._channels.setdefault(channel, Cursor(dense=False))
            self._channels.move_to_end(channel)
            if len(self._channels) > _CURSORS:
                self._channels.popitem(last=False)
        gap = cursor.take(at)
        if gap is None:
            return None
        gap, self._lost = gap or self._lost, False
        return gap


class Place:
    """A channel, a pattern, a room or the chat that the client is in, over all connections.

    Attributes:
        entered: whether the server has let the client in, on this connection.
        been: whether it ever was.
        asked: how often the client asked to be let in.
        told: the furthest position that was passed on; behind it after a rewind.
        on_entered: called each time it is let in, with whether history was lost.
        on_refused: called when it is not, with the reason.
    """

    def __init__(self, kind: PlaceKind, name: str, position: Position | None = None) -> None:
        self.kind = kind
        self.name = name
        self.cursor = Cursor(dense=kind == "channel", position=position)
        self.entered = self.been = False
        self.asked = 0
        self.told: Position | None = None
        self.on_entered: list[Callable[[bool], None]] = []
        self.on_refused: list[Callable[[Exception], None]] = []

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from other places."""
        return (self.kind, self.name)

    def again(self, at: Position) -> bool:
        """Whether something was passed on before; notes that it is now."""
        told = self.told
        if told is not None and told.epoch == at.epoch and at.offset <= told.offset:
            return True
        self.told = at
        return False

    @property
    def pattern(self) -> bool:
        """Whether it stands for several channels, and so has no position."""
        return self.kind == "channel" and "*" in self.name
