from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rtmon.hub import Hub
from rtmon.hub.brokers.base import BrokerEvents, Published
from rtmon.hub.brokers.memory import MemoryBroker


class FailingBroker(MemoryBroker):
    """A broker that goes out of reach when the test says so."""

    def attach(
        self, deliver: Callable[[str, Published], None], *, events: BrokerEvents | None = None
    ) -> None:
        super().attach(deliver, events=events)
        self.events = events

    def goes(self, away: str | None) -> None:
        """Report a change of availability to the hub."""
        assert self.events is not None
        self.away = away
        self.events.availability_changed(away)


def test_hub_reports_when_the_broker_goes_out_of_reach_and_is_back() -> None:
    """The operator's function is called both times; a later function replaces it."""
    broker, reports = FailingBroker(), list[tuple[str, str]]()
    hub = Hub(broker=broker)
    hub.report_to(lambda *_: None)
    hub.report_to(lambda what, detail: reports.append((what, detail)))
    broker.goes("no route")
    assert (hub.away, hub.health[0]) == ("no route", 503)
    broker.goes(None)
    assert hub.health[0] == 200
    assert reports == [
        ("broker away", "no route"),
        ("broker back", "Other nodes can be reached again."),
    ]


def test_hub_goes_on_when_a_report_raises(caplog: Any) -> None:
    """An exception of the operator's function is logged."""
    broker = FailingBroker()

    def fails(*_: str) -> None:
        raise RuntimeError("broken")

    Hub(broker=broker).report_to(fails)
    broker.goes("no route")
    assert "the report of the broker's condition failed" in caplog.text
