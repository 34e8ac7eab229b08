from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rtmon
from rtmon.errors import OptionError
from rtmon.lab.connection import Connection
from rtmon.lab.scenarios import (
    BatchingComparison,
    ChatRoom,
    MarketTicker,
    ReconnectStorm,
    Scenario,
    SlowReader,
)
from rtmon.lab.scenarios.crowd import UNREACHABLE
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
async def test_start_and_stop(kind: type[Scenario], server: rtmon.Server) -> None:
    """Each scenario starts, moves numbers under all names it draws, stops, and leaves nothing."""
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


async def test_chat_fan_out(server: rtmon.Server) -> None:
    """What is said is heard by everybody; more people can come while it goes on."""
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


async def test_ticker_subscriptions(server: rtmon.Server) -> None:
    """Subscribers get the symbols that they take, and only those."""
    async with MarketTicker(server, period=QUICK, subscribers=2, each=20, rate=50) as market:
        await until(lambda: seen(market, "delivered") > 0)
        market.each = 1
        market.subscribers = 1
        await until(lambda: market.latest("here") == 1)
        market.rows.clear()
        await until(lambda: few(list(market.rows)[-5:]))
    assert any(price != 100 for price in market.prices.values())


async def test_batches(server: rtmon.Server) -> None:
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


async def test_storm(server: rtmon.Server) -> None:
    """Clients that were cut off all come back; without jitter they try at the same moments."""
    async with ReconnectStorm(
        server, period=QUICK, clients=20, base=0.1, longest=0.4, away=1
    ) as storm:
        assert storm.recovery.cut == 0
        storm.jitter = 0
        storm.cut()
        await until(lambda: storm.recovery.back == 20)
        recovery = storm.recovery
        assert recovery.cut == 20
        assert recovery.attempts >= 40, "the first wait is shorter than the server is away"
        assert 1 <= recovery.half <= recovery.all
        assert recovery.busiest >= 10
    assert storm.proxy.refused >= 20


def test_storms_are_the_same_for_the_same_seed() -> None:
    """The waits of each client depend on the seed and its number only."""

    def waits(seed: int) -> list[float]:
        storm = ReconnectStorm("ws://x", seed=seed)
        return [storm._random("client", n).random() for n in range(5)]

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)
    assert len(set(waits(1))) == 5


async def test_slow_reader(server: rtmon.Server) -> None:
    """The others keep up while the slow one falls behind; it reads again when it may."""
    async with SlowReader(server, period=QUICK, readers=3, rate=50, size=2_000) as slow:
        await until(lambda: seen(slow, "behind") > 20)
        assert seen(slow, "each") > 0
        slow.speed = 200
        await until(lambda: slow.latest("behind") < 10)


async def test_they_survive_a_cut(server: rtmon.Server) -> None:
    """When a scenario's connections are cut, its clients come back and it goes on."""
    options = {"period": QUICK, "subscribers": 2, "rate": 50}
    async with FaultProxy(server) as proxy, MarketTicker(proxy, **options) as market:
        await until(lambda: seen(market, "delivered") > 0)
        assert proxy.accepted == 3
        proxy.cut()
        await until(lambda: proxy.accepted >= 6)
        market.rows.clear()
        await until(lambda: seen(market, "delivered") > 0)


async def test_they_stop_on_a_frozen_link(
    server: rtmon.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario whose link is frozen can be stopped, and its connections are gone."""
    monkeypatch.setattr("rtmon.lab.scenarios.crowd.LEAVE", 0.2)
    async with FaultProxy(server) as proxy:
        chat = ChatRoom(proxy, people=2)
        await chat.start()
        proxy.freeze()
        async with asyncio.timeout(60):
            await chat.stop()
        proxy.thaw()
        await until(lambda: not proxy.links)


async def test_no_server() -> None:
    """A scenario without a server says so at once, and is stopped."""
    async with FaultProxy("ws://127.0.0.1:9") as proxy:
        for kind in ALL:
            scenario = kind(proxy)
            with pytest.raises(UNREACHABLE):
                await scenario.start()
            assert scenario.stopped.is_set()


async def test_one_who_cannot_connect(server: rtmon.Server) -> None:
    """A scenario of whom one cannot connect says so, and the others say goodbye."""

    class Storm(ReconnectStorm):
        async def _connect(self, number: int) -> Connection:
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
def test_knobs_that_make_no_sense(knobs: dict[str, Any], said: str) -> None:
    """A wrong knob is named, when it is set and when it is given."""
    with pytest.raises(OptionError, match=said):
        ChatRoom("ws://x", **knobs)
    chat = ChatRoom("ws://x")
    with pytest.raises(OptionError, match="rate"):
        chat.rate = 1000


async def test_pictures(server: rtmon.Server) -> None:
    """Each scenario draws itself; who moves a slider moves the knob, and the other way round."""
    for kind in ALL:
        async with kind(server) as scenario:
            root = scenario.picture()
            name, knob = next(iter(kind.knobs().items()))
            [slider] = [each for each in root[0] if each.label == knob.label]
            slider.value = knob.high
            assert getattr(scenario, name) == knob.high
            setattr(scenario, name, knob.low)
            await until(lambda s=slider, k=knob: s.value == k.low)
        async with asyncio.timeout(60):
            await root.updating
    async with ChatRoom(server) as chat:
        bundle, _ = chat._repr_mimebundle_()
        assert "text/html" in bundle
        assert bundle["text/plain"] == repr(chat)


async def test_clicks_from_another_thread(server: rtmon.Server) -> None:
    """What is heard on a thread of its own, as JupyterLab has it, is done on the loop."""
    there = threading.get_ident()
    threads: list[int] = []

    class Storm(ReconnectStorm):
        def moved(self, knob: str) -> None:
            threads.append(threading.get_ident())

    async with Storm(server, clients=2, base=0.1, away=0) as storm:
        root = storm.picture()
        slider, button = root[0][0], root[0][-1]
        await asyncio.to_thread(setattr, slider, "value", 3)
        await until(lambda: storm.away == 3)
        await asyncio.to_thread(setattr, button, "clicks", 1)
        await until(lambda: storm.recovery.cut == 2)
    assert set(threads) == {there}


async def test_controls() -> None:
    """A proxy's sliders and buttons do what they say, and follow what code does."""
    async with FaultProxy("ws://127.0.0.1:9") as proxy:
        root = proxy.controls()
        by_name = {each.label: each for row in root[:3] for each in row}
        by_name["latency, ms each way"].value = 200
        assert proxy.latency == 0.2
        proxy.set("down", frozen=True)
        proxy.latency = 0.1234
        await until(lambda: by_name["Freeze downwards"].value)
        assert proxy.latency == 0.1234, "a slider that follows does not round"
        by_name["bandwidth, each way"].value = "10 kB/s"
        assert proxy.bandwidth == 10_000
        by_name["All well"].clicks += 1
        assert (proxy.latency, proxy.bandwidth, proxy.frozen) == (0, None, False)
    async with asyncio.timeout(60):
        await root.updating
