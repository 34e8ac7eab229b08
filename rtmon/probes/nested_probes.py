"""Coordinate nested probes: which probe counts the request that is being handled.

The probe nearest to the application counts. ASGI probes use the scope; others a context variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..metrics.monitor_interfaces import Recorder

__all__ = ["ActiveProbe", "claim", "claimed", "take_over"]


class ActiveProbe(Protocol):
    """A request that a probe counts."""

    def stand_aside(self) -> None:
        """Leave counting to an inner probe."""


_CLAIMS: ContextVar[Mapping[Recorder, ActiveProbe]] = ContextVar("rtmon.claims")


def claim(monitor: Recorder, request: ActiveProbe) -> None:
    """Register the probe that counts the request of this context for a Monitor."""
    _CLAIMS.set({**_CLAIMS.get({}), monitor: request})


def claimed(monitor: Recorder) -> ActiveProbe | None:
    """Return the probe registered for a Monitor in this context; None without one."""
    return _CLAIMS.get({}).get(monitor)


def take_over(monitor: Recorder) -> None:
    """Make the outer probe leave counting to the caller."""
    outer = claimed(monitor)
    if outer is not None:
        outer.stand_aside()
