"""The lab's scenarios: chat room, market ticker, batching, reconnect storm, slow reader."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rtmon
from rtmon.errors import MonitorError, OptionError
from rtmon.lab.scenarios import (
    BatchingComparison,
    ChatRoom,
    MarketTicker,
    ReconnectStorm,
    Scenario,
    SlowReader,
)
from rtmon.lab.scenarios.client_group import UNREACHABLE
from rtmon.lab.simulated_connection import SimulatedConnection
from rtmon.lab.views.fault_proxy_controls import ProxyPicture
from rtmon.lab.views.scenario_controls import ScenarioPicture
from rtmon.testing import FaultProxy, until

QUICK = 0.1
"""Seconds between two rows of a scenario, short because tests wait for several."""

ALL = (BatchingComparison, ChatRoom, MarketTicker, ReconnectStorm, SlowReader)


@pytest.fixture
async def server() -> AsyncIterator[rtmon.Server]:
    """A served hub with default options, except that joins are announced after 0.02 s."""
    async with rtmon.serve(rtmon.Hub(announce=0.02), "127.0.0.1", 0) as running:
        yield running


def seen(scenario: Scenario, key: str) -> float:
    """Return the largest value of a number in all rows, or NaN when there is none."""
    return max((row[key] for row in scenario.rows if not math.isnan(row[key])), default=math.nan)


@pytest.mark.parametrize("kind", ALL)
async def test_scenario_starts_fills_its_charts_and_stops_without_leaving_tasks(
    kind: type[Scenario], server: rtmon.Server
) -> None:
    """Scenario starts, has numbers for all its charts, stops without leaving connections or
    tasks, and can start again.
    """
    before = asyncio.all_tasks()
    scenario = kind(server, period=QUICK)
    await scenario.start()
    await scenario.start()  # The second start() has no effect.
    assert server.websockets.connections
    await until(lambda: len(scenario.rows) >= 2)
    assert {series.key for chart in scenario.charts for series in chart.series} < set(
        scenario.rows[-1]
    )
    await scenario.stop()
    await scenario.stop()
    assert scenario.stopped.is_set()
    await until(lambda: not server.websockets.connections)
    await until(
        lambda: not {t for t in asyncio.all_tasks() - before if "lab" in t.get_name()}, timeout=20
    )
    await scenario.start()  # Starts again without old rows.
    assert len(scenario.rows) < 2
    await scenario.stop()


async def test_chat_room_scenario_delivers_each_message_to_all_clients(
    server: rtmon.Server,
) -> None:
    """Chat room scenario delivers each message to all its clients, whose number can be changed
    while it runs.
    """
    async with ChatRoom(
        server, period=QUICK, people=3, rate=5, typing=1, also={"two": lambda: 2}
    ) as chat:
        await until(lambda: seen(chat, "heard") > 0 and seen(chat, "typing") > 0)
        chat.people = 6
        await until(lambda: chat.latest("here") == 6)
        chat.people = 2
        await until(lambda: chat.latest("here") == 2)
    said = sum(row["said"] for row in chat.rows)
    heard = sum(row["heard"] for row in chat.rows)
    assert heard > 1.5 * said > 0
    assert seen(chat, "delay_p50") >= 0
    assert chat.latest("two") == 2


def few(rows: list[dict[str, float]]) -> bool:
    """Return True if prices were published, and less than half as many were delivered."""
    published = sum(row["published"] for row in rows)
    return published > 0 and sum(row["delivered"] for row in rows) < 0.5 * published


async def test_market_ticker_scenario_delivers_only_subscribed_symbols(
    server: rtmon.Server,
) -> None:
    """Market ticker scenario delivers only the symbols that its subscribers subscribe to."""
    async with MarketTicker(server, period=QUICK, subscribers=2, each=20, rate=50) as market:
        await until(lambda: seen(market, "delivered") > 0)
        market.each = 1
        market.subscribers = 1
        await until(lambda: market.latest("here") == 1)
        market.rows.clear()
        await until(lambda: few(list(market.rows)[-5:]))
    assert any(price != 100 for price in market.prices.values())


async def test_batching_scenario_sends_fewer_frames_with_a_longer_delay(
    server: rtmon.Server,
) -> None:
    """Batching scenario sends the batched reader fewer frames with a longer delay, and applies a
    changed batch size.
    """
    async with BatchingComparison(server, period=QUICK, rate=100, size=20, delay=150) as batching:
        await until(lambda: seen(batching, "batched_messages") > 0)
        some = len(batching.rows)
        await until(lambda: len(batching.rows) >= some + 6)
        rows = list(batching.rows)[some:]
        alone = sum(row["single_frames"] for row in rows)
        batched = sum(row["batched_frames"] for row in rows)
        assert batched < alone / 3
        both = [row for row in rows if not math.isnan(row["batched_delay"] + row["single_delay"])]
        later = [row["batched_delay"] > row["single_delay"] for row in both]
        assert later.count(True) > len(later) / 2
        batching.size = 1
        some = len(batching.rows)
        await until(
            lambda: (
                len(batching.rows) > some + 1
                and batching.latest("batched_frames") > 0.7 * batching.latest("single_frames")
            )
        )


async def test_scenario_average_uses_only_rows_recorded_after_the_call(
    server: rtmon.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario's ``average()`` averages only rows recorded after the call, and raises
    MonitorError when the scenario is not running.
    """
    monkeypatch.setattr("rtmon.lab.scenarios.base.ROWS", 3)
    calls = itertools.count()
    async with BatchingComparison(server, period=QUICK, also={"calls": lambda: next(calls)}) as one:
        await until(lambda: one.rows and one.latest("calls") >= 5)
        before = one.latest("calls")
        average = await one.average(2 * QUICK)
        assert average["calls"] > before
        assert set(average) == set(one.rows[-1]) - {"time"}
    with pytest.raises(MonitorError, match="start it"):
        await one.average(QUICK)


