"""The scenario of a reconnect storm: all clients lose their connection at once, and reconnect."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, ClassVar

from ...core.backoff import Backoff
from ...views.chart_definition import Chart
from ...views.palette import ORANGE, RED, VIOLET
from ..faults import FaultProxy
from ..simulated_connection import SimulatedConnection
from .adjustable_knob import Knob
from .base import Row, Scenario, chart, series
from .client_group import AT_ONCE, LEAVE, UNREACHABLE
from .rates import Rates

__all__ = ["ReconnectStorm", "Recovery"]

_REMEMBERED = 100_000
"""Maximum number of attempts to connect that are stored after a cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Statistics of how clients have reconnected since the last cut.

    Attributes:
        cut: number of clients that lost their connection.
        back: number of these clients that are connected again.
        attempts: number of attempts to connect, including failed ones.
        busiest: maximum number of attempts within one second.
        half: seconds from the cut until half of these clients were connected again; NaN until then.
        all: seconds from the cut until all of these clients were connected again; NaN until then.
    """

    cut: int
    back: int
    attempts: int
    busiest: int
    half: float
    all: float


class ReconnectStorm(Scenario):
    """Clients that reconnect with a backoff after a fault proxy has cut all connections at once.

    The backoff delays of each client are the same for the same seed. Numbers: ``online`` (number
    of connected clients), ``attempts`` and ``refused`` (per second).

    Args:
        clients: number of clients.

    Attributes:
        proxy: the fault proxy in front of the server; its other faults can be used, too.
        attempts: time of each attempt to connect, in seconds since the last cut.
        back: time at which each client was connected again, in seconds since the last cut.
    """

    title = "A reconnect storm"
    charts: ClassVar[tuple[Chart[Row], ...]] = (
        chart(
            "Attempts a second",
            series("attempts", "attempts", ORANGE),
            series("refused", "refused", RED),
        ),
        chart("Clients online", series("online", "online", VIOLET)),
    )
    buttons: ClassVar[dict[str, str]] = {"Cut all": "cut"}
    away = Knob(2.0, 0, 30, "seconds that the server is away", step=0.5)
    base = Knob(0.5, 0.05, 5, "first wait, seconds at most", step=0.05)
    longest = Knob(10.0, 0.1, 60, "longest wait, seconds", step=0.1)
    jitter = Knob(1, 0, 1, "jitter (0: none, 1: full)", whole=True)

    def __init__(self, server: Any, *, clients: int = 100, **options: Any) -> None:
        super().__init__(server, **options)
        self.clients = clients
        self.proxy = FaultProxy(self.url, seed=self.seed)
        self.attempts: deque[float] = deque(maxlen=_REMEMBERED)
        self.back: list[float] = []
        self._cut_at = math.nan
        self._cut_off: set[int] = set()
        self._online: dict[int, SimulatedConnection] = {}
        self._rates = Rates()
        self._opening: asyncio.TimerHandle | None = None

    @property
    def online(self) -> int:
        """Return the number of clients that are connected now."""
        return len(self._online)

    @property
    def recovery(self) -> Recovery:
        """Return statistics of the reconnects since the last cut."""
        cut, back = len(self._cut_off), self.back
        return Recovery(
            cut=cut,
            back=len(back),
            attempts=len(self.attempts),
            busiest=max(Counter(map(int, self.attempts)).values(), default=0),
            half=back[(cut + 1) // 2 - 1] if cut and len(back) >= (cut + 1) // 2 else math.nan,
            all=back[cut - 1] if cut and len(back) >= cut else math.nan,
        )

    def cut(self) -> None:
        """Cut all connections, and refuse new ones for :attr:`away` seconds."""
        self._cut_at = self.now()
        self._cut_off = set(self._online)
        self.attempts.clear()
        self.back.clear()
        self.proxy.refusing = True
        self.proxy.cut()
        if self._opening is not None:
            self._opening.cancel()
        self._opening = asyncio.get_running_loop().call_later(self.away, self._let_in)

    def _let_in(self) -> None:
        self.proxy.refusing = False

    async def _begin(self) -> None:
        self._cut_at = math.nan
        self._cut_off.clear()
        self.attempts.clear()
        self.back.clear()
        await self.proxy.start()
        for first in range(0, self.clients, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, self.clients))
            arrived = await asyncio.gather(*map(self._connect, numbers), return_exceptions=True)
            found = dict(zip(numbers, arrived, strict=True))
            self._online |= {
                n: one for n, one in found.items() if isinstance(one, SimulatedConnection)
            }
            for problem in arrived:
                if isinstance(problem, BaseException):
                    raise problem
        for number, connection in self._online.items():
            self._spawn(self._live(number, connection))

    async def _end(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        self.proxy.calm()
        leaving = [connection.leave("normal", within=LEAVE) for connection in self._online.values()]
        await asyncio.gather(*leaving)
        self._online.clear()
        await self.proxy.stop()

    async def _connect(self, number: int) -> SimulatedConnection:
        self._rates.count("attempts")
        return await SimulatedConnection.open(
            self.proxy.url, f"client-{number + 1}", compression=False
        )

    async def _live(self, number: int, connection: SimulatedConnection) -> None:
        rng = self._random("client", number)
        while True:
            await connection.lost.wait()
            self._online.pop(number, None)
            connection = await self._return(number, rng)
            self._online[number] = connection
            if number in self._cut_off:
                self.back.append(self.now() - self._cut_at)

    async def _return(self, number: int, rng: random.Random) -> SimulatedConnection:
        """Reconnect a client, with backoff between the attempts, until it succeeds."""
        failures = 1
        while True:
            wait = self._backoff().delay(failures, rng)
            await asyncio.sleep(wait or 0.0)
            if not math.isnan(self._cut_at):
                self.attempts.append(self.now() - self._cut_at)
            try:
                return await self._connect(number)
            except UNREACHABLE:
                self._rates.count("refused")
                failures += 1

    def _backoff(self) -> Backoff:
        return Backoff(
            base=self.base,
            max=max(self.base, self.longest),
            jitter="full" if self.jitter else "none",
        )

    def _measure(self, elapsed: float) -> dict[str, float]:
        rate, _ = self._rates.take(elapsed)
        return {
            "online": self.online,
            "attempts": rate("attempts"),
            "refused": rate("refused"),
        }
