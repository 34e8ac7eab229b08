"""A server, its remote feed and its recordings give equal values for the same seconds."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from rtmon.feeds import Feed, series_queries
from rtmon.feeds.memory_queries import RESTARTED
from rtmon.feeds.queries import (
    LEVELS,
    SERIES_COLUMNS,
    Row,
    RowsAnswer,
    SeriesAnswer,
    SeriesQuery,
    Source,
)
from rtmon.feeds.remote_feed import RemoteFeed
from rtmon.lab.load import Load, LoadOptions
from rtmon.recording import RecordingFeed
from rtmon.recording.query_reader import QueryReader
from rtmon.recording.remote_recorder import Recorder
from rtmon.testing import until
from tests.recording.questions import ASKED, QUESTIONS

ROOT = Path(__file__).parents[2]

TICKS = 125
"""Least number of ticks in each server run: two complete points of the coarsest resolution."""


@dataclass
class Served:
    """A server in its own process, running :mod:`tests.recording.served`."""

    process: subprocess.Popen[str]

    def ask(self, what: object) -> None:
        """Write a command line to the server, and wait for its confirmation."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        self.done()

    def done(self) -> None:
        """Wait for the empty line with which the server confirms a command."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), "the server ended by itself"

    def answers(self, path: Path) -> Mapping[str, Any]:
        """Return the query answers of the server's local feed."""
        self.ask(path)
        # Written by this test's own process.
        answers: Mapping[str, Any] = pickle.loads(path.read_bytes())  # noqa: S301
        return answers