async def test_reconnect_storm_scenario_reconnects_all_clients(server: rtmon.Server) -> None:
    """Reconnect storm scenario reconnects all its clients after ``cut()``; without jitter, all
    clients try at the same times.
    """
    async with ReconnectStorm(
        server, period=QUICK, clients=20, base=0.1, longest=0.4, away=1
    ) as storm:
        assert (storm.online, storm.recovery.cut) == (20, 0)
        storm.jitter = 0
        storm.cut()
        await until(lambda: storm.recovery.back == 20)
        recovery = storm.recovery
        assert recovery.cut == 20
        assert recovery.attempts >= 40, "the first delay is shorter than the outage"
        assert 1 <= recovery.half <= recovery.all
        assert recovery.busiest >= 10
    assert storm.proxy.refused >= 20


def test_reconnect_storm_delays_depend_on_seed_and_client_number() -> None:
    """Reconnect storm scenario's delays depend only on the seed and the client's number."""

    def waits(seed: int) -> list[float]:
        storm = ReconnectStorm("ws://x", seed=seed)
        return [storm._random("client", n).random() for n in range(5)]

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)
    assert len(set(waits(1))) == 5


async def test_slow_reader_scenario_falls_behind_and_catches_up(server: rtmon.Server) -> None:
    """Slow reader scenario's slow client falls behind while its other clients keep up, and
    catches up when its speed is raised.
    """
    async with SlowReader(server, period=QUICK, readers=3, rate=50, size=2_000) as slow:
        await until(lambda: seen(slow, "behind") > 20)
        assert seen(slow, "each") > 0
        slow.speed = 200
        await until(lambda: slow.latest("behind") < 10)


async def test_slow_reader_scenario_shows_that_the_hub_disconnected_the_slow_client() -> None:
    """Slow reader scenario shows its slow client as not connected after the hub has disconnected
    it.
    """
    hub = rtmon.Hub(slow="drop_oldest", stalled=0.5)
    async with (
        rtmon.serve(hub, "127.0.0.1", 0) as server,
        SlowReader(server, period=QUICK, readers=1, rate=100, size=20_000) as slow,
    ):
        await until(lambda: seen(slow, "connected") == 1)
        await until(lambda: slow.latest("connected") == 0)
        assert math.isnan(slow.latest("behind"))
        slow.speed = 200
        await until(lambda: slow.latest("connected") == 1)


async def test_scenario_continues_after_its_connections_are_cut(server: rtmon.Server) -> None:
    """Scenario reconnects its clients and continues when its connections are cut."""
    options = {"period": QUICK, "subscribers": 2, "rate": 50}
    async with FaultProxy(server) as proxy, MarketTicker(proxy, **options) as market:
        await until(lambda: seen(market, "delivered") > 0)
        assert proxy.accepted == 3
        proxy.cut()
        await until(lambda: proxy.accepted >= 6)
        market.rows.clear()
        await until(lambda: seen(market, "delivered") > 0)


