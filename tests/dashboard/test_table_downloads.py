"""Tables of the dashboard saved as CSV and JSON files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rtmon import Monitor, open_feed
from rtmon.dashboard.table_downloads import FileRequest, file_of
from rtmon.errors import QueryError
from rtmon.recording import RecordingFeed
from rtmon.testing import FakeClock

from .viewer import BEGIN, record


async def test_csv_file_of_a_table_has_the_requested_rows_columns_and_order() -> None:
    """CSV file of a dashboard table has all rows of the query in the requested columns and order,
    and no text in the file begins a spreadsheet formula.
    """
    monitor = Monitor(interval=3600, node='../"n\r\n', clock=FakeClock(time=BEGIN))
    for number in range(300):
        meter = monitor.collector.meter()
        meter.name = f"=user{number}"
        monitor.connection_opened(meter)
        for _ in range(number):
            meter.received(1)
    monitor.tick()
    feed = open_feed(monitor)
    asked = FileRequest(
        table="connections",
        where="messages_in<290",
        sort="-messages_in",
        columns=["messages_in", "name", "rtt", "opened"],
    )
    name, content = await file_of(feed, asked)
    assert name == "rtmon-n-connections-20231114T221320Z.csv"
    lines = content.decode().split("\r\n")
    assert lines[:2] == [
        "messages_in,name,rtt,opened",
        "289,'=user289,,2023-11-14T22:13:20.000000+00:00",
    ]
    assert len(lines) == 1 + 290 + 1
    asked.format = "json"
    name, content = await file_of(feed, asked)
    found = json.loads(content)
    assert name.endswith(".json")
    assert found["rows"][0] == {
        "messages_in": 289,
        "name": "=user289",
        "rtt": None,
        "opened": BEGIN,
    }
    assert (found["total"], len(found["rows"]), found["where"]) == (290, 290, "messages_in<290")
    with pytest.raises(QueryError, match="no column 'traceback2'"):
        await file_of(feed, FileRequest(table="connections", columns=["traceback2"]))
    monitor.close()


async def test_csv_file_of_groups_has_their_counts_at_the_shown_moment(tmp_path: Path) -> None:
    """CSV file of a dashboard table that groups connections has each group's open and closed counts
    at the shown moment of a recording.
    """
    await record(tmp_path / "run.rtmon", ticks=30)
    feed = RecordingFeed(tmp_path / "run.rtmon")
    await feed.seek(BEGIN + 15)
    asked = FileRequest(table="connections", by="transport", sort="-open")
    name, content = await file_of(feed, asked)
    assert re.fullmatch(r"rtmon-n-connections-by-transport-20231114T221335Z\.csv", name)
    header, row, _ = content.decode().split("\r\n")
    assert header.startswith("transport,open,closed,messages_in,")
    assert row.split(",")[1:3] == ["2", "0"]
    await feed.aclose()
