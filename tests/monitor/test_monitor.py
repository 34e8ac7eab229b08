"""The Monitor: its tick loop, threads, forks, clock, sinks and listeners."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import pytest

from rtmon import Monitor
from rtmon.errors import MonitorError, OptionError
from rtmon.metrics.collector import Tick
from rtmon.metrics.records import ConnectionInfo
from rtmon.monitor.measured_event_loop import NO_ASYNCIO, SECOND_LOOP
from rtmon.testing import FakeClock, until

FAST = 0.005


def _ticks(monitor: Monitor) -> int:
    latest = monitor.collector.history.latest()
    return 0 if latest is None else latest.seq


class KeepingSink:
    """A sink that stores each tick in memory."""

    def __init__(self) -> None:
        self.opened = False
        self.ticks: list[Tick] = []
        self.connections: Sequence[ConnectionInfo] | None = None

    def open(self, node: str, epoch: str) -> None:
        self.opened = True

    def write(self, tick: Tick) -> None:
        self.ticks.append(tick)

    def close(self, connections: Sequence[ConnectionInfo]) -> None:
        self.connections = connections


def test_monitor_works_without_an_event_loop() -> None:
    """Monitor can be created, read and closed without an event loop, and close() makes a
    last tick.
    """
    monitor = Monitor(node="n")
    assert monitor.snapshot().open == 0
    assert "idle" in repr(monitor)
    monitor.close()
    monitor.close()
    assert _ticks(monitor) == 1
    assert monitor.closed


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf"), "1", None])
def test_monitor_raises_when_the_interval_is_not_positive(interval: Any) -> None:
    """Monitor raises OptionError when its interval is zero, negative, infinite or not a number."""
    with pytest.raises(OptionError, match="more than 0"):
        Monitor(interval=interval)


@pytest.mark.parametrize(
    "options", [{"closed_kept": -1}, {"closed_kept": None}, {"redact": b"secret"}]
)
def test_monitor_names_the_option_when_its_value_is_wrong(options: dict[str, Any]) -> None:
    """Monitor raises OptionError that names the option when another of its options is wrong."""
    with pytest.raises(OptionError, match=f"^{next(iter(options))}="):
        Monitor(**options)


async def test_monitor_ticks_by_itself_on_an_event_loop_until_it_is_closed() -> None:
    """Monitor ticks by itself once arm() has been called on an event loop, and no longer ticks
    after close().
    """
    monitor = Monitor(interval=FAST)
    assert monitor.arm("display")
    assert monitor.arm("probe"), "arming again on the same loop changes nothing"
    await until(lambda: _ticks(monitor) >= 3)
    monitor.close()
    seen = _ticks(monitor)
    await asyncio.sleep(3 * FAST)
    assert _ticks(monitor) == seen, "a closed Monitor does not tick"


async def test_monitor_ticks_once_per_interval_when_arm_is_called_often() -> None:
    """Monitor ticks only once per interval although arm() is called 200 times on the same event
    loop.
    """
    monitor = Monitor(interval=0.05)
    for _ in range(100):
        monitor.arm("display")
        monitor.arm("probe")
    await until(lambda: _ticks(monitor) >= 3)
    samples = monitor.collector.history.samples()
    assert sum(sample.elapsed for sample in samples) > 0.01 * len(samples)


def test_monitor_continues_its_numbering_on_the_next_event_loop() -> None:
    """Monitor continues the numbers of its samples without a gap when arm() is called on the event
    loop of a second asyncio.run().
    """
    monitor = Monitor(interval=FAST)

    async def run() -> None:
        before = _ticks(monitor)
        monitor.arm("serve")
        await until(lambda: _ticks(monitor) >= before + 2)

    asyncio.run(run())
    first = _ticks(monitor)
    asyncio.run(run())
    samples = monitor.collector.history.samples()
    assert [sample.seq for sample in samples] == list(range(1, len(samples) + 1))
    assert _ticks(monitor) >= first + 2


FORKING = """
import asyncio, json, os
from rtmon import Monitor, __version__
from rtmon.metrics.meter import Ending

monitor = Monitor(interval=0.005)
monitor.collector.expect("asgi")
kept = Monitor(node="web")

async def serve():
    monitor.arm("serve"), kept.arm("serve")
    monitor.connection_opened(monitor.collector.meter(probe="asgi"))
    while not monitor.collector.history.latest():
        await asyncio.sleep(0.001)

def tell():
    told = monitor.snapshot()
    names = [monitor.node, monitor.epoch, kept.node, kept.epoch]
    print(json.dumps([*names, told.opened, told.wire_in]))

