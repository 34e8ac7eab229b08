"""Decide which of several nested probes counts a request: the one nearest to the application.

Nested ASGI probes find each other through the ASGI scope. All other probes use the context variable
of this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..metrics.monitor_interfaces import Recorder

__all__ = ["ActiveProbe", "claim", "claimed", "take_over"]


class ActiveProbe(Protocol):
    """Interface: a probe that counts a request, and can leave this to another probe."""

    def stand_aside(self) -> None:
        """Stop counting the request, because an inner probe counts it."""


_CLAIMS: ContextVar[Mapping[Recorder, ActiveProbe]] = ContextVar("rtmon.claims")


def claim(monitor: Recorder, request: ActiveProbe) -> None:
    """Register the probe that counts the current context's request for a Monitor."""
    _CLAIMS.set({**_CLAIMS.get({}), monitor: request})


def claimed(monitor: Recorder) -> ActiveProbe | None:
    """Return the probe that is registered for a Monitor in the current context, or None."""
    return _CLAIMS.get({}).get(monitor)


def take_over(monitor: Recorder) -> None:
    """Stop the outer probe of the current context, if any: the caller counts the request."""
    outer = claimed(monitor)
    if outer is not None:
        outer.stand_aside()
