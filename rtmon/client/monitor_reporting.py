"""Report a client to a Monitor. The totals of a server never include the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection

from .result_types import Change, ClientStats

if TYPE_CHECKING:
    from ..metrics.monitor_interfaces import Recorder

__all__ = ["MonitorReporting"]


class MonitorReporting:
    """Reports a client's connections, state changes and statistics to a Monitor.

    Args:
        monitor: the Monitor.
        name: name of the client's connections in the Monitor.
        stats: returns the client's current statistics.
    """

    def __init__(
        self, monitor: Recorder, *, name: str | None, stats: Callable[[], ClientStats]
    ) -> None:
        self._monitor = monitor
        self._name = name
        self._rtt: float | None = None
        self._stats = stats
        monitor.follow(self._now)

    def _now(self) -> ClientStats:
        return self._stats()

    def ended(self) -> None:
        """Keep the client's final statistics, and drop the reference to the client itself."""
        last = self._stats()
        self._stats = lambda: last

    def counting(self, base: Any = None) -> Any:
        """Return a connection class with a probe, to be passed as ``create_connection``.

        Args:
            base: the connection class to extend; the class of `websockets` if None.
        """
        from ..probes.websockets import probe

        return probe(self._monitor, base=ClientConnection if base is None else base)

    def opened(self, connection: Any) -> None:
        """Give a new connection the client's name in the Monitor."""
        connection.meter.name = self._name
        self._rtt = None

    def measured(self, connection: Any, rtt: float | None) -> None:
        """Report the round-trip time of a heartbeat, in seconds, if it is a new one.

        The ping frames of `websockets`, which a probe would measure, are switched off.
        """
        if rtt is not None and rtt != self._rtt and self._monitor.arm("probe"):
            self._rtt = rtt
            self._monitor.collector.rtt(connection.meter, rtt)

    def changed(self, change: Change) -> None:
        """Report a state change of the client as an event of the Monitor."""
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
