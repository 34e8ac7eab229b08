"""Simulated users: plain `websockets` clients over real sockets, against any WebSocket server.

The one call, which ``rtmon load URL --users N --rate R --duration S --json`` makes::

    report = await run_load(url, LoadOptions(users=50, rate=2.0, duration=10.0))

    async def run_load(
        url: str,
        options: LoadOptions | None = None,
        *,
        stop: asyncio.Event | None = None,      # set: stop before the duration is over
        on_quiet: Callable[[LoadReport], None] | None = None,
        release: asyncio.Event | None = None,   # keep connections open until it is set
    ) -> LoadReport

1. Users arrive over ``ramp`` seconds, speak, come and go.
2. After ``duration``, or when ``stop`` is set, they stop speaking, coming and going.
3. When everything under way has been delivered, ``on_quiet`` is called with the report: with the
   connections still open, the server's counters must now be equal to it.
4. When ``release`` is set (at once without one), they close with 1000; the report after that is
   returned. ``report.as_dict()`` is ready for ``json.dumps``.

A server that cannot be reached is tried again, and is counted in ``report.failed``.
:class:`Load` is the same in steps, for notebooks and tests.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import Self

from websockets.exceptions import WebSocketException

from ..backoff import Backoff
from .report import LoadReport, Totals
from .script import LoadOptions, Visit, visits
from .user import Connection, ConnectionReport

__all__ = ["ConnectionReport", "Load", "LoadOptions", "LoadReport", "Totals", "run_load"]

_SETTLE = 0.25
"""Seconds between two looks at whether all is quiet; a hub collects joins for 0.1 s."""

_RETRY = Backoff(base=0.5, max=5.0)
"""Waits of a user whom the server did not let in."""

_PATIENCE = 5.0
"""Seconds that users have to finish what they are at when the load is closed."""

_REMEMBERED = 10_000
"""Ended connections that are reported one by one; the totals have them all."""


class Load:
    """Users in steps: ``async with Load(url, options) as load: … await load.quiet()``.

    Args:
        url: of the WebSocket server.
        options: what the users do.
    """

    def __init__(self, url: str, options: LoadOptions | None = None) -> None:
        self.url = url
        self.options = LoadOptions() if options is None else options
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._open: dict[Connection, None] = {}
        self._ended: deque[ConnectionReport] = deque(maxlen=_REMEMBERED)
        self._totals = Totals()
        self._close_codes: dict[int, int] = {}
        self._connected = self._failed = self._lost = self._aborted = 0
        self._quiet = False

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._live(number)) for number in range(self.options.users)
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def quiet(self, *, within: float = 10.0) -> bool:
        """Stop speaking, coming and going, and wait until all is delivered.

        Each connection makes a round trip behind everything that was sent before; it is quiet
        when between two rounds nobody received anything else.

        Args:
            within: seconds to wait at most.

        Returns:
            Whether it became quiet.
        """
        self._stop.set()
        last = -1
        try:
            async with asyncio.timeout(within):
                await asyncio.wait(self._tasks)
                while True:
                    await asyncio.gather(*[connection.round_trip() for connection in self._open])
                    heard = sum(connection.heard for connection in self._open) + self._lost
                    if heard == last:
                        self._quiet = True
                        break
                    last = heard
                    await asyncio.sleep(_SETTLE)
        except TimeoutError:
            self._quiet = False
        return self._quiet

    def report(self) -> LoadReport:
        """What the users have counted so far."""
        now = [connection.report() for connection in self._open]
        totals, totals_open = Totals(**asdict(self._totals)), Totals()
        for entry in now:
            totals.add(entry)
            totals_open.add(entry)
        return LoadReport(
            url=self.url,
            quiet=self._quiet,
            open=len(now),
            connected=self._connected,
            failed=self._failed,
            lost=self._lost,
            aborted=self._aborted,
            totals=totals,
            totals_open=totals_open,
            close_codes=dict(self._close_codes),
            connections=[*now, *reversed(self._ended)],
        )

    async def close(self) -> None:
        """End all connections with 1000; idempotent."""
        self._stop.set()
        # A server that takes nothing any more may hold a user in the middle of a word.
        _, stuck = await asyncio.wait(self._tasks, timeout=_PATIENCE)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=bool(stuck))
        await asyncio.gather(*[self._leave(connection, "normal") for connection in [*self._open]])

    async def _live(self, number: int) -> None:
        """One user's life: returns when told to stop, an open connection stays open."""
        name = f"user-{number + 1:0{len(str(self.options.users))}d}"
        for visit in visits(self.options, number):
            await self._pause(visit.after)
            connection = await self._arrive(name)
            if connection is not None:
                await self._speak(connection, visit)
            if connection is None or self._stop.is_set():
                return
            await self._leave(connection, visit.leaving)

    async def _arrive(self, name: str) -> Connection | None:
        """Connects, again and again if need be; None if all are stopped before."""
        rng = random.Random(name)
        failures = 0
        while not self._stop.is_set():
            try:
                connection = await Connection.open(self.url, name)
            except (OSError, TimeoutError, WebSocketException):
                self._failed += 1
                failures += 1
                await self._pause(_RETRY.delay(failures, rng))
            else:
                self._connected += 1
                self._open[connection] = None
                connection.on_end(self._ended_by_itself)
                return connection
        return None

    async def _speak(self, connection: Connection, visit: Visit) -> None:
        """Says what is due, until the visit is over, the connection lost, or all are stopped."""
        clock = asyncio.get_running_loop().time
        due = began = clock()
        until = None if visit.stay is None else began + visit.stay
        for say in visit.says:
            # The schedule does not wait for a slow server: what is late is sent at once.
            due += say.after
            end = due if until is None else min(due, until)
            await self._pause(end - clock(), connection)
            if self._stop.is_set() or connection.ended or (until is not None and due >= until):
                return
            await connection.say(say.text)
        await self._pause(None if until is None else until - clock(), connection)

    async def _pause(self, seconds: float | None, connection: Connection | None = None) -> None:
        """Wait, but not longer than until the stop or the connection's end."""
        if seconds is not None and seconds <= 0:
            # Who is late must not keep the loop to themselves: nobody else would read, or stop.
            await asyncio.sleep(0)
            return
        waiters = [asyncio.ensure_future(self._stop.wait())]
        if connection is not None:
            waiters.append(asyncio.ensure_future(connection.lost.wait()))
        try:
            await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()

    async def _leave(self, connection: Connection, leaving: str) -> None:
        if connection not in self._open:
            return
        del self._open[connection]
        if leaving == "abort":
            self._aborted += 1
        await connection.leave(leaving)
        self._count(connection)

    def _ended_by_itself(self, connection: Connection) -> None:
        if connection in self._open:
            del self._open[connection]
            self._lost += 1
            self._count(connection)

    def _count(self, connection: Connection) -> None:
        report = connection.report()
        self._ended.append(report)
        self._totals.add(report)
        code = report.close_code or 1006
        self._close_codes[code] = self._close_codes.get(code, 0) + 1


async def run_load(
    url: str,
    options: LoadOptions | None = None,
    *,
    stop: asyncio.Event | None = None,
    on_quiet: Callable[[LoadReport], None] | None = None,
    release: asyncio.Event | None = None,
) -> LoadReport:
    """Simulate users; see the top of this module.

    Args:
        url: of the WebSocket server.
        options: what the users do.
        stop: set to stop before the duration is over.
        on_quiet: gets the report when all have stopped and everything is delivered.
        release: the connections stay open until it is set.

    Returns:
        The report after all connections are closed.
    """
    load = Load(url, options)
    stop = asyncio.Event() if stop is None else stop
    async with load:
        try:
            async with asyncio.timeout(load.options.duration):
                await stop.wait()
        except TimeoutError:
            pass
        await load.quiet()
        if on_quiet is not None:
            on_quiet(load.report())
        if release is not None:
            await release.wait()
    return load.report()
