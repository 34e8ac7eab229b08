"""Which probe counts the request that is being handled, for a probe further in to find.

ASGI has the scope for that. Elsewhere it is a variable of the context in which a handler runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..metrics.interfaces import Recorder

__all__ = ["ActiveProbe", "claim", "claimed", "take_over"]


class ActiveProbe(Protocol):
    """A request that a probe counts."""

    def stand_aside(self) -> None:
        """Leave counting to a probe further in."""


_CLAIMS: ContextVar[Mapping[Recorder, ActiveProbe]] = ContextVar("rtmon.claims")


def claim(monitor: Recorder, request: ActiveProbe) -> None:
    """Say that a probe of a Monitor counts the request that this context handles."""
    _CLAIMS.set({**_CLAIMS.get({}), monitor: request})


def claimed(monitor: Recorder) -> ActiveProbe | None:
    """Return what a probe of a Monitor has claimed in this context; None if it has nothing."""
    return _CLAIMS.get({}).get(monitor)


def take_over(monitor: Recorder) -> None:
    """Have the probe further out leave counting to the caller."""
    outer = claimed(monitor)
    if outer is not None:
        outer.stand_aside()
