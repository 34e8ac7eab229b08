"""Tables of pages: connections, channels, Socket.IO, events, close codes."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.display import close_code_bars
from rtmon.feeds.feed import ConnectionQuery
from rtmon.feeds.paused_feed import PausedFeed
from rtmon.metrics.records import ChannelInfo, ConnectionInfo, Event, SocketIOInfo
from rtmon.views import socketio_table, table_pages, table_rows
from tests.synthetic import SyntheticFeed

HOSTILE = "<img src=x onerror=alert(1)>"


def texts(page: dict[str, Any]) -> list[list[str]]:
    """Return the rows of a page as texts without their styles."""
    return [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in page["rows"]]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"sort": "__class__", "state": "x", "contains": 5, "offset": -3},
        {"sort": ["name"], "state": None, "contains": None, "offset": "0"},
    ],
)
def test_invalid_table_query_of_a_browser_is_replaced_by_defaults(asked: dict[str, object]) -> None:
    """Invalid values in a browser's request for the connections table are replaced by the default
    sort column, search text, offset and page size.
    """
    query = table_pages.connection_query(asked)
    assert query.sort == "opened"
    assert (query.contains, query.offset, query.limit) == ("", 0, table_pages.PAGE_SIZE)
    feed = SyntheticFeed(ago=2)
    assert len(table_pages.connections_page(feed, query)["rows"]) == table_pages.PAGE_SIZE


def test_connections_table_shows_exact_numbers() -> None:
    """Connections table shows integers with every digit and thousands separators, and unknown
    values as a dash.
    """
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
    cells = dict(zip((title for _, title, _ in table_rows.CONNECTION_COLUMNS), row, strict=True))
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
def test_closed_connection_without_a_close_code_shows_its_cause(
    ended: dict[str, Any], shown: str
) -> None:
    """Table cell of a closed connection without a close code shows the connection's cause, or
    "closed" when the cause is unknown.
    """
    feed = SyntheticFeed(ago=1, users=0)
    feed.add(ConnectionInfo(id="c1", state="closed", opened=feed.now() - 9, **ended))
    (row,) = texts(table_pages.connections_page(feed, ConnectionQuery(state="closed")))
    assert row[-1] == shown


def test_channels_table_lists_the_busiest_channel_first() -> None:
    """Channels table lists the busiest channel first, with exact counts and the mean
    fan-out time.
    """
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


def test_socketio_table_leaves_cells_blank_that_a_row_does_not_have() -> None:
    """Socket.IO table leaves cells blank that have no meaning for their kind of row, and marks
    errors.
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


def test_table_page_past_the_end_becomes_the_last_page() -> None:
    """Dashboard table page past the end becomes the last page."""
    feed = SyntheticFeed(ago=1, users=25)
    page = table_pages.connections_page(
        feed, ConnectionQuery(offset=500, limit=table_pages.PAGE_SIZE)
    )
    assert page["offset"] == (page["total"] - 1) // 10 * 10
    assert page["rows"]


def test_empty_connections_table_says_why_it_is_empty() -> None:
    """Empty connections table says that the dashboard waits for the server, that nothing has
    connected, or that no row matches the query.
    """
    everything = ConnectionQuery()
    assert "Waiting" in table_pages.connections_page(SyntheticFeed(ago=0), everything)["empty"]
    empty = table_pages.connections_page(SyntheticFeed(ago=1, users=0), everything)["empty"]
    assert "python -m websockets ws://HOST:PORT" in empty
    query = ConnectionQuery(contains="zzz")
    assert "zzz" in table_pages.connections_page(SyntheticFeed(ago=1), query)["empty"]


def test_events_table_lists_the_newest_event_first() -> None:
    """Events table lists the newest event first, with the name or id of its connection."""
    events = [
        Event(seq=1, time=0.0, kind="opened", connection="c1", name=HOSTILE),
        Event(seq=2, time=1.0, kind="closed", connection="c1", code=1001, detail="going"),
    ]
    rows = texts(table_pages.events_page(events))
    assert rows == [
        ["1.000", "closed", "c1", "1001 · going"],
        ["0.000", "opened", HOSTILE, ""],
    ]


def test_close_code_bars_show_name_count_and_share() -> None:
    """Close code bars show each code's name, exact count and share, or that no connection has
    closed yet.
    """
    html = close_code_bars.html({1000: 1500, 1006: 750, 4321: 1})
    assert "normal" in html
    assert "1,500" in html
    assert "--share:0.500" in html
    assert "2,251 closed" in html
    assert table_rows.judge(4321) == "own"
    assert "No connection has closed yet" in close_code_bars.html({})


def test_close_code_bars_add_up_rare_codes_in_one_line() -> None:
    """Close code bars add up all codes after the sixth in one line."""
    html = close_code_bars.html({4000 + index: 10 for index in range(9)})
    assert "3 other codes" in html
    assert "<dd>30</dd>" in html


def test_paused_feed_keeps_its_values_when_its_server_restarts() -> None:
    """Paused Monitor feed keeps the values of the moment of the pause when its source feed's
    server restarts.
    """
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
