"""Tables of a recording that have only a current state: addresses and Socket.IO."""

from __future__ import annotations

from pathlib import Path

import rtmon
from rtmon.feeds.queries import RowsQuery
from rtmon.recording.query_reader import QueryReader


def test_recording_has_the_addresses_of_the_last_tick_when_it_is_detached(tmp_path: Path) -> None:
    """Recording that was detached from its Monitor after a tick has the addresses table as of this
    last tick.
    """
    monitor = rtmon.Monitor(interval=3600)
    recording = rtmon.Recording(tmp_path / "run.rtmon")
    monitor.attach(recording)
    meter = monitor.collector.meter()
    meter.remote = "192.0.2.7:5000"
    monitor.connection_opened(meter)
    monitor.tick()
    monitor.detach(recording)
    monitor.close()
    reader = QueryReader(tmp_path / "run.rtmon")
    answer = reader.answer(RowsQuery(table="addresses"))
    assert [row.record.address for row in answer.rows] == ["192.0.2.7"]
    reader.close()
