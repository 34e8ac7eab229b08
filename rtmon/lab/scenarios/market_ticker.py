"""The scenario of a market ticker: one channel per price, and clients that subscribe."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from ...views.chart_definition import Chart
from ...views.palette import AMBER, BLUE, GREEN, ORANGE, VIOLET
from ..simulated_connection import SimulatedConnection
from .adjustable_knob import Knob
from .base import Row, Scenario, chart, series
from .client_group import ClientGroup, TimedPublisher, stamp, stamps
from .rates import Rates

__all__ = ["MarketTicker"]

_SYMBOLS = tuple(f"{first}{second}" for first in "ABCDE" for second in "WXYZ")


class MarketTicker(Scenario):
    """One publisher, twenty channels ``market.AW`` … ``market.EZ``, and subscribers.

    Prices change at random, in the same way for the same seed. Numbers: ``published`` and
    ``delivered`` (messages per second), ``delay_p50``, ``delay_p95`` (milliseconds from a price's
    due time until a subscriber has received it), ``here`` (number of subscribers).

    Attributes:
        symbols: the traded symbols; a symbol's channel is ``market.`` and the symbol.
        prices: symbol → the latest published price.
    """

    title = "A market ticker"
    charts: ClassVar[tuple[Chart[Row], ...]] = (
        chart(
            "Prices a second",
            series("published", "published", BLUE),
            series("delivered", "delivered", ORANGE),
        ),
        chart("Delay, ms", series("delay_p50", "p50", GREEN), series("delay_p95", "p95", AMBER)),
        chart("Subscribers", series("here", "subscribers", VIOLET)),
    )
    rate = Knob(20, 0, 150, "prices a second", whole=True)
    subscribers = Knob(10, 1, 100, "subscribers", whole=True)
    each = Knob(5, 1, len(_SYMBOLS), "symbols that each subscribes to", whole=True)

    symbols = _SYMBOLS

    def __init__(self, server: Any, **options: Any) -> None:
        self.prices = dict.fromkeys(self.symbols, 100.0)
        self._rates = Rates()
        self._crowd = ClientGroup(self._join, lambda: self.subscribers)
        self._taken: dict[
            SimulatedConnection, tuple[int, int]
        ] = {}  # index of the first symbol, number of symbols
        self._resubscribe = asyncio.Event()
        super().__init__(server, **options)
        self._market = TimedPublisher(self.url, "market")

    def moved(self, knob: str) -> None:
        if knob == "subscribers":
            self._crowd.changed.set()
        elif knob == "each":
            self._resubscribe.set()

    async def _begin(self) -> None:
        await self._crowd.fill()
        await self._market.open()
        self._chance = self._random("prices")
        self._spawn(self._crowd.keep())
        self._spawn(self._follow())
        self._spawn(self._pace(lambda: self.rate, self._publish))

    async def _end(self) -> None:
        await self._market.close()
        await self._crowd.leave()
        self._taken.clear()

    async def _join(self, number: int) -> SimulatedConnection:
        name = f"subscriber-{number + 1}"
        member = await SimulatedConnection.open(self.url, name, hear=self._hear, compression=False)
        first = self._random("first", number).randrange(len(self.symbols))
        await self._take(member, first, 0)
        return member

    async def _take(self, member: SimulatedConnection, first: int, had: int) -> None:
        """Subscribe or unsubscribe a client until it has the wanted number of channels."""
        want = self.each
        for step in range(min(had, want), max(had, want)):
            symbol = self.symbols[(first + step) % len(self.symbols)]
            kind = "subscribe" if want > had else "unsubscribe"
            await member.send(kind, channel=f"market.{symbol}")
        self._taken[member] = first, want

    async def _follow(self) -> None:
        while True:
            await self._resubscribe.wait()
            self._resubscribe.clear()
            self._taken = {one: had for one, had in self._taken.items() if not one.ended}
            for member, (first, had) in list(self._taken.items()):
                await self._take(member, first, had)

    def _hear(self, data: bytes) -> None:
        self._rates.arrived(stamps(data), self.now(), count="delivered", delay="delay")

    async def _publish(self, due: float) -> None:
        symbol = self._chance.choice(self.symbols)
        price = round(max(1.0, self.prices[symbol] + self._chance.gauss(0, 0.5)), 2)
        self.prices[symbol] = price
        data = {"symbol": symbol, "price": price, "at": stamp(due)}
        if await self._market.publish(f"market.{symbol}", data):
            self._rates.count("published")

    def _measure(self, elapsed: float) -> dict[str, float]:
        rate, quantile = self._rates.take(elapsed)
        return {
            "published": rate("published"),
            "delivered": rate("delivered"),
            "delay_p50": quantile("delay", 0.5),
            "delay_p95": quantile("delay", 0.95),
            "here": sum(not member.ended for member in self._crowd.members),
        }
