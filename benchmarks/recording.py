"""Benchmark of recordings: `make bench-recording`, under five minutes.

Measures the writer's share of a busy server's CPU, the size of the recording of a busy day, and how
long queries and exports of that recording take.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from compared import Peer
from measure import heading, interval, machine, table, verdict
from running import Running

import rtmon
from rtmon import Monitor, Recording, RecordingLimits
from rtmon.feeds.local_feed import LocalFeed
from rtmon.feeds.queries import GroupQuery, Query, RowsQuery, SeriesQuery
from rtmon.metrics.histogram import Histogram, HistogramRecorder
from rtmon.metrics.records import ConnectionInfo, Event, Sample, Snapshot
from rtmon.recording.query_reader import QueryReader
from rtmon.recording.tick_data import TickData
from rtmon.recording.tick_writer import Writer
from rtmon.testing import FakeClock

CONNECTIONS = 5000
BEGIN = 1_700_000_000.0
DAY = 86_400
ROWS = 10_000
ANSWERS = 15

CHART = ("messages_in", "messages_out", "rtt_p50", "rtt_p95", "rtt_p99")
"""Columns of the chart that the benchmark queries."""


def serve(port: int, folder: Path) -> None:
    """Run a recorded server, which writes the id of its writer thread into a file."""
    from servers import BACKLOG

    from rtmon.servers.fanout import Group

    async def main() -> None:
        members, monitor = Group(), Monitor()

        async def handler(connection: Any) -> None:
            if connection.request.path == "/publish":
                async for message in connection:
                    members.publish(message)
                return
            members.add(connection)
            await connection.send("joined")
            try:
                await connection.wait_closed()
            finally:
                members.discard(connection)

        attached = monitor.attach(Recording(folder / "run.rtmon"))
        options: dict[str, Any] = {"ping_interval": None, "compression": None, "backlog": BACKLOG}
        async with rtmon.serve(handler, "127.0.0.1", port, monitor=monitor, **options):
            thread = attached._thread.native_id  # noqa: SLF001 - the CPU of this thread is measured
            (folder / "thread").write_text(str(thread))
            await asyncio.Event().wait()

    asyncio.run(main())


class Recorded(Running):
    """A recorded server and its load generator."""

    def writer_cpu(self) -> float:
        """Return the CPU seconds that the writer thread has used."""
        thread = Path(self._folder.name, "thread").read_text()
        ran = Path(f"/proc/{self._server.pid}/task/{thread}/schedstat").read_text()
        return int(ran.split()[0]) / 1e9


def share(connections: int, rounds: int, seconds: float) -> float:
    """Measure the writer's share of the server's CPU at the highest rate of fan-out.

    Returns:
        Median share over all rounds.
    """
    heading(
        "The writer's share",
        f"A `Group` on `rtmon.serve` with {connections:,} subscribers, recorded; 200 B to all, the "
        f"next when all have it. {rounds} rounds of {seconds:g} s; CPU of the writer's thread, of "
        "that of the whole process, on one core. The writer does as much a second however much the "
        "server gets done, so its share is greater where others take the core.",
    )
    command = [sys.executable, __file__, "serve"]
    peer = Peer("recorded", "websocket", lambda port, at: [*command, str(port), str(at)], (), str)
    shares, rates, used = [], [], []
    with Recorded("recorded", peer) as running:
        running.ready()
        running.grow(connections)
        running.ask("publisher")
        running.measured("closed_loop", burst=1, seconds=2.0)
        for _ in range(rounds):
            before = running.writer_cpu()
            measured = running.measured("closed_loop", burst=1, seconds=seconds)
            writer = running.writer_cpu() - before
            shares.append(writer / measured["cpu"])
            used.append(writer / measured["seconds"])
            rates.append(measured["rate"])
    median, low, high = interval(shares)
    table(
        ["", "median (95 %)"],
        [
            ["deliveries a second", f"{interval(rates)[0]:,.0f}"],
            [
                "writer, ms of CPU a second",
                "{:.1f} ({:.1f} to {:.1f})".format(*(1e3 * each for each in interval(used))),
            ],
            ["its share of the server's CPU", f"{median:.2%} ({low:.2%} to {high:.2%})"],
            ["its share of a core", f"{interval(used)[0]:.2%}"],
        ],
    )
    return median


def _histogram(rng: random.Random, middle: float, values: int) -> Histogram:
    recorder = HistogramRecorder()
    for _ in range(values):
        recorder.record(middle * rng.lognormvariate(0.0, 0.6))
    return recorder.take()


def _values(rng: random.Random) -> dict[str, Any]:
    """Return the sample values of a busy second."""
    messages = rng.randrange(900, 1100)
    return {
        "open": CONNECTIONS,
        "peak": CONNECTIONS,
        "opened": 1,
        "closed": 1,
        "messages_in": messages,
        "messages_out": messages * 50,
        "slow": 0,
        "bytes_in": messages * 190,
        "bytes_out": messages * 9000,
        "errors": 0,
        "dropped": 0,
        "wire_in": messages * 196,
        "wire_out": messages * 9400,
        "send_queue": 12_345,
        "cpu": rng.uniform(0.4, 0.6),
        "memory": 200_000_000 + rng.randrange(10**6),
        "rtt": _histogram(rng, 0.004, 250),
        "handler": _histogram(rng, 2e-4, 1000),
        "fanout": _histogram(rng, 3e-3, 200),
        "lag": _histogram(rng, 5e-4, 10),
        "close_codes": {1000: 1},
    }


def _connection(number: int, rng: random.Random, *, closed: float | None = None) -> ConnectionInfo:
    return ConnectionInfo(
        id=f"c{number}",
        name=f"user-{number}",
        remote=f"10.0.{number // 250 % 250}.{number % 250}:{40_000 + number % 20_000}",
        path=rng.choice(("/chat", "/echo", "/feed")),
        user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        opened=(closed or BEGIN) - rng.uniform(0.0, 900.0),
        state="open" if closed is None else "closed",
        closed=closed,
        close_code=None if closed is None else 1000,
        messages_in=rng.randrange(10_000),
        messages_out=rng.randrange(100_000),
        bytes_in=rng.randrange(10**7),
        bytes_out=rng.randrange(10**8),
        rtt=rng.lognormvariate(-6.0, 0.8),
    )


def _frames(ticks: int) -> Iterator[TickData]:
    """Yield busy seconds: in each, one connection opens and one closes, with their events."""
    rng = random.Random(7)
    seconds = [_values(rng) for _ in range(300)]
    for seq, values in zip(range(1, ticks + 1), itertools.cycle(seconds), strict=False):
        now = BEGIN + seq
        ended = _connection(seq, rng, closed=now)
        events = [
            Event(seq=2 * seq + n, time=now, kind=kind, connection=ended.id, name=ended.name)
            for n, kind in enumerate(("opened", "closed"))
        ]
        sample = Sample(node="n", epoch="e", seq=seq, time=now, elapsed=1.0, **values)
        changed = [_connection(10**6 + n, rng) for n in range(300)] if seq % 60 == 0 else ()
        totals = Snapshot(node="n", epoch="e", seq=seq, time=now, uptime=float(seq), rtt=sample.rtt)
        yield TickData(
            sample=sample, events=events, closed=[ended], changed=changed, snapshot=totals
        )


def write(path: Path, frames: Iterable[TickData]) -> None:
    """Write ticks into a recording that keeps single ticks for a day."""
    limits = RecordingLimits(ticks=DAY)
    writer = Writer(path, clock=FakeClock(time=BEGIN), limits=limits)
    writer.begin("n", "e")
    for frame in frames:
        writer.write(frame)
    writer.end([])
    writer.close()


def day(path: Path, ticks: int) -> float:
    """Write the recording of a busy day, and print its size.

    Returns:
        Size of the file in MB, scaled to a whole day.
    """
    heading(
        "A busy day",
        f"{ticks:,} ticks of a second: 1,000 messages in and 50,000 out, four histograms, one "
        "connection that opens and one that ends, two Events; single ticks are kept for the day.",
    )
    began = time.process_time()
    write(path, _frames(ticks))
    took = time.process_time() - began
    size = path.stat().st_size / 1e6
    db = sqlite3.connect(path)
    try:
        tables = db.execute(
            "SELECT name, sum(pgsize) / 1e6 FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 5"
        ).fetchall()
    except sqlite3.OperationalError:  # this SQLite was compiled without dbstat
        tables = []
    finally:
        db.close()
    rows = [
        ["the file, MB", f"{size:.1f}"],
        ["to make it, CPU ms a tick", f"{took / ticks * 1e3:.2f}"],
    ]
    table(["", ""], [*rows, *([f"of it `{name}`, MB", f"{mb:.1f}"] for name, mb in tables)])
    return size * DAY / ticks


def _took(what: Callable[[], object], times: int = ANSWERS) -> tuple[float, float]:
    """Run a function several times; return median wall-clock and CPU milliseconds."""
    wall, cpu = [], []
    for _ in range(times):
        began, used = time.perf_counter(), _cpu()
        what()
        wall.append(time.perf_counter() - began)
        cpu.append(_cpu() - used)
    return interval(wall)[0] * 1e3, interval(cpu)[0] * 1e3


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def show(path: Path, ticks: int) -> float:
    """Query a day's chart points at several widths of the time range.

    Returns:
        Longest time that a chart took, in milliseconds.
    """
    heading(
        "A day's series",
        f"From the whole range to a minute of it, for charts of 300 to 4,000 points. {ANSWERS} "
        "times each, medians.",
    )
    reader = QueryReader(path)
    rows, charts = [], []
    end = BEGIN + ticks
    for title, seconds in (("all", ticks), ("6 h", 21_600), ("1 h", 3600), ("1 min", 60)):
        for points in (300, 4000):
            since = end - min(seconds, ticks)
            query = SeriesQuery(columns=CHART, since=since, points=points)
            answer: Any = reader.answer(query)
            chart, _ = _took(lambda query=query: reader.answer(query))
            charts.append(chart)
            rows.append([f"{title}, at most {points:,} points", f"{answer.level}"])
            rows[-1] += [f"{len(answer):,}", f"{chart:.1f}"]
    merge = SeriesQuery(columns=CHART, since=end - 3600, merge=True)
    merged, _ = _took(lambda: reader.answer(merge), 3)
    rows.append(["the last hour merged, exact quantiles", "0", "1", f"{merged:.1f}"])
    table(["", "ticks a point", "points", "ms"], rows)
    reader.close()
    return max(charts)


def ask(folder: Path, connections: int) -> float:
    """Query rows of many connections.

    Returns:
        Largest CPU time that a query took, in milliseconds.
    """
    heading(
        "A query over 10,000 connections",
        f"{connections:,} open connections; the 100 first rows or groups of those that are "
        f"meant. {ANSWERS} times each, medians of CPU.",
    )
    rng, clock = random.Random(7), FakeClock(time=BEGIN)
    monitor = Monitor(interval=3600, clock=clock)
    for number in range(connections):
        meter = monitor.collector.meter()
        meter.name, meter.path = f"user-{number}", rng.choice(("/chat", "/echo", "/feed"))
        meter.remote = f"10.0.{number // 250}.{number % 250}:{40_000 + number % 20_000}"
        monitor.connection_opened(meter)
        meter.received(rng.randrange(10_000))
        monitor.collector.rtt(meter, rng.lognormvariate(-6.0, 0.8))
    monitor.tick()
    feed = LocalFeed(monitor)
    infos = monitor.collector.connections()
    sample = Sample(node="n", epoch="e", seq=1, time=BEGIN, elapsed=1.0)
    write(folder / "rows.rtmon", [TickData(sample=sample, changed=infos)])
    reader = QueryReader(folder / "rows.rtmon")
    queries: dict[str, Query] = {
        "the newest": RowsQuery(sort="opened"),
        "`path:/chat rtt>5ms`, by bytes": RowsQuery(where="path:/chat rtt>5ms", sort="bytes_in"),
        "`user-99`, a word": RowsQuery(where="user-99", sort="name"),
        "groups by path": GroupQuery(by="path"),
        "groups by address": GroupQuery(by="address"),
    }
    rows, longest = [], 0.0
    for title, query in queries.items():
        _, live = _took(lambda query=query: feed.answer_now(query))
        _, recorded = _took(lambda query=query: reader.answer(query))
        longest = max(longest, live, recorded)
        rows.append([title, f"{live:.1f}", f"{recorded:.1f}"])
    table(["", "live, ms", "recorded, ms"], rows)
    reader.close()
    monitor.close()
    return longest


def export(path: Path, folder: Path) -> float:
    """Export the recording of a day in several formats.

    Returns:
        Seconds to export points of ten seconds, all events and all connections as Parquet.
    """
    heading("A day exported", "All tables, once each; wall-clock time.")
    rows, aimed = [], 0.0
    for form, every in (("rtmon", None), ("parquet", 10), ("csv", 10), ("json", 10)):
        began = time.perf_counter()
        target = folder / "copy.rtmon" if form == "rtmon" else folder / form
        options: dict[str, Any] = {"format": form, "every": every}
        asyncio.run(rtmon.export(path, target, **options))
        took = time.perf_counter() - began
        aimed = took if form == "parquet" else aimed
        written = (
            target.stat().st_size
            if target.is_file()
            else sum(each.stat().st_size for each in target.iterdir())
        )
        title = "a copy of the recording" if every is None else f"{form}, samples of 10 s"
        rows.append([title, f"{took:.2f}", f"{written / 1e6:.1f}"])
    table(["", "s", "MB"], rows)
    return aimed


def main() -> None:
    """Run all measurements, and print them as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run, to see that all works")
    quick = parser.parse_args().quick
    began = time.monotonic()
    print(machine())
    ticks = 1200 if quick else DAY
    aims: list[tuple[str, float, float, str]] = []
    rounds, seconds = (1, 2.0) if quick else (5, 6.0)
    aims.append(
        (
            "the writer's share of the server's CPU",
            0.01,
            share(100 if quick else CONNECTIONS, rounds, seconds),
            ".2%",
        )
    )
    with tempfile.TemporaryDirectory(prefix="rtmon-bench-") as name:
        folder = Path(name)
        path = folder / "day.rtmon"
        aims.append(("a busy day at 1 s, MB", 150, day(path, ticks), ".0f"))
        aims.append(("a day's series at any width, ms", 100, show(path, ticks), ".0f"))
        aims.append(("a query over 10,000 connections, ms of CPU", 50, ask(folder, ROWS), ".0f"))
        aims.append(("a day exported, s", 2, export(path, folder), ".1f"))
    heading("Targets", "Of this run.")
    table(
        ["", "target", "measured", ""],
        [
            [what, f"≤ {aim:{form}}", f"{measured:{form}}", verdict(measured <= aim)]
            for what, aim, measured, form in aims
        ],
    )
    print(f"\nAll this took {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
