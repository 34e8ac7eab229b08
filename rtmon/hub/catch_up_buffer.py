"""Publications held back from a client while it is sent the history before them."""

from __future__ import annotations

from ..errors import ProtocolError
from ..protocol import limits
from .outgoing_messages import Outgoing

__all__ = ["CatchUp"]


class CatchUp:
    """Publications to a place since a client began to catch up there."""

    def __init__(self) -> None:
        self._held: list[tuple[int, Outgoing]] = []
        self._overflowed = False

    def add(self, offset: int, outgoing: Outgoing) -> None:
        """Hold back a publication."""
        if len(self._held) < limits.CATCHING_UP:
            self._held.append((offset, outgoing))
        else:
            self._overflowed = True

    def take(self, offset: int) -> list[Outgoing]:
        """Return the publications held back since the last call, after an offset.

        Raises:
            ProtocolError: more was published than is held back.
        """
        if self._overflowed:
            raise ProtocolError(
                "overloaded", "Too much was published meanwhile: try again.", retry=True
            )
        held, self._held = self._held, []
        return [outgoing for at, outgoing in held if at > offset]
