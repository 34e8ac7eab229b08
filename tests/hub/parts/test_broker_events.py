"""Reports of the hub when its broker becomes unreachable and reachable again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rtmon.hub import Hub
from rtmon.hub.brokers.base import BrokerEvents, Published
from rtmon.hub.brokers.memory import MemoryBroker


class FailingBroker(MemoryBroker):
    """A memory broker whose availability the test sets."""

    def attach(
        self, deliver: Callable[[str, Published], None], *, events: BrokerEvents | None = None
    ) -> None:
        super().attach(deliver, events=events)
        self.events = events

    def goes(self, away: str | None) -> None:
        """Report to the hub that the broker is unreachable for this reason, or reachable (None)."""
        assert self.events is not None
        self.away = away
        self.events.availability_changed(away)


def test_hub_reports_when_the_broker_becomes_unreachable_and_reachable() -> None:
    """Hub calls the function last passed to ``report_to()`` when the broker becomes unreachable
    and when it is reachable again; the hub's health is 503 in between.
    """
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


def test_hub_logs_an_exception_of_the_report_function(caplog: Any) -> None:
    """Hub logs the exception that the function passed to ``report_to()`` raises."""
    broker = FailingBroker()

    def fails(*_: str) -> None:
        raise RuntimeError("broken")

    Hub(broker=broker).report_to(fails)
    broker.goes("no route")
    assert "the report of the broker's condition failed" in caplog.text
