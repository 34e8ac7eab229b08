"""Store a load test's open connections, and the summed counts of all its connections."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict

from .load_report import ConnectionReport, LoadReport, Totals, UserCounts
from .simulated_connection import CLOSE_TIMEOUT, SimulatedConnection
from .simulated_user import SimulatedUser

__all__ = ["ConnectionTotals"]

_REMEMBERED = 10_000
"""Maximum number of ended connections reported one by one. The totals include all of them."""


class ConnectionTotals:
    """The open connections of simulated users, and the summed counts of all connections.

    Args:
        tally: the counters to which new and lost connections are added.

    Attributes:
        open: open connection → its user.
    """

    def __init__(self, tally: UserCounts) -> None:
        self.open: dict[SimulatedConnection, SimulatedUser] = {}
        self._tally = tally
        self._ended: deque[ConnectionReport] = deque(maxlen=_REMEMBERED)
        self._totals = Totals()
        self._close_codes: dict[int, int] = {}

    def enter(self, connection: SimulatedConnection, user: SimulatedUser) -> None:
        """Add a user's connection. It counts as lost if it ends before :meth:`leave` is called."""
        self._tally.connected += 1
        self.open[connection] = user
        connection.on_end(self._lost)

    async def leave(
        self, connection: SimulatedConnection, how: str, *, within: float = CLOSE_TIMEOUT
    ) -> None:
        """End a user's connection. Does nothing if the connection has ended.

        Args:
            connection: the connection to end.
            how: the kind of close, see :meth:`SimulatedConnection.leave`.
            within: seconds to wait for the server's close frame.
        """
        user = self.open.pop(connection, None)
        if user is None:
            return
        if how == "abort":
            self._tally.aborted += 1
        await connection.leave(how, within=within)
        self._count(connection, user)

    def _lost(self, connection: SimulatedConnection) -> None:
        user = self.open.pop(connection, None)
        if user is not None:
            self._tally.lost += 1
            self._count(connection, user)
            user.wake()

    def _count(self, connection: SimulatedConnection, user: SimulatedUser) -> None:
        user.forget()
        report = connection.report()
        self._ended.append(report)
        self._totals.add(report)
        code = connection.close_code
        self._close_codes[code] = self._close_codes.get(code, 0) + 1

    def report(self, url: str, *, elapsed: float, quiet: bool) -> LoadReport:
        """Return the counts of all connections so far.

        Args:
            url: URL of the server.
            elapsed: seconds since the load was started.
            quiet: True if the users have stopped sending, and every sent message has been
                delivered.
        """
        now = [connection.report() for connection in self.open]
        totals, totals_open = Totals(**asdict(self._totals)), Totals()
        for entry in now:
            totals.add(entry)
            totals_open.add(entry)
        latency, late = self._tally.histograms()
        return LoadReport(
            url=url,
            elapsed=elapsed,
            quiet=quiet,
            open=len(now),
            problem=self._tally.problem,
            **self._tally.counts(LoadReport),
            latency=latency,
            late=late,
            totals=totals,
            totals_open=totals_open,
            close_codes=dict(self._close_codes),
            seconds=list(self._tally.seconds),
            connections=[*now, *reversed(self._ended)],
        )
