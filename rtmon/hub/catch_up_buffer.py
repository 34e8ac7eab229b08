"""Buffer of live publications for a client that is still being sent the history."""

from __future__ import annotations

from ..errors import ProtocolError
from ..protocol import limits
from .outgoing_messages import Outgoing

__all__ = ["CatchUp"]


class CatchUp:
    """Live publications of one room, channel or chat, held back for one returning client."""

    def __init__(self) -> None:
        self._held: list[tuple[int, Outgoing]] = []
        self._overflowed = False

    def add(self, offset: int, outgoing: Outgoing) -> None:
        """Hold back a live publication."""
        if len(self._held) < limits.CATCHING_UP:
            self._held.append((offset, outgoing))
        else:
            self._overflowed = True

    def take(self, offset: int) -> list[Outgoing]:
        """Return the held-back publications above ``offset``, and empty the buffer.

        Raises:
            ProtocolError: the buffer has overflowed (``overloaded``).
        """
        if self._overflowed:
            raise ProtocolError(
                "overloaded", "Too much was published meanwhile: try again.", retry=True
            )
        held, self._held = self._held, []
        return [outgoing for at, outgoing in held if at > offset]
