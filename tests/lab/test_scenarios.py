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
"""Seconds between two rows, where a test waits for several."""

ALL = (BatchingComparison, ChatRoom, MarketTicker, ReconnectStorm, SlowReader)


@pytest.fixture
async def server() -> AsyncIterator[rtmon.Server]:
    """A hub as it is by default."""
    async with rtmon.serve(rtmon.Hub(announce=0.02), "127.0.0.1", 0) as running:
        yield running


def seen(scenario: Scenario, key: str) -> float:
    """The largest value that a number has had."""
    return max((row[key] for row in scenario.rows if not math.isnan(row[key])), default=math.nan)


@pytest.mark.parametrize("kind", ALL)
async def test_scenario_starts_and_stops(kind: type[Scenario], server: rtmon.Server) -> None:
    """Each scenario starts, has numbers for all its series, stops, and leaves nothing behind."""
    before = asyncio.all_tasks()
    scenario = kind(server, period=QUICK)
    await scenario.start()
    await scenario.start()  # nothing happens
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
    await scenario.start()  # once more, from the beginning
    assert len(scenario.rows) < 2
    await scenario.stop()


async def test_chat_room_fans_out(server: rtmon.Server) -> None:
    """Each message is received by all clients of the room; more clients can join meanwhile."""
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
    """Whether prices were published, and most of them were not delivered."""
    published = sum(row["published"] for row in rows)
    return published > 0 and sum(row["delivered"] for row in rows) < 0.5 * published


async def test_ticker_delivers_subscribed_symbols_only(server: rtmon.Server) -> None:
    """Subscribers get the symbols that they subscribe to, and only those."""
    async with MarketTicker(server, period=QUICK, subscribers=2, each=20, rate=50) as market:
        await until(lambda: seen(market, "delivered") > 0)
        market.each = 1
        market.subscribers = 1
        await until(lambda: market.latest("here") == 1)
        market.rows.clear()
        await until(lambda: few(list(market.rows)[-5:]))
    assert any(price != 100 for price in market.prices.values())


async def test_batching_sends_fewer_frames_later(server: rtmon.Server) -> None:
    """The batched reader gets the same messages in fewer frames, later; knobs are obeyed."""
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


async def test_average_measures_from_now_on(
    server: rtmon.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An average holds what comes after the call, also when older rows were forgotten; a scenario
    that is not running has none.
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


async def test_storm_clients_all_reconnect(server: rtmon.Server) -> None:
    """All cut clients reconnect; without jitter they try at the same moments."""
    async with ReconnectStorm(
        server, period=QUICK, clients=20, base=0.1, longest=0.4, away=1
    ) as storm:
        assert (storm.online, storm.recovery.cut) == (20, 0)
        storm.jitter = 0
        storm.cut()
        await until(lambda: storm.recovery.back == 20)
        recovery = storm.recovery
        assert recovery.cut == 20
        assert recovery.attempts >= 40, "the first wait is shorter than the server is away"
        assert 1 <= recovery.half <= recovery.all
        assert recovery.busiest >= 10
    assert storm.proxy.refused >= 20


def test_storm_waits_depend_on_the_seed() -> None:
    """The waits of each client depend on the seed and its number only."""

    def waits(seed: int) -> list[float]:
        storm = ReconnectStorm("ws://x", seed=seed)
        return [storm._random("client", n).random() for n in range(5)]

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)
    assert len(set(waits(1))) == 5


async def test_slow_reader_falls_behind(server: rtmon.Server) -> None:
    """The others keep up while the slow consumer falls behind; it catches up when it may read."""
    async with SlowReader(server, period=QUICK, readers=3, rate=50, size=2_000) as slow:
        await until(lambda: seen(slow, "behind") > 20)
        assert seen(slow, "each") > 0
        slow.speed = 200
        await until(lambda: slow.latest("behind") < 10)


async def test_slow_reader_shows_that_it_was_cut_off_while_it_does_not_read() -> None:
    """A slow reader that does not read is shown as not connected when the hub has cut it off."""
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