@contextlib.contextmanager
def _served(path: Path, port: int, admin: int) -> Iterator[Served]:
    """Run a server until the block ends, then kill it with SIGKILL."""
    command = [sys.executable, "-m", "tests.recording.served", str(path), str(port), str(admin)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    with process:
        try:
            served = Served(process)
            served.done()
            yield served
        finally:
            process.kill()


@contextlib.asynccontextmanager
async def _recorder(url: str, path: Path) -> AsyncIterator[RemoteFeed]:
    """Record a server from this process; yield the remote feed that the recorder reads."""
    feed = RemoteFeed(url)
    await feed.start()
    recorder = Recorder(feed, path)
    running = asyncio.create_task(recorder.run())
    try:
        yield feed
    finally:
        running.cancel()
        await asyncio.wait([running])
        recorder.close()
        await feed.aclose()


async def _ask(feed: Feed) -> dict[str, Any]:
    return {name: await feed.query(query) for name, query in QUESTIONS.items()}


async def _live(
    served: Served, feed: Feed, port: int, folder: Path, *, after: str = ""
) -> Mapping[str, Any]:
    """Put load on a server, and return its query answers once it is idle and the feed has its last
    tick.

    Args:
        served: The server.
        feed: A feed that reads the server.
        port: The server's port.
        folder: Folder for the server's answers.
        after: Epoch of the server run before, empty if there was none.
    """

    def heard(seq: int, *, users: bool) -> bool:
        latest = feed.latest()
        return (
            latest is not None
            and latest.epoch != after
            and latest.seq >= seq
            and bool(latest.open) == users
        )

    options = LoadOptions(users=4, rate=40.0, churn=0.0, ramp=0.0)
    async with Load(f"ws://127.0.0.1:{port}", options) as load:
        await until(lambda: heard(TICKS, users=True))
        assert await load.quiet()
    await until(lambda: heard(TICKS, users=False))
    answers = await asyncio.to_thread(served.answers, folder / f"answers{after}")
    seq = answers["connections"].source.seq
    await until(lambda: heard(seq, users=False))
    return answers


def _points(answer: SeriesAnswer, epoch: str, last: int) -> list[tuple[Any, ...]]:
    """Return the complete points of a server run up to a tick, with every column."""
    columns = [answer.columns[name] for name in SERIES_COLUMNS]
    table = zip(
        answer.epochs,
        answer.seqs,
        answer.ticks,
        answer.times,
        answer.elapsed,
        *columns,
        strict=True,
    )
    return [p for p in table if p[0] == epoch and p[1] <= last and p[2] == answer.level]


def _rows(answer: RowsAnswer, epoch: str) -> list[Row]:
    """Return the rows of a server run, without connections that only the restart closed."""
    return [
        row
        for row in answer.rows
        if row.epoch == epoch and getattr(row.record, "cause", "") != RESTARTED
    ]


def _last(path: Path) -> Source:
    """Return the last tick in a recording."""
    reader = QueryReader(path)
    try:
        return reader.source()
    finally:
        reader.close()


async def _merged(feed: Feed, *lives: Mapping[str, Any]) -> list[Any]:
    """Return a range of each server run, and one across the restart, each merged into one point."""
    spans = [(live["series of 1"].times[20], live["series of 1"].times[100]) for live in lives]
    found = []
    for since, until_ in (*spans, (spans[0][0], spans[1][1])):
        answer = await feed.query(SeriesQuery(since=since, until=until_, merge=True))
        found.append((answer.times, answer.elapsed, answer.ticks, answer.columns))
    return found


async def test_server_feed_and_recordings_have_equal_values_across_a_restart(
    tmp_path: Path, reserve_port: Callable[[], int]
) -> None:
    """Server, remote feed, and the recordings written by the server and by the feed have equal
    chart points, rows, groups and events before and after a server restart.
    """
    port, admin = reserve_port(), reserve_port()
    inside, outside = tmp_path / "inside.rtmon", tmp_path / "outside.rtmon"
    url = f"ws://127.0.0.1:{port}"
    async with _recorder(f"ws://127.0.0.1:{admin}", outside) as remote:
        with _served(inside, port, admin) as served:
            first = await _live(served, remote, port, tmp_path)
            async with connect(f"{url}/?name=left"):
                await until(lambda: (s := remote.latest()) is not None and s.open == 1)
                await asyncio.to_thread(
                    served.ask, "close"
                )  # Close the Monitor, so that all readers have the same last tick.
                last = _last(inside)
                await until(lambda: (s := remote.latest()) is not None and s.seq == last.seq)
                await until(lambda: _last(outside) == last)
                served.process.kill()
        with _served(inside, port, admin) as served:
            second = await _live(served, remote, port, tmp_path, after=last.epoch)
            await asyncio.to_thread(served.ask, "close")
            last = _last(inside)
            await until(lambda: (s := remote.latest()) is not None and s.seq == last.seq)
            await until(lambda: _last(outside) == last)
        answers, merged = {"remote": await _ask(remote)}, {}
        merged["remote"] = await _merged(remote, first, second)
    for path in (inside, outside):
        feed = RecordingFeed(path)
        for live in (first, second):
            source = live["latencies"].source
            await feed.seek(source.time)
            found = await feed.query(ASKED["latencies"])
            assert (found.source, found.rows) == (source, live["latencies"].rows), path.stem
            assert len(found.rows) >= 4, path.stem
        await feed.seek(None)
        ((_, _, address),) = (await feed.query(ASKED["addresses"])).rows
        ((_, _, wanted),) = second["addresses"].rows
        assert (address.address, address.opened) == (wanted.address, wanted.opened)
        answers[path.stem] = await _ask(feed)
        merged[path.stem] = await _merged(feed, first, second)
        await feed.aclose()

    for live in (first, second):
        source = live["connections"].source
        for name, found in answers.items():
            for level in LEVELS:
                key = f"series of {level}"
                wanted = _points(live[key], source.epoch, source.seq)
                assert len(wanted) >= TICKS // level, (name, key)
                assert _points(found[key], source.epoch, source.seq) == wanted, (name, key)
            for table in ("connections", "events"):
                rows = _rows(live[table], source.epoch)
                assert len(rows) >= 4, (name, table)
                assert _rows(found[table], source.epoch)[: len(rows)] == rows, (name, table)
    for name in ("inside", "outside"):
        assert merged[name] == merged["remote"], name
        for key, wanted in answers["remote"].items():
            if isinstance(wanted, SeriesAnswer):
                # A finished recording also has points that were incomplete at the end.
                points = _points(wanted, last.epoch, last.seq)
                assert _points(answers[name][key], last.epoch, last.seq) == points, (name, key)
            else:
                assert answers[name][key] == wanted, (name, key)
    assert answers["inside"]["channels"].rows == second["channels"].rows
    assert [gap.reason for gap in answers["inside"]["series of 1"].gaps] == [
        series_queries.RESTARTED
    ]
    ends = [row.record for row in answers["inside"]["connections"].rows]
    assert [end.name for end in ends if end.cause == RESTARTED] == ["left"]