async def parent():
    await serve()
    if child := os.fork():
        os.waitpid(child, 0)
        await serve()
        tell()
    else:
        asyncio._set_running_loop(None)
        asyncio.new_event_loop().run_until_complete(serve())
        tell()
        os._exit(0)

asyncio.run(parent())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_process_counts_its_own_connections() -> None:
    """Child process that is forked from a process with a Monitor counts only the child's own
    connections under a new epoch, and the parent's counts stay the same.
    """
    ran = subprocess.run(
        [sys.executable, "-u", "-c", FORKING],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    (node, epoch, name, its, opened, wire), (ours, life, same, other, before, _) = (
        json.loads(line) for line in ran.stdout.splitlines()
    )
    assert (opened, before) == (1, 2)
    assert node != ours
    assert len({epoch, life, its, other}) == 4
    assert (name, same, wire) == ("web", "web", None)


def test_monitor_refuses_to_serve_on_a_second_running_event_loop() -> None:
    """Monitor that ticks on one event loop raises MonitorError for a server on a second running
    event loop, and reports the connections of the second loop as not counted.
    """
    monitor = Monitor(interval=FAST)
    outcome: list[Any] = []

    async def elsewhere() -> None:
        outcome.append(monitor.arm("display"))
        outcome.append(monitor.arm("probe"))
        monitor.arm("probe")
        try:
            monitor.arm("serve")
        except MonitorError as exc:
            outcome.append(str(exc))

    async def main() -> None:
        monitor.arm("serve")
        thread = threading.Thread(target=asyncio.run, args=(elsewhere(),))
        thread.start()
        await asyncio.to_thread(thread.join)

    asyncio.run(main())
    assert outcome[:2] == [False, False]
    assert "give each loop a Monitor of its own" in outcome[2]
    monitor.tick()
    monitor.tick()
    assert monitor.uncounted == 2
    told = [each for each in monitor.collector.history.events() if each.kind == "not counted"]
    assert [each.detail for each in told] == [SECOND_LOOP]


def test_monitor_logs_once_that_it_counts_nothing_outside_asyncio(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Monitor used outside an asyncio event loop counts nothing and logs the reason once."""
    monitor = Monitor()
    assert [monitor.arm("probe"), monitor.arm("probe")] == [False, False]
    assert (monitor.uncounted, monitor.probe_failures) == (2, 0)
    assert [record.message for record in caplog.records] == [NO_ASYNCIO]


def test_monitor_ticks_on_the_loop_of_its_server_instead_of_a_display() -> None:
    """Monitor that ticks on the event loop of a dashboard moves to the server's event loop once a
    server uses the Monitor.
    """
    monitor = Monitor(interval=FAST)
    threads: set[int] = set()
    monitor.listen(lambda _: threads.add(threading.get_ident()))

    async def serve() -> None:
        assert monitor.arm("serve")
        threads.clear()
        before = _ticks(monitor)
        await until(lambda: _ticks(monitor) >= before + 3)
        assert threads == {threading.get_ident()}

    async def main() -> None:
        monitor.arm("display")
        await asyncio.to_thread(asyncio.run, serve())

    asyncio.run(main())


def test_monitor_gives_the_last_tick_to_another_thread() -> None:
    """Monitor gives another thread the values of the last tick, and raises MonitorError when that
    thread calls tick().
    """
    monitor = Monitor(interval=1000)
    seen: list[Any] = []

    def elsewhere() -> None:
        seen.append(monitor.snapshot().open)
        try:
            monitor.tick()
        except MonitorError as exc:
            seen.append(str(exc))

    async def main() -> None:
        monitor.arm("serve")
        monitor.tick()
        monitor.connection_opened(monitor.collector.meter())
        await asyncio.to_thread(elsewhere)
        assert monitor.snapshot().open == 1

    asyncio.run(main())
    assert seen == [0, "tick() must be called on the thread of the measured event loop"]


def test_monitor_closes_on_its_loop_when_another_thread_calls_close() -> None:
    """Monitor that another thread closes makes a last tick on its event loop before close()
    returns.
    """
    monitor = Monitor(interval=1000)

    async def main() -> None:
        monitor.arm("serve")
        await asyncio.to_thread(monitor.close)
        assert monitor.closed

    asyncio.run(main())
    assert _ticks(monitor) == 1


async def test_monitor_without_references_is_collected_and_closes_its_sinks() -> None:
    """Monitor to which no reference is left is garbage-collected although it ticks by itself, and
    its attached sinks are closed.
    """
    monitor = Monitor(interval=FAST)
    sink = KeepingSink()
    monitor.attach(sink)
    monitor.arm("display")
    await until(lambda: sink.ticks)
    gone = weakref.ref(monitor)
    del monitor
    gc.collect()
    assert gone() is None
    await until(lambda: sink.connections is not None)


async def test_monitor_makes_one_long_tick_after_its_loop_was_blocked() -> None:
    """Monitor makes one tick for the whole time that its event loop was blocked."""
    monitor = Monitor(interval=0.02)
    monitor.arm("serve")
    await until(lambda: _ticks(monitor) >= 1)
    before = _ticks(monitor)
    threading.Event().wait(0.2)
    await until(lambda: _ticks(monitor) > before)
    late, *others = monitor.collector.history.samples()[before:]
    assert late.elapsed >= 0.2
    assert sum(sample.elapsed for sample in others) >= 0.005 * len(others)


def test_monitor_takes_all_times_from_its_clock() -> None:
    """Monitor takes a sample's time from its clock's wall time and the duration from its monotonic
    time.
    """
    clock = FakeClock(time=5000.0)
    monitor = Monitor(clock=clock)
    clock.advance(2.5)
    sample = monitor.tick().sample
    assert (sample.time, sample.elapsed) == (5002.5, 2.5)
    clock.set_wall_clock(0.0)
    clock.advance(1.0)
    sample = monitor.tick().sample
    assert (sample.time, sample.elapsed) == (1.0, 1.0)


def test_monitor_detaches_a_failing_sink_and_records_an_event() -> None:
    """Monitor detaches a sink that raises, records an event with the reason, and continues
    to tick.
    """

    class Broken(KeepingSink):
        def write(self, tick: Tick) -> None:
            raise OSError("disk full")

    monitor = Monitor()
    attachment = monitor.attach(Broken())
    monitor.tick()
    attachment._thread.join(60)
    monitor.tick()
    monitor.tick()
    (event,) = [e for e in monitor.collector.history.events() if e.kind == "sink detached"]
    assert "disk full" in str(event.detail)
    monitor.close()


def test_monitor_drops_and_counts_ticks_for_a_slow_sink() -> None:
    """Monitor drops and counts ticks for which a slow sink has no room, instead of waiting for the
    sink.
    """
    release = threading.Event()

    class Slow(KeepingSink):
        def write(self, tick: Tick) -> None:
            release.wait(30)
            super().write(tick)

    monitor, sink = Monitor(), Slow()
    attachment = monitor.attach(sink)
    for _ in range(200):
        monitor.tick()
    assert attachment.dropped > 100
    release.set()
    attachment.close()
    assert sink.connections == []
    assert len(sink.ticks) + attachment.dropped == 201, "the detaching tick is one more"
    assert "sink slow" in [event.kind for event in monitor.collector.history.events()]


def test_monitor_refuses_a_sink_attached_twice_or_after_close() -> None:
    """Monitor raises MonitorError when a sink is attached twice or after close()."""
    monitor, sink = Monitor(), KeepingSink()
    monitor.attach(sink)
    with pytest.raises(MonitorError, match="attached"):
        monitor.attach(sink)
    monitor.close()
    assert sink.connections is not None, "closing finishes what is attached"
    with pytest.raises(MonitorError, match="closed"):
        monitor.attach(KeepingSink())


def test_monitor_calls_its_listeners_although_one_of_them_raises() -> None:
    """Monitor continues to tick and to call its other listeners when one listener raises."""
    monitor = Monitor()
    heard: list[Tick] = []

    def broken(tick: Tick) -> None:
        raise RuntimeError

    monitor.listen(broken)
    stop = monitor.listen(heard.append)
    monitor.tick()
    stop()
    stop()
    monitor.tick()
    assert len(heard) == 1


async def test_monitor_continues_to_tick_after_a_tick_raised_an_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Monitor continues to tick after ticks raised exceptions, and reports each exception to the
    event loop's exception handler.
    """
    heard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    monitor = Monitor(interval=FAST)
    monitor.arm("serve")
    original, failures = monitor.collector.tick, [1, 1]

    def failing(*args: Any, **options: Any) -> Tick:
        if failures:
            failures.pop()
            raise RuntimeError
        return original(*args, **options)

    monkeypatch.setattr(monitor.collector, "tick", failing)
    await until(lambda: _ticks(monitor) >= 2)
    assert len(heard) == 2
