"""Simulated users: plain `websockets` clients over real sockets, against any WebSocket server.

:func:`run_load` does everything in one call::

    report = await run_load(url, LoadOptions(users=50, rate=2.0, duration=10.0))

1. Users connect over ``ramp`` seconds, send messages, disconnect and reconnect.
2. After ``duration``, or when ``stop`` is set, users send no more messages.
3. When every sent message has been delivered, ``on_quiet`` is called with the report. The
   connections are still open. At this moment, the server's counters must equal the report.
4. When ``release`` is set (at once if it is None), users close their connections with code 1000,
   and the final report is returned. ``json.dumps(report.as_dict())`` encodes it.

Failed attempts to connect are repeated, and counted in ``report.failed``. Each message
carries a mark, by which its sender recognizes the message when an echo server or a hub sends it
back. The time from when the message was due until its return is the message's latency.

:class:`Load` does the same in separate steps, for notebooks and tests.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from typing import Self

from websockets.exceptions import WebSocketException

from ..core.backoff import Backoff
from .connection_totals import ConnectionTotals
from .load_report import ConnectionReport, LoadReport, Second, Totals, UserCounts
from .simulated_connection import CLOSE_TIMEOUT, SimulatedConnection
from .simulated_user import SimulatedUser
from .user_schedule import LoadOptions, Visit, due, visits

__all__ = ["ConnectionReport", "Load", "LoadOptions", "LoadReport", "Second", "Totals", "run_load"]

_SETTLE = 0.25
"""Seconds between two checks that no message is in flight. A hub batches joins for 0.1 s."""

_RETRY = Backoff(base=0.5, max=5.0)
"""Backoff of a user after a refused or failed connection."""

_PATIENCE = 5.0
"""Maximum seconds to wait for users to finish when the load is closed."""

_WORDS = 200
"""Maximum number of characters of an error description."""

_ANSWER = 10.0
"""Seconds that a user with ``loop="closed"`` waits for an answer before the next message."""

_TICK = 1.0
"""Seconds that one row of the report covers."""


class Load:
    """Simulated users that run until they are stopped, for notebooks and tests.

    Example: ``async with Load(url, options) as load: … await load.quiet()``.

    Args:
        url: URL of the WebSocket server.
        options: number and behaviour of the simulated users.

    Attributes:
        tally: the counters of all users.
    """

    def __init__(self, url: str, options: LoadOptions | None = None) -> None:
        self.url = url
        self.options = LoadOptions() if options is None else options
        self.tally = UserCounts()
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []
        self._ticking: asyncio.Task[None] | None = None
        self._began = 0.0
        self._ended_at: float | None = None
        self._users = [
            SimulatedUser(number, self.options, self.tally) for number in range(self.options.users)
        ]
        self._ledger = ConnectionTotals(self.tally)
        self._quiet = False

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._tasks = [loop.create_task(self._live(user)) for user in self._users]
        self._ticking = loop.create_task(self._tick(), name="rtmon-load")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def stop(self) -> None:
        """Make users stop sending, connecting and disconnecting; open connections stay open."""
        self._stopped = True
        for user in self._users:
            user.wake()

    async def quiet(self, *, within: float = 60.0) -> bool:
        """Make users stop sending, connecting and disconnecting; wait for all sent messages.

        Each connection makes a round trip to the server, which the server answers after all
        messages that the connection sent earlier. Round trips are repeated until no user receives
        a message between two of them. Then all messages have been delivered.

        Args:
            within: maximum time to wait, in seconds.

        Returns:
            True if all messages were delivered within that time.
        """
        self.stop()
        last = -1
        try:
            async with asyncio.timeout(within):
                await asyncio.wait(self._tasks)
                while True:
                    there = self._ledger.open
                    await asyncio.gather(*[connection.round_trip() for connection in there])
                    heard = sum(connection.heard for connection in there) + self.tally.lost
                    if heard == last:
                        self._quiet = True
                        break
                    last = heard
                    await asyncio.sleep(_SETTLE)
        except TimeoutError:
            self._quiet = False
        return self._quiet

    def report(self) -> LoadReport:
        """Return the counts of all simulated users so far."""
        return self._ledger.report(self.url, elapsed=self._elapsed(), quiet=self._quiet)

    async def close(self, *, within: float = CLOSE_TIMEOUT) -> None:
        """Close all connections with close code 1000. May be called twice.

        Args:
            within: seconds to wait for the server's close frames. Connections that are still open
                after this time are aborted.
        """
        self.stop()
        for user in self._users:
            user.give_up()
        # A server that no longer reads may block a user in the middle of a send.
        _, stuck = await asyncio.wait(self._tasks, timeout=min(within, _PATIENCE))
        for task in stuck:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=bool(stuck))
        there = list(self._ledger.open)
        leaving = [self._ledger.leave(each, "normal", within=within) for each in there]
        await asyncio.gather(*leaving)
        if self._ticking is not None and not self._ticking.done():
            self._ticking.cancel()
            await asyncio.wait([self._ticking])

    def _elapsed(self) -> float:
        """Return the seconds since the start of the load; 0 before the start.

        After the end of the load, the value no longer changes.
        """
        if self._ended_at is not None:
            return self._ended_at
        return asyncio.get_running_loop().time() - self._began if self._tasks else 0.0

    async def _tick(self) -> None:
        last = 0.0
        try:
            while True:
                await asyncio.sleep(_TICK - (self._elapsed() - last))
                now = self._elapsed()
                self.tally.tick(now, now - last, there=len(self._ledger.open))
                last = now
        finally:
            now = self._elapsed()
            self.tally.tick(now, max(now - last, 1e-3), there=len(self._ledger.open))
            self._ended_at = now

    async def _live(self, user: SimulatedUser) -> None:
        """Run one user until the load stops; the user's open connection stays open."""
        for visit in visits(self.options, user.number):
            if not self._stopped:
                await user.pause(visit.after)
            storming = True
            while storming:
                connection = await self._arrive(user)
                storming = connection is not None and await self._speak(connection, user, visit)
                if connection is None or self._stopped:
                    return
                await self._ledger.leave(connection, "abort" if storming else visit.leaving)

    async def _arrive(self, user: SimulatedUser) -> SimulatedConnection | None:
        """Connect a user, with retries; return None if the load stops before it is connected."""
        rng = random.Random(user.name)
        failures = 0
        while not self._stopped:
            try:
                connection = await user.connect(self.url, compression=self.options.compression)
            except (OSError, TimeoutError, WebSocketException) as problem:
                self.tally.failed += 1
                self.tally.problem = _in_words(problem)
                failures += 1
                if not self._stopped:
                    await user.pause(_RETRY.delay(failures, rng))
            else:
                self._ledger.enter(connection, user)
                if "room" in self.options.mix:
                    await connection.send("join_room", room=user.place)
                if "publish" in self.options.mix:
                    await connection.send("subscribe", channel=user.place)
                return connection
        return None

    async def _speak(
        self, connection: SimulatedConnection, user: SimulatedUser, visit: Visit
    ) -> bool:
        """Send a user's messages until its visit ends, its connection is lost or the load stops.

        Returns:
            True if a reconnect storm has ended the visit.
        """
        time = self._elapsed()
        storm = math.inf
        if self.options.storm is not None:
            storm = (time // self.options.storm + 1) * self.options.storm
        until = min(storm, math.inf if visit.stay is None else time + visit.stay)
        for say in visit.says:
            # The schedule of an open loop does not wait for a slow server: late messages are sent
            # at once.
            time = due(self.options, time, say.gap)
            await user.pause(min(time, until) - self._elapsed())
            if self._stopped or connection.ended:
                return False
            if time >= until:
                return until == storm
            self.tally.asked += 1
            text = user.marked(say.text, self._began + time)
            self.tally.late.record(max(0.0, self._elapsed() - time))
            await connection.say(say.kind, text, user.place)
            self.tally.sent += 1
            if self.options.loop == "closed":
                await self._answer(connection, user)
                time = self._elapsed()
        if not self._stopped and not connection.ended:
            await user.pause(until - self._elapsed())
        return until == storm and not self._stopped and not connection.ended

    async def _answer(self, connection: SimulatedConnection, user: SimulatedUser) -> None:
        """Wait until the server has sent back all messages of a user, or until a timeout."""
        patience = self._elapsed() + _ANSWER
        user.expecting = True
        while user.waiting and not self._stopped and not connection.ended:
            left = patience - self._elapsed()
            if left <= 0:
                user.forget()
            else:
                await user.pause(left)
        user.expecting = False


def _in_words(problem: BaseException) -> str:
    """Describe a failed attempt to connect in one line, without control characters.

    Control characters are removed, because the error may contain text from the server.
    """
    text = " ".join(str(problem).split()) or type(problem).__name__
    return "".join(char if char.isprintable() else "?" for char in text[:_WORDS])


async def run_load(
    url: str,
    options: LoadOptions | None = None,
    *,
    stop: asyncio.Event | None = None,
    on_quiet: Callable[[LoadReport], None] | None = None,
    release: asyncio.Event | None = None,
) -> LoadReport:
    """Run simulated users against a WebSocket server, and return their counts.

    The module's docstring describes the phases of a run.

    Args:
        url: URL of the WebSocket server.
        options: number and behaviour of the simulated users.
        stop: event that can be set to stop the users before the duration is over.
        on_quiet: called with the report when all users have stopped and all messages are delivered.
        release: if given, the connections are closed only when this event is set.

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
