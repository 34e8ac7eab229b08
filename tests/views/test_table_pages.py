"""Tables of pages: connections, channels, Socket.IO, events, close codes."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.display import close_code_bars
from rtmon.feeds.feed import ConnectionQuery
from rtmon.feeds.paused_feed import PausedFeed
from rtmon.metrics.records import ChannelInfo, ConnectionInfo, Event, SocketIOInfo
from rtmon.views import socketio_table, status_cells, table_pages
from tests.synthetic import SyntheticFeed

HOSTILE = "<img src=x onerror=alert(1)>"


def texts(page: dict[str, Any]) -> list[list[str]]:
    """The rows of a page as texts without their styles."""
    return [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in page["rows"]]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"sort": "__class__", "state": "x", "contains": 5, "offset": -3},
        {"sort": ["name"], "state": None, "contains": None, "offset": "0"},
    ],
)
def test_invalid_query_becomes_a_valid_one(asked: dict[str, object]) -> None:
    """Any query of a browser becomes a valid one."""
    query = table_pages.connection_query(asked)
    assert query.sort == "opened"
    assert (query.contains, query.offset, query.limit) == ("", 0, table_pages.PAGE_SIZE)
    feed = SyntheticFeed(ago=2)
    assert len(table_pages.connections_page(feed, query)["rows"]) == table_pages.PAGE_SIZE


def test_rows_are_exact() -> None:
    """The table shows exact integers with thousands separators, and unknown values as unknown."""
    feed = SyntheticFeed(ago=1, users=0)
    feed.add(
        ConnectionInfo(
            id="c1",
            name=HOSTILE,
            messages_in=1_234_567,
            bytes_out=9_007_199_254_740_993,
            bytes_in=None,
            send_queue=70_000,
            queue_age=1.25,
            opened=feed.now() - 62,
        )
    )
    (row,) = texts(table_pages.connections_page(feed, ConnectionQuery()))
    assert row[0] == HOSTILE
    cells = dict(zip((title for _, title, _ in status_cells.CONNECTION_COLUMNS), row, strict=True))
    assert cells["Msgs in"] == "1,234,567"
    assert cells["Bytes out"] == "9,007,199,254,740,993"
    assert cells["Bytes in"] == "–"
    assert cells["Via"] == "websocket"
    assert cells["Waiting"] == "70.0 kB · 1.25 s"
    assert cells["Opened"] == f"{feed.now() - 62:.3f}", "the browser writes it in its zone"


@pytest.mark.parametrize(
    ("ended", "shown"),
    [
        ({"close_code": 1001}, "1001 going away"),
        ({"close_code": None, "cause": "ping timeout"}, "ping timeout"),
        ({"close_code": None, "cause": None}, "closed"),
    ],
)
def test_ends_without_close_codes_are_shown_by_their_cause(
    ended: dict[str, Any], shown: str
) -> None:
    """Connections of transports without close codes show their cause, not an invented code."""
    feed = SyntheticFeed(ago=1, users=0)
    feed.add(ConnectionInfo(id="c1", state="closed", opened=feed.now() - 9, **ended))
    (row,) = texts(table_pages.connections_page(feed, ConnectionQuery(state="closed")))
    assert row[-1] == shown


def test_channels_are_listed_busiest_first() -> None:
    """Each channel has its exact counts and the mean time of its fan-out."""
    quiet = ChannelInfo(channel="room:a", subscribers=2)
    busy = ChannelInfo(
        channel=HOSTILE,
        subscribers=1_000,
        published=4,
        delivered=4_000,
        dropped=3,
        bytes=1,
        fanout=0.03,
    )
    first, second = texts(table_pages.channels_page([quiet, busy]))
    assert first == [HOSTILE, "1,000", "4", "4,000", "3", "7.50 ms"]
    assert second == ["room:a", "2", "0", "0", "0", "–"]


def test_socketio_cells_without_meaning_are_blank() -> None:
    """A cell that has no meaning for its kind of row is neither 0 nor –; other numbers are
    exact, and times readable.
    """
    room = SocketIOInfo(kind="room", namespace="/", name=HOSTILE, clients=1_000)
    event = SocketIOInfo(
        kind="event", namespace="/", name="say", received=12_345, emitted=0, errors=2
    )
    times = SocketIOInfo(kind="acknowledgement", timed=3, p50=0.0123, p95=1.5)
    page = socketio_table.page([room, event, times])
    first, second, third = ([text for text in row if text] for row in texts(page))
    assert first == [HOSTILE, "room", "/", "1,000"]
    assert second == ["say", "event", "/", "12,345", "0", "2"]
    assert third == ["all", "acknowledgement", "3", "12.3 ms", "1.50 s"]
    assert ["2", "warn"] in page["rows"][1]


def test_page_past_the_end_becomes_the_last() -> None:
    """When connections have closed, a page past the end becomes the last one."""
    feed = SyntheticFeed(ago=1, users=25)
    page = table_pages.connections_page(
        feed, ConnectionQuery(offset=500, limit=table_pages.PAGE_SIZE)
    )
    assert page["offset"] == (page["total"] - 1) // 10 * 10
    assert page["rows"]


def test_empty_table_says_why() -> None:
    """The reason is that nothing was received, no connection came yet, or no row matches."""
    everything = ConnectionQuery()
    assert "Waiting" in table_pages.connections_page(SyntheticFeed(ago=0), everything)["empty"]
    empty = table_pages.connections_page(SyntheticFeed(ago=1, users=0), everything)["empty"]
    assert "python -m websockets ws://HOST:PORT" in empty
    query = ConnectionQuery(contains="zzz")
    assert "zzz" in table_pages.connections_page(SyntheticFeed(ago=1), query)["empty"]


def test_events_are_newest_first() -> None:
    """The event log begins with the latest Event, and names its connection."""
    events = [
        Event(seq=1, time=0.0, kind="opened", connection="c1", name=HOSTILE),
        Event(seq=2, time=1.0, kind="closed", connection="c1", code=1001, detail="going"),
    ]
    rows = texts(table_pages.events_page(events))
    assert rows == [
        ["1.000", "closed", "c1", "1001 · going"],
        ["0.000", "opened", HOSTILE, ""],
    ]


def test_close_codes_have_name_count_and_share() -> None:
    """Each close code has its name, its exact count and a bar of its share."""
    html = close_code_bars.html({1000: 1500, 1006: 750, 4321: 1})
    assert "normal" in html
    assert "1,500" in html
    assert "--share:0.500" in html
    assert "2,251 closed" in html
    assert status_cells.judge(4321) == "own"
    assert "No connection has closed yet" in close_code_bars.html({})


def test_rare_codes_are_added_up() -> None:
    """Codes past the sixth share one line, so that no count is lost."""
    html = close_code_bars.html({4000 + index: 10 for index in range(9)})
    assert "3 other codes" in html
    assert "<dd>30</dd>" in html


def test_paused_feed_keeps_every_value() -> None:
    """A paused feed answers as of the moment of the pause, whatever its source does after."""
    feed = SyntheticFeed(ago=5, users=30)
    still = PausedFeed(feed)
    before = (
        still.now(),
        still.latest(),
        still.snapshot(),
        still.samples(2),
        still.events(),
        still.connections().rows,
    )
    feed.restart()
    feed.step()
    assert before == (
        still.now(),
        still.latest(),
        still.snapshot(),
        still.samples(2),
        still.events(),
        still.connections().rows,
    )
    assert [sample.seq for sample in still.samples(2)] == [3, 4, 5]
    assert len(still.connections(ConnectionQuery(limit=3)).rows) == 3
