"""The attention rules: each alert begins and ends as its rule defines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rtmon.feeds import query_language
from rtmon.metrics.histogram import HistogramRecorder
from rtmon.metrics.records import Sample
from rtmon.views.alert_rules import RULES, Attention


def _histogram(*values: float) -> Any:
    recorder = HistogramRecorder()
    for value in values:
        recorder.record(value)
    return recorder.take()


class _Server:
    """A simulated server whose samples the test sets."""

    def __init__(self) -> None:
        self.attention = Attention()
        self.seq = 0
        self.epoch = "e"

    def tick(self, **values: Any) -> list[str]:
        """Tick once with these values; return the keys of the current alerts."""
        self.seq += 1
        sample = Sample(
            node="n", epoch=self.epoch, seq=self.seq, time=1000.0 + self.seq, elapsed=1.0, **values
        )
        return [matter.rule.key for matter in self.attention.update(sample)]

    def run(self, seconds: int, **values: Any) -> list[str]:
        """Tick for some seconds with these values; return the keys of the alerts after the last
        tick.
        """
        keys: list[str] = []
        for _ in range(seconds):
            keys = self.tick(**values)
        return keys


def _growing(gauge: str, first: int, step: int) -> Iterator[dict[str, int]]:
    for number in range(1000):
        yield {gauge: first + number * step}


HURT: dict[str, tuple[dict[str, Any], int, str]] = {
    "slow-readers": ({"slow": 3}, 3, "3 connections with unread bytes for over a second"),
    "drops": ({"dropped": 1}, 1, "1 message dropped in 10 s"),
    "errors": ({"errors": 5}, 1, "5 errors in 10 s"),
    "reconnects": ({"opened": 20, "closed": 20, "open": 40}, 12, "in 30 s"),
    "rejected": ({"rejected": 5}, 1, "5 handshakes rejected in 30 s"),
    "lag": ({"lag": _histogram(0.3)}, 6, "everybody: p99 is"),
    "handlers": ({"handler": _histogram(2.0)}, 11, "senders: p99 is"),
    "rtt": ({"rtt": _histogram(*[0.01] * 10, 1.0)}, 31, "where p50 is"),
}
"""Rule → values of a sample that meet its condition, number of ticks until the alert begins, and
part of the alert's text.
"""


@pytest.mark.parametrize("key", HURT)
def test_alert_begins_at_the_tick_that_its_rule_defines(key: str) -> None:
    """Dashboard alert begins when its condition has lasted exactly as long as its rule says,
    and gives the time when the condition began.
    """
    values, ticks, words = HURT[key]
    server = _Server()
    for _ in range(ticks - 1):
        assert key not in server.tick(**values)
    assert key in server.tick(**values)
    (matter,) = [each for each in server.attention.matters if each.rule.key == key]
    assert words in matter.whom
    assert matter.since == 1000.0 + ticks - matter.rule.lasting
    assert server.attention.well_since is None


@pytest.mark.parametrize("key", HURT)
def test_alert_ends_when_its_condition_is_false_for_the_clearing_time(key: str) -> None:
    """Dashboard alert stays while its condition is false for less than the alert's clearing time,
    and ends when the condition is false for longer.
    """
    values, ticks, _ = HURT[key]
    server = _Server()
    server.run(ticks, **values)
    since = server.attention.matters[0].since
    (rule,) = [each for each in RULES if each.key == key]
    server.run(int(rule.clearing) - 1)
    assert key in server.run(1, **values)
    assert server.attention.matters[0].since == since
    assert server.run(120) == []
    assert server.attention.well_since is not None


@pytest.mark.parametrize(
    ("key", "gauge", "first", "step", "seconds"),
    [
        ("queue-growth", "send_queue", 0, 50_000, 60),
        ("memory-growth", "memory", 100_000_000, 1_000_000, 240),
    ],
)
def test_growing_queue_or_memory_is_an_alert_and_a_constant_one_is_not(
    key: str, gauge: str, first: int, step: int, seconds: int
) -> None:
    """Send queue or memory that grows steadily raises a dashboard alert; a constant large value
    or a single peak raises none.
    """
    server = _Server()
    growing = _growing(gauge, first, step)
    for _ in range(int(0.9 * seconds) - 1):
        assert server.tick(**next(growing)) == []
    keys: list[str] = []
    for _ in range(60):
        keys = server.tick(**next(growing))
    assert keys == [key]
    assert server.run(400, **{gauge: first + 200 * step}) == []
    server.tick(**{gauge: first + 10**9})
    assert server.run(3, **{gauge: first + 200 * step}) == []


def test_alert_begins_when_half_of_the_clients_disconnect_in_ten_seconds() -> None:
    """Dashboard alert begins when half of 40 clients disconnect within ten seconds, but not when
    the clients disconnect slowly or are only four.
    """
    server = _Server()
    server.run(20, open=40)
    assert server.run(1, open=30, closed=10) == []
    assert server.run(1, open=18, closed=12) == ["gone"]
    (matter,) = server.attention.matters
    assert matter.whom == "22 of 40 connections closed in 10 s"

    ebbing = _Server()
    assert [ebbing.tick(open=200 - n, closed=1) for n in range(150)] == [[]] * 150
    small = _Server()
    small.run(20, open=4)
    assert small.tick(open=0, closed=4) == []


def test_error_alert_compares_with_the_usual_error_rate() -> None:
    """Dashboard alert on errors begins only when the error rate is far above the server's usual
    rate.
    """
    server = _Server()
    server.run(300, errors=1)
    assert server.run(60, errors=2) == []
    assert "errors" in server.run(10, errors=40)


def test_time_without_alerts_begins_at_the_end_of_the_last_alert() -> None:
    """Time since which the dashboard has no alert is the end of the last alert, or the first tick
    if there was no alert, and is None during an alert.
    """
    server = _Server()
    server.run(5)
    assert server.attention.well_since == 1001.0
    server.tick(dropped=1)
    assert server.attention.well_since is None
    server.run(60)
    # The condition covers ten seconds and so holds until 1015; the alert ends thirty seconds later.
    assert server.attention.well_since == 1045.0


def test_unknown_columns_raise_no_alert() -> None:
    """Server whose columns are null for 300 ticks raises no dashboard alert."""
    unknown = dict.fromkeys(
        ("slow", "rejected", "send_queue", "rtt", "handler", "memory", "messages_in")
    )
    assert _Server().run(300, **unknown) == []


def test_alerts_end_when_the_server_restarts() -> None:
    """Dashboard alerts from before a server restart end with the restart."""
    server = _Server()
    server.run(10, slow=3)
    server.epoch, server.seq = "f", 0
    assert server.tick() == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_link_of_each_alert_has_a_valid_query_and_sort_column(rule: Any) -> None:
    """Link of each dashboard alert has a query and a sort column that are valid for its table."""
    if rule.table is None:
        assert (rule.query, rule.sort) == ("", "")
    else:
        query_language.parse(rule.query, rule.table)
        query_language.field(rule.table, rule.sort)
