"""Rows of the Socket.IO table in feeds and exports."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import socketio

from rtmon import Monitor, export, open_feed, read_csv, serve_admin
from rtmon.feeds.remote_feed import RemoteFeed
from rtmon.metrics.records import SocketIOInfo
from rtmon.probes.socketio import instrument
from rtmon.probes.socketio.stats import Statistics
from rtmon.probes.socketio.table_rows import ROWS, rows
from rtmon.testing import until

HOSTILE = "=<img src=x onerror=alert(1)>,\r\n\u2028"


async def _busy(monitor: Monitor) -> Any:
    """Return a Socket.IO server that has emitted events without any client."""
    sio: Any = socketio.AsyncServer(async_mode="asgi")
    instrument(sio, monitor)
    await sio.emit(HOSTILE, {"text": "hello"})
    await sio.emit("news", {"text": "hello"}, namespace="/n")
    await sio.emit("news", {"text": "hello"}, namespace="/n")
    return sio


@pytest.mark.parametrize("remote", [False, True])
async def test_local_and_remote_feeds_have_socketio_rows(
    remote: bool,  # noqa: FBT001 - a test parameter
) -> None:
    """Local and remote feeds have the Socket.IO rows, update them at each tick, and have no
    such rows after the Socket.IO server object is deleted.
    """
    monitor = Monitor(interval=1000)
    async with serve_admin(monitor, port=0) as admin:
        sio = await _busy(monitor)
        feed = open_feed(admin.url if remote else monitor)
        await feed.start()
        monitor.tick()
        if isinstance(feed, RemoteFeed):
            await feed.complete()
        said = {(row.kind, row.namespace, row.name): row.emitted for row in feed.socketio()}
        assert said == {("event", "/n", "news"): 2, ("event", "/", HOSTILE): 1}
        await sio.emit("news", {}, namespace="/n")
        monitor.tick()
        await until(lambda: feed.socketio() == monitor.collector.socketio())
        assert feed.socketio()[0].emitted == 3
        await feed.aclose()
    del sio
    gc.collect()
    assert monitor.collector.socketio() == []
    monitor.close()


async def test_export_writes_socketio_csv_only_when_there_is_a_socketio_server(
    tmp_path: Path,
) -> None:
    """Export writes ``socketio.csv`` with the rows of the Monitor's DataFrame, hostile names
    included, only when there is a Socket.IO server.
    """
    monitor = Monitor(interval=1000)
    monitor.tick()
    assert "socketio.csv" not in {path.name for path in await export(monitor, tmp_path)}
    sio = await _busy(monitor)
    async with serve_admin(monitor, port=0) as admin:
        paths = await export(admin.url, tmp_path)
    assert paths[-1].name == "socketio.csv"
    content = read_csv(paths[-1])
    pd.testing.assert_frame_equal(content, monitor.socketio())
    assert HOSTILE in set(content["name"])
    del sio
    monitor.close()


def test_socketio_table_limits_its_rows_of_each_kind() -> None:
    """Socket.IO table has a limited number of rows of each kind, and null in columns that do not
    apply.
    """
    statistics = Statistics()
    for number in range(3 * ROWS):
        statistics.connected(f"/{number}", refused=False)
        statistics.received("/", f"event {number}", named=True)
        statistics.disconnected("/", f"reason {number}")
    statistics.ack.record(0.25)
    members = [("/", f"room {number}", number) for number in range(3 * ROWS)]
    made = rows(statistics.stats(members, {"/1": 7}, upgrades=0))
    kinds = [row.kind for row in made]
    for kind in ("namespace", "event", "room", "reason"):
        assert kinds.count(kind) == ROWS
    assert made[kinds.index("room")] == SocketIOInfo(
        kind="room", namespace="/", name=f"room {3 * ROWS - 1}", clients=3 * ROWS - 1
    )
    (first,) = [row for row in made if row.kind == "namespace" and row.namespace == "/1"]
    assert (first.clients, first.connected, first.refused, first.left) == (7, 1, 0, 0)
    assert (first.received, first.emitted, first.p50) == (None, None, None)
    (acknowledged,) = [row for row in made if row.kind == "acknowledgement"]
    assert acknowledged.timed == 1
    assert acknowledged.p50 == pytest.approx(0.25, rel=0.04)
    assert "handler" not in kinds
