"""A chat room: each message of a client is sent to all clients of the room."""

from __future__ import annotations

from typing import Any, ClassVar

from ...views.chart_definition import Chart
from ...views.palette import AMBER, BLUE, GREEN, ORANGE, VIOLET
from ..simulated_connection import SimulatedConnection
from ..user_schedule import words
from .adjustable_knob import Knob
from .base import Row, Scenario, chart, series
from .client_group import ClientGroup, stamp, stamps
from .rates import Rates

__all__ = ["ChatRoom"]


class ChatRoom(Scenario):
    """Clients in one room of a hub. Each client sends messages at random times.

    Numbers: ``said`` and ``heard`` (messages sent and received per second; every message is
    received by all clients of the room), ``typing`` (typing indicators received per second),
    ``delay_p50``, ``delay_p95`` (milliseconds from a message's due time until a client has received
    it), ``here`` (number of clients).

    Args:
        room: name of the room.
    """

    title = "A chat room"
    charts: ClassVar[tuple[Chart[Row], ...]] = (
        chart(
            "Messages a second",
            series("said", "said", BLUE),
            series("heard", "heard", ORANGE),
            series("typing", "typing", VIOLET),
        ),
        chart("Delay, ms", series("delay_p50", "p50", GREEN), series("delay_p95", "p95", AMBER)),
        chart("People", series("here", "here", VIOLET)),
    )
    people = Knob(8, 1, 100, "people", whole=True)
    rate = Knob(0.5, 0, 5, "messages a second, each person", step=0.1)
    size = Knob(60, 1, 2000, "characters in a message", whole=True)
    typing = Knob(0, 0, 1, "say that they type (1: yes)", whole=True)

    def __init__(self, server: Any, *, room: str = "lobby", **options: Any) -> None:
        self.room = room
        self._rates = Rates()
        self._crowd = ClientGroup(self._join, lambda: self.people)
        super().__init__(server, **options)

    def moved(self, knob: str) -> None:
        if knob == "people":
            self._crowd.changed.set()

    async def _begin(self) -> None:
        await self._crowd.fill()
        self._spawn(self._crowd.keep())
        self._chance = self._random("talk")
        self._spawn(self._pace(lambda: self.people * self.rate, self._say))

    async def _end(self) -> None:
        await self._crowd.leave()

    async def _join(self, number: int) -> SimulatedConnection:
        name = f"person-{number + 1}"
        member = await SimulatedConnection.open(self.url, name, hear=self._hear, compression=False)
        await member.send("join_room", room=self.room)
        return member

    def _hear(self, data: bytes) -> None:
        if b'"typing_start"' in data:
            self._rates.count("typing")
        self._rates.arrived(stamps(data), self.now(), count="heard", delay="delay")

    async def _say(self, due: float) -> None:
        if not self._crowd.members:
            return
        speaker = self._chance.choice(self._crowd.members)
        if self.typing:
            await speaker.send("typing_start", room=self.room)
        text = f"{stamp(due)} {words(self._chance, self.size)}"
        await speaker.send("room_message", room=self.room, text=text)
        self._rates.count("said")

    def _measure(self, elapsed: float) -> dict[str, float]:
        rate, quantile = self._rates.take(elapsed)
        return {
            "said": rate("said"),
            "heard": rate("heard"),
            "typing": rate("typing"),
            "delay_p50": quantile("delay", 0.5),
            "delay_p95": quantile("delay", 0.95),
            "here": sum(not member.ended for member in self._crowd.members),
        }
