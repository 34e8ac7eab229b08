"""The timeline of a connection, and the incident report made from it."""

from __future__ import annotations

import re

from rtmon.feeds.queries import DetailAnswer, SeriesAnswer, Source
from rtmon.metrics.records import ConnectionInfo, Event
from rtmon.views.connection_charts import moments_of
from rtmon.views.connection_timeline import connection_timeline, frame_lines
from rtmon.views.connection_verdict import verdict
from rtmon.views.incident_report import code, escape, fenced, incident_report

SOURCE = Source(node="n", epoch="e", seq=3, time=103.0)
INFO = ConnectionInfo(
    id="c1",
    name="ada",
    opened=100.0,
    state="closed",
    closed=103.5,
    cause="handler failed",
    traceback="Traceback\nKeyError: '```'",
    last_frames="-0.250 in text 3 b'a; b'; -0.001 out close 2",
)
SERIES = SeriesAnswer(
    source=SOURCE,
    level=1,
    epochs=["e"] * 3,
    seqs=[1, 2, 3],
    times=[101.0, 102.0, 103.0],
    elapsed=[1.0, 1.0, 0.5],
    ticks=[1] * 3,
    columns={
        "messages_in": [2, 0, 3],
        "messages_out": [4, 0, 5],
        "rtt": [None, 0.02, 0.02],
        "send_queue": [0, 5000, 8000],
        "queue_age": [None, 0.5, 1.5],
        "handler_time": [0.01, 4.0, 0.0],
    },
)
EVENTS = [
    Event(seq=1, time=100.0, kind="opened", connection="c1"),
    Event(seq=2, time=103.4, kind="error", connection="c1", code=1011, detail="raised"),
]
FOUND = DetailAnswer(source=SOURCE, info=INFO, events=EVENTS, series=SERIES, headers=[("A", "b")])


def test_connection_timeline_lists_frames_events_pings_and_waits() -> None:
    """Timeline of a connection lists frames, events, pings, times of waiting in the send queue, and
    the connection's end, newest first.
    """
    told = [
        (entry.time, entry.kind)
        for entry in connection_timeline(INFO, FOUND, now=200.0, end="the end")
    ]
    assert told == [
        (103.5, "end"),
        (103.499, "out"),
        (103.4, "error"),
        (103.25, "in"),
        (103.0, "wait"),
        (102.0, "ping"),
        (100.0, "handshake"),
    ]
    wait = next(e for e in connection_timeline(INFO, FOUND, now=200.0, end="") if e.kind == "wait")
    assert (wait.text, wait.mood) == (
        "8.00 kB wait to be sent, at most, the oldest for 1.50 s",
        "warn",
    )


def test_frame_with_a_semicolon_in_its_payload_is_not_split() -> None:
    """Frame whose payload contains a semicolon stays one frame when the stored list of frames is
    split.
    """
    assert frame_lines(FOUND) == ["-0.250 in text 3 b'a; b'", "-0.001 out close 2"]


def test_connection_charts_divide_by_the_duration_of_each_tick() -> None:
    """Charts of a connection show the number of messages divided by the duration of each tick, and
    show handler times also for a tick without messages.
    """
    drawn = moments_of(SERIES)
    assert drawn["time"] == [101_000, 102_000, 103_000]
    assert drawn["own_in"] == [2, 0, 6]
    assert drawn["own_ping"] == [None, 20, 20]
    assert drawn["own_took"] == [5, 4000, None]


def test_incident_report_escapes_markup_in_texts_of_clients() -> None:
    """Incident report escapes Markdown, HTML, links and mentions in a client's text."""
    hostile = "<img src=x> *a* [b](http://evil) @ada | `c`\n# d"
    prose = escape(hostile)
    assert "<" not in prose
    assert "\n" not in prose
    assert re.findall(r"(?<!\\)[*\[\]`|#]", prose) == []
    assert "@ada" not in prose
    assert "http://" not in prose
    assert code("a`b|c\n") == "`` a`b\\|c ``"
    assert fenced("x\n```\ny").startswith("````text\n")


def test_incident_report_has_cause_timeline_headers_and_traceback() -> None:
    """Incident report of a connection has its name, cause, timeline, headers and traceback in
    Markdown.
    """
    judged = verdict(INFO, now=200.0, hub=False)
    entries = connection_timeline(INFO, FOUND, now=200.0, end=judged.title)
    report = incident_report(INFO, FOUND, judged, entries, now=200.0)
    assert report.startswith("## Connection ada (`c1`)\n")
    assert "handler failed" in report
    assert "| Cause | `handler failed` |" in report
    assert "````text\nTraceback\nKeyError: '```'\n````" in report
    assert "* 1970-01-01 00:01:43.400 UTC **error** raised (1011)" in report
    assert "A: b" in report
