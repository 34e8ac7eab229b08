"""A client's numbers in a Monitor, where they stand beside a server's and never in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection

from .records import Change, ClientStats

if TYPE_CHECKING:
    from ..monitor import Monitor

__all__ = ["Reporting"]


class Reporting:
    """Tells a Monitor of a client: its connections, what became of them, and its own numbers.

    Args:
        monitor: who is told.
        name: what the client's connections are called there.
        stats: the client's numbers as of now.
    """

    def __init__(
        self, monitor: Monitor, *, name: str | None, stats: Callable[[], ClientStats]
    ) -> None:
        self._monitor = monitor
        self._name = name
        self._rtt: float | None = None
        self._stats = stats
        monitor.follow(self._now)

    def _now(self) -> ClientStats:
        return self._stats()

    def ended(self) -> None:
        """The client has ended: what it was is kept, and not the client."""
        last = self._stats()
        self._stats = lambda: last

    def counting(self, base: Any = None) -> Any:
        """The connection class that counts, for ``create_connection=``."""
        from ..probes.websockets import probe

        return probe(self._monitor, base=ClientConnection if base is None else base)

    def opened(self, connection: Any) -> None:
        """A connection is there."""
        connection.meter.name = self._name
        self._rtt = None

    def measured(self, connection: Any, rtt: float | None) -> None:
        """What the latest heartbeat took; the library's own are off."""
        if rtt is not None and rtt != self._rtt and self._monitor.arm("probe"):
            self._rtt = rtt
            self._monitor.collector.rtt(connection.meter, rtt)

    def changed(self, change: Change) -> None:
        """Something happened to the client."""
        if self._monitor.arm("probe"):
            self._monitor.event(f"client {change.what}", _in_words(self._name, change))


def _in_words(name: str | None, change: Change) -> str:
    parts = [change.reason or change.state]
    if change.code is not None:
        parts.append(f"close code {change.code}")
    if change.downtime is not None:
        parts.append(f"after {change.downtime:.1f} s without a connection")
    if change.delay is not None:
        parts.append(f"next attempt in {change.delay:.1f} s")
    return f"{name or 'a client'}: {', '.join(parts)}"
