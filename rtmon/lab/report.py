"""What simulated users counted, all together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .user import ConnectionReport

__all__ = ["LoadReport", "Totals"]


@dataclass(slots=True)
class Totals:
    """Sums over connections; bytes are application payload."""

    messages_out: int = 0
    bytes_out: int = 0
    messages_in: int = 0
    bytes_in: int = 0

    def add(self, report: ConnectionReport) -> None:
        """Add a connection's counts."""
        for name in (entry.name for entry in fields(self)):
            setattr(self, name, getattr(self, name) + getattr(report, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What the users counted themselves.

    Attributes:
        url: where.
        quiet: whether everything under way had been delivered when it was made.
        open: connections open.
        connected: connections made so far.
        failed: attempts to connect that failed.
        lost: connections that ended without the user's doing.
        aborted: connections that users ended without a close frame: what the server sent last
            may never have arrived, so the totals are exact only where this is 0.
        totals: over all connections.
        totals_open: over the connections open now.
        close_codes: close code → ended connections.
        connections: each open one, then the latest of the ended ones.
    """

    url: str
    quiet: bool
    open: int
    connected: int
    failed: int
    lost: int
    aborted: int
    totals: Totals
    totals_open: Totals
    close_codes: dict[int, int] = field(default_factory=dict)
    connections: list[ConnectionReport] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain lists and dictionaries."""
        return asdict(self)