async def test_scenario_goes_on_after_a_cut(server: rtmon.Server) -> None:
    """When a scenario's connections are cut, its clients reconnect and it goes on."""
    options = {"period": QUICK, "subscribers": 2, "rate": 50}
    async with FaultProxy(server) as proxy, MarketTicker(proxy, **options) as market:
        await until(lambda: seen(market, "delivered") > 0)
        assert proxy.accepted == 3
        proxy.cut()
        await until(lambda: proxy.accepted >= 6)
        market.rows.clear()
        await until(lambda: seen(market, "delivered") > 0)


async def test_scenario_stops_when_its_link_is_frozen(
    server: rtmon.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario whose link is frozen can be stopped, and its connections are gone."""
    monkeypatch.setattr("rtmon.lab.scenarios.client_group.LEAVE", 0.2)
    async with FaultProxy(server) as proxy:
        chat = ChatRoom(proxy, people=2)
        await chat.start()
        proxy.freeze()
        async with asyncio.timeout(60):
            await chat.stop()
        proxy.thaw()
        await until(lambda: not proxy.links)


async def test_scenario_fails_when_the_server_is_unreachable() -> None:
    """A scenario without a server raises at once, and is stopped."""
    async with FaultProxy("ws://127.0.0.1:9") as proxy:
        for kind in ALL:
            scenario = kind(proxy)
            with pytest.raises(UNREACHABLE):
                await scenario.start()
            assert scenario.stopped.is_set()


async def test_scenario_fails_when_one_client_cannot_connect(server: rtmon.Server) -> None:
    """If one client of a scenario cannot connect, start raises, and the others disconnect."""

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
def test_scenario_rejects_invalid_knobs(knobs: dict[str, Any], said: str) -> None:
    """An invalid knob is named in the error, when it is set and when it is given."""
    with pytest.raises(OptionError, match=said):
        ChatRoom("ws://x", **knobs)
    chat = ChatRoom("ws://x")
    with pytest.raises(OptionError, match="rate"):
        chat.rate = 1000


async def test_picture_and_knobs_follow_each_other(server: rtmon.Server) -> None:
    """Each scenario draws itself; a moved slider changes the knob, and a changed knob the
    slider.
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


async def test_picture_draws_again_when_its_scenario_starts_again(server: rtmon.Server) -> None:
    """A picture forgets the points of the run before."""
    chat = ChatRoom(server, period=QUICK)
    picture = ScenarioPicture(chat)
    for _ in range(2):
        async with chat:
            await until(lambda: len(chat.rows) > 2)
            assert picture.update().anew
            await until(lambda: len(chat.rows) > 4)
            assert not picture.update().anew


async def test_button_calls_its_method(server: rtmon.Server) -> None:
    """A button of a picture calls the scenario's method; nothing else can be called by its name."""
    async with ReconnectStorm(server, clients=2, base=0.1, away=0) as storm:
        picture = ScenarioPicture(storm)
        picture.act("stop", None)
        assert not storm.stopped.is_set()
        picture.act("cut", None)
        await until(lambda: storm.recovery.cut == 2)


async def test_proxy_controls_follow_the_proxy() -> None:
    """A proxy's sliders and buttons change it, and follow changes made in code."""
    async with FaultProxy("ws://127.0.0.1:9") as proxy:
        picture = ProxyPicture(proxy)
        picture.act("latency", 200)
        assert proxy.latency == 0.2
        proxy.set("down", frozen=True)
        proxy.latency = 0.1234
        values = picture.update().values
        assert (values["freeze_down"], values["freeze_up"], values["latency"]) == (True, False, 123)
        assert proxy.latency == 0.1234, "a slider that follows does not round"
        picture.act("bandwidth", "10 kB/s")
        assert proxy.bandwidth == 10_000
        picture.act("refusing", True)
        assert proxy.refusing
        picture.act("calm", None)
        assert (proxy.latency, proxy.bandwidth, proxy.frozen) == (0, None, False)
    assert picture.ended