async def test_scenario_stops_while_its_connections_are_frozen(
    server: rtmon.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario can be stopped while its connections are frozen, and leaves no connection open."""
    monkeypatch.setattr("rtmon.lab.scenarios.client_group.LEAVE", 0.2)
    async with FaultProxy(server) as proxy:
        chat = ChatRoom(proxy, people=2)
        await chat.start()
        proxy.freeze()
        async with asyncio.timeout(60):
            await chat.stop()
        proxy.thaw()
        await until(lambda: not proxy.links)


async def test_scenario_start_raises_when_the_server_is_unreachable() -> None:
    """Scenario's ``start()`` raises when the server is unreachable, and the scenario is stopped."""
    async with FaultProxy("ws://127.0.0.1:9") as proxy:
        for kind in ALL:
            scenario = kind(proxy)
            with pytest.raises(UNREACHABLE):
                await scenario.start()
            assert scenario.stopped.is_set()


async def test_scenario_start_raises_when_one_client_cannot_connect(server: rtmon.Server) -> None:
    """Scenario's ``start()`` raises when one client cannot connect, and the other clients
    disconnect with 1000.
    """

    class Storm(ReconnectStorm):
        async def _connect(self, number: int) -> SimulatedConnection:
            if number == 0:
                raise ConnectionRefusedError("no room")
            return await super()._connect(number)

    with pytest.raises(ConnectionRefusedError, match="no room"):
        await Storm(server, clients=4).start()
    await until(lambda: server.monitor.snapshot().closed == 3)
    assert server.monitor.snapshot().close_codes == {1000: 3}


@pytest.mark.parametrize(
    ("knobs", "said"),
    [({"people": 0}, "people"), ({"people": 1.5}, "whole"), ({"peple": 1}, "has no 'peple'")],
)
def test_scenario_raises_option_error_that_names_an_invalid_setting(
    knobs: dict[str, Any], said: str
) -> None:
    """Scenario raises OptionError that names an invalid setting, at creation and when it is
    changed.
    """
    with pytest.raises(OptionError, match=said):
        ChatRoom("ws://x", **knobs)
    chat = ChatRoom("ws://x")
    with pytest.raises(OptionError, match="rate"):
        chat.rate = 1000


async def test_scenario_view_changes_settings_and_shows_their_changes(
    server: rtmon.Server,
) -> None:
    """Notebook view of a scenario changes a setting by its slider, shows a setting changed in
    code, and draws all charts.
    """
    for kind in ALL:
        async with kind(server, period=QUICK) as scenario:
            picture = ScenarioPicture(scenario)
            name, knob = next(iter(kind.knobs().items()))
            assert name in [control.name for control in picture.layout.controls]
            picture.act(name, knob.high)
            assert getattr(scenario, name) == knob.high
            setattr(scenario, name, knob.low)
            assert picture.update().values[name] == knob.low
            await until(lambda s=scenario: len(s.rows) > 2)
            picture.update()
            drawn = picture.whole(60).columns
            assert {series.key for chart in kind.charts for series in chart.series} < set(drawn)
            assert len(drawn["time"]) == len(scenario.rows)
            assert not picture.ended
        assert picture.ended
        assert "not live since" in picture.update().status.banner


async def test_scenario_view_removes_old_points_when_the_scenario_restarts(
    server: rtmon.Server,
) -> None:
    """Notebook view of a scenario removes the previous run's points from its charts when the
    scenario starts again.
    """
    chat = ChatRoom(server, period=QUICK)
    picture = ScenarioPicture(chat)
    for _ in range(2):
        async with chat:
            await until(lambda: len(chat.rows) > 2)
            assert picture.update().anew
            await until(lambda: len(chat.rows) > 4)
            assert not picture.update().anew


async def test_scenario_view_button_calls_its_method_and_no_other(server: rtmon.Server) -> None:
    """Button in a scenario's notebook view calls the scenario's method; the view cannot call a
    method that has no button.
    """
    async with ReconnectStorm(server, clients=2, base=0.1, away=0) as storm:
        picture = ScenarioPicture(storm)
        picture.act("stop", None)
        assert not storm.stopped.is_set()
        picture.act("cut", None)
        await until(lambda: storm.recovery.cut == 2)


async def test_proxy_view_changes_the_proxy_and_shows_its_changes() -> None:
    """Sliders and buttons in a fault proxy's notebook view change the proxy, and show changes
    made in code.
    """
    async with FaultProxy("ws://127.0.0.1:9") as proxy:
        picture = ProxyPicture(proxy)
        picture.act("latency", 200)
        assert proxy.latency == 0.2
        proxy.set("down", frozen=True)
        proxy.latency = 0.1234
        values = picture.update().values
        assert (values["freeze_down"], values["freeze_up"], values["latency"]) == (True, False, 123)
        assert proxy.latency == 0.1234, "following a change must not round the proxy's value"
        picture.act("bandwidth", "10 kB/s")
        assert proxy.bandwidth == 10_000
        picture.act("refusing", True)
        assert proxy.refusing
        picture.act("calm", None)
        assert (proxy.latency, proxy.bandwidth, proxy.frozen) == (0, None, False)
    assert picture.ended
