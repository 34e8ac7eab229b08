"""Sinks whose disk is full for a while, on a file system of 64 KiB, and sinks that fail."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rtmon import Monitor, read_csv
from rtmon.metrics.collector import Tick
from rtmon.metrics.records import ConnectionInfo
from rtmon.monitor import sink_thread
from rtmon.sinks import prometheus
from rtmon.testing import until
from tests.full_disk import ROUNDS, on_full_disk


@pytest.mark.parametrize("max_bytes", [0, 4_000], ids=["one file", "rolling"])
def test_csv_sink_writes_every_line_once_when_the_disk_is_full_three_times(
    tmp_path: Path, max_bytes: int
) -> None:
    """CSV sink on a disk that is full three times reports three faults and recoveries, and writes
    every line once and in order.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    told = on_full_disk("csv", folder, "64k", max_bytes)
    kinds = [kind for kind in told["kinds"] if kind.startswith("sink")]
    assert kinds == ["sink failing", "sink recovered"] * ROUNDS
    assert told["failing"] == [1, 1, 1, 0]
    assert (told["dropped"], told["failed"]) == (0, "None")
    run = tmp_path / "run"
    run.mkdir()
    for name, content in told["files"].items():
        (run / name).write_bytes(content.replace("\n", "\r\n").encode())
    samples = [seq for part in sorted(run.glob("samples*.csv")) for seq in read_csv(part)["seq"]]
    assert samples == list(range(1, told["ticks"] + 1))
    events = [seq for part in sorted(run.glob("events*.csv")) for seq in read_csv(part)["seq"]]
    assert events == sorted(set(events))
    assert len(events) >= 60
    assert len(told["files"]) > 3 or not max_bytes


class Failing:
    """A sink that raises a given exception, or stores the ticks that it receives."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.attempts = 0
        self.ticks: list[Tick] = []
        self.closed = threading.Event()

    def open(self, node: str, epoch: str) -> None:
        """Do nothing when the Monitor opens this sink."""

    def write(self, tick: Tick) -> None:
        """Store a tick, or raise the given exception."""
        self.attempts += 1
        if self.error is not None:
            raise self.error
        self.ticks.append(tick)

    def close(self, _connections: Sequence[ConnectionInfo]) -> None:
        """Record that the sink was closed."""
        self.closed.set()


def _kinds(monitor: Monitor) -> list[str]:
    return [event.kind for event in monitor.collector.history.events()]


def _gauge(monitor: Monitor) -> float:
    (value,) = [
        sample.value
        for family in prometheus.registry(monitor).collect()
        for sample in family.samples
        if sample.name == "rtmon_failing_sinks"
    ]
    return value


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError(errno.EMFILE, "Too many open files"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        TimeoutError("timed out"),
    ],
    ids=lambda error: type(error).__name__ + str(error.errno),
)
async def test_sink_is_retried_when_its_failure_may_be_temporary(error: Exception) -> None:
    """Monitor retries a sink whose failure may be temporary, such as a full disk, counts the sink
    in a gauge while it fails, and finally gives the sink every tick.
    """
    monitor, sink = Monitor(interval=3600), Failing(error)
    attached = monitor.attach(sink)
    monitor.tick()
    await until(lambda: attached.problem is not None)
    monitor.tick()
    assert _gauge(monitor) == monitor.failing_sinks == 1
    await until(lambda: sink.attempts >= 2)
    sink.error = None
    await until(lambda: len(sink.ticks) == 2)
    monitor.tick()
    monitor.tick()
    assert _gauge(monitor) == 0
    assert [kind for kind in _kinds(monitor) if "sink" in kind] == [
        "sink failing",
        "sink recovered",
    ]
    monitor.close()
    assert [tick.sample.seq for tick in sink.ticks] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EROFS, "Read-only file system"),
        OSError(errno.EACCES, "Permission denied"),
        OSError(errno.ENOENT, "No such file or directory"),
        ValueError("a mistake"),
    ],
    ids=lambda error: type(error).__name__ + str(getattr(error, "errno", "")),
)
async def test_sink_is_detached_when_its_failure_is_permanent(error: Exception) -> None:
    """Monitor's sink with a permanent failure, such as a denied permission, is detached after
    one attempt and one event.
    """
    monitor, sink = Monitor(interval=3600), Failing(error)
    attached = monitor.attach(sink)
    monitor.tick()
    await until(lambda: attached.failed is not None)
    monitor.tick()
    monitor.tick()
    assert (sink.attempts, attached.failed, _gauge(monitor)) == (1, error, 0)
    assert [kind for kind in _kinds(monitor) if "sink" in kind] == ["sink detached"]
    monitor.close()


async def test_monitor_closes_within_seconds_when_a_sink_keeps_failing(monkeypatch: Any) -> None:
    """Monitor closes within ten seconds when a sink keeps failing, and drops the ticks that the
    sink could not write.
    """
    monkeypatch.setattr(sink_thread, "FINISH_SECONDS", 60.0)
    monitor, sink = Monitor(interval=3600), Failing(OSError(errno.ENOSPC, "No space left"))
    attached = monitor.attach(sink)
    for _ in range(200):
        monitor.tick()
    await until(lambda: attached.problem is not None)
    assert attached.dropped > 100
    closing = threading.Thread(target=monitor.close)
    closing.start()
    await asyncio.to_thread(closing.join, 10)
    assert not closing.is_alive()
    assert attached.failed is sink.error


def test_retry_delay_of_a_failing_sink_grows_to_30_seconds() -> None:
    """Retry delay of a failing sink doubles from 0.5 seconds up to 30 seconds."""
    waits = [sink_thread.BACKOFF.bound(failures) for failures in (1, 2, 3, 10, 1_000)]
    assert waits == [0.5, 1.0, 2.0, 30.0, 30.0]
