"""Labels of the exported metrics: their values, and limits on their number."""

from __future__ import annotations

from typing import get_args

from websockets.asyncio.client import connect

from rtmon import Hub, Monitor, serve_admin
from rtmon.metrics.close_causes import Cause
from rtmon.metrics.columns import LABELS
from rtmon.metrics.meter import Ending
from rtmon.testing import until
from tests.sinks.scraping import Labels, echoing, get, label, scrape


async def test_metrics_have_series_for_a_limited_number_of_channels() -> None:
    """Exported metrics have series for a limited number of channels, and count every publication of
    all other channels in the series "other".
    """
    monitor = Monitor(interval=1000)
    hub = Hub()
    monitor.measure(hub)
    hostile = 'a "b"\n\\{x="1"} 1'
    async with serve_admin(monitor, port=0) as admin:
        assert "rtmon_channel_published_messages_total" in await scrape(admin.port)
        before: dict[Labels, float] = {}
        for turn in range(3):
            hub._parts.broadcast.stats[f"channel:{hostile}"].published += 1
            for number in range(30):
                await hub.publish(f"c{turn}.{number}", {"text": "hello"})
            said = (await scrape(admin.port))["rtmon_channel_published_messages_total"]
            assert all(said[labels] >= count for labels, count in before.items())
            assert sum(said.values()) == 31 * (turn + 1)
            before = said
    assert len(said) == LABELS + 1
    assert said[label(channel=f"channel:{hostile}")] == 3
    assert said[label(channel="other")] == 93 - 3 - (LABELS - 1)


def _close(monitor: Monitor, code: int, cause: Cause | None = None) -> None:
    meter = monitor.collector.meter()
    monitor.connection_opened(meter)
    monitor.connection_closed(meter, Ending(close_code=code, cause=cause))


async def test_metrics_have_series_for_a_limited_number_of_close_codes() -> None:
    """Exported metrics have a series for each close code of the protocol from the start, series for
    a limited number of other codes, and one series "other" for all further codes.
    """
    monitor = Monitor(interval=1000)
    before: dict[Labels, float] = {}
    async with serve_admin(monitor, port=0) as admin:
        for first in (4000, 4030, 4060):
            for code in range(first, first + 30):
                _close(monitor, code)
            _close(monitor, 1011)
            monitor.tick()
            codes = (await scrape(admin.port))["rtmon_close_codes_total"]
            assert all(codes[labels] >= count for labels, count in before.items())
            before = codes
    assert sum(codes.values()) == 93 == monitor.snapshot().closed
    assert codes[label(code="1011")] == 3
    assert codes[label(code="1006")] == 0
    assert codes[label(code="other")] == 90 - LABELS
    assert len(codes) == 14 + LABELS + 1


async def test_metrics_have_a_series_for_each_close_cause_from_the_start() -> None:
    """Exported metrics have a series with the value 0 for each cause of a closed connection
    before any connection has closed.
    """
    monitor = Monitor(interval=1000)
    async with serve_admin(monitor, port=0) as admin:
        before = (await scrape(admin.port))["rtmon_close_causes_total"]
        assert {dict(labels)["cause"] for labels in before} == {*get_args(Cause), "unknown"}
        assert set(before.values()) == {0}
        _close(monitor, 1006, "ping timeout")
        _close(monitor, 1006)
        after = (await scrape(admin.port))["rtmon_close_causes_total"]
    assert {dict(labels)["cause"] for labels in after if after[labels] == 1} == {
        *("ping timeout", "unknown")
    }
    assert sum(after.values()) == 2
    assert after.keys() == before.keys()


async def test_metrics_contain_no_addresses_paths_or_user_agents_of_connections() -> None:
    """Exported metrics contain no address, path or user agent of a connection, neither in a label
    nor elsewhere.
    """
    monitor = Monitor(interval=1000, node='a "node"\nwith\\lines\ud800')
    async with (
        echoing(monitor) as url,
        serve_admin(monitor, port=0) as admin,
        connect(f"{url}/s3cret", user_agent_header="s3cret"),
    ):
        await until(lambda: monitor.snapshot().open == 1)
        monitor.tick()
        (row,) = monitor.collector.connections()
        said = await scrape(admin.port)
        text = (await get(admin.port, "/metrics")).text
    labels = {name for series in said.values() for key in series for name, _ in key}
    assert labels == {"le", "code", "cause", "node", "epoch", "version"}
    assert row.remote is not None
    assert "s3cret" not in text
    assert row.remote not in text
    (info,) = said["rtmon_info"]
    assert dict(info)["node"] == 'a "node"\nwith\\lines?'
