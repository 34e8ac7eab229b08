"""What a feed knows of a span of time, as parts of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from ..feeds import ConnectionQuery, Feed
from ..metrics.history import merge
from ..metrics.records import Event, Sample
from ..protocol.close import CODES
from .page import Note, Part, Table, Tiles
from .svg import Chart, Line, short

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "RED", "VIOLET", "YELLOW", "measured", "milliseconds"]

VIOLET, BLUE, ORANGE = "#8b5cf6", "#3b82f6", "#ea6a0c"
GREEN, YELLOW, RED = "#0f9f6e", "#c88200", "#ef4444"
GREY = "#94a3b8"

_POINTS = 300
"""Points of a line; of more Samples, several are one point."""

_CONNECTIONS = (
    *("name", "remote", "transport", "messages in", "messages out", "bytes in", "bytes out"),
    *("RTT, ms", "ended by"),
)

_ROWS = 100
"""Rows of a table at most."""


def milliseconds(seconds: float | None) -> str:
    """A duration as text, in seconds from one second on."""
    if seconds is None:
        return "–"
    return f"{seconds:,.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def measured(feed: Feed, *, since: int, events_since: int) -> list[Part]:
    """Tiles, charts and tables of what a feed measured.

    Args:
        feed: what was measured.
        since: the last Sample before, 0 for none.
        events_since: the last Event before.
    """
    samples = feed.samples(since)
    if not samples:
        return [Note("Nothing was measured: the server did not tick meanwhile.")]
    parts: list[Part] = []
    if samples[0].seq > since + 1:
        parts.append(Note(f"{samples[0].seq - since - 1:,} Samples are no longer kept."))
    whole = merge(samples)
    begin = samples[0].time - samples[0].elapsed
    return [
        *parts,
        _tiles(whole),
        *_charts(samples, begin),
        *_tables(feed, whole.close_codes, begin, feed.events(events_since)),
    ]


def _tiles(whole: Sample) -> Tiles:
    def total(name: str) -> str:
        value = getattr(whole, name)
        return "–" if value is None else f"{value:,}"

    return Tiles(
        [
            ("open at the end", total("open")),
            ("most at once", total("peak")),
            ("opened", total("opened")),
            ("closed", total("closed")),
            ("messages in", total("messages_in")),
            ("messages out", total("messages_out")),
            ("bytes in", total("bytes_in")),
            ("bytes out", total("bytes_out")),
            ("RTT p50", milliseconds(whole.rtt_p50)),
            ("RTT p99", milliseconds(whole.rtt_p99)),
            ("errors", total("errors")),
            ("dropped", total("dropped")),
        ]
    )


def _charts(samples: Sequence[Sample], begin: float) -> list[Chart]:
    size = -(-len(samples) // _POINTS)
    groups = [samples[n : n + size] for n in range(0, len(samples), size)]
    merged = [merge(group) for group in groups]

    def line(label: str, color: str, values: Iterable[float | None]) -> Line:
        times = [sample.time - begin for sample in merged]
        return Line(label, color, list(zip(times, values, strict=True)))

    def rate(counter: str) -> list[float | None]:
        return [sample.rate(counter) for sample in merged]

    def in_ms(quantile: str) -> list[float | None]:
        values = [getattr(sample, quantile) for sample in merged]
        return [None if seconds is None else seconds * 1e3 for seconds in values]

    def busiest(group: Sequence[Sample]) -> float | None:
        known = [sample.cpu for sample in group if sample.cpu is not None]
        return 100 * max(known) if known else None

    def both(title: str, unit: str, kind: str) -> Chart:
        return Chart(
            title,
            unit,
            [
                line("in", BLUE, rate(f"{kind}_in")),
                line("out", ORANGE, rate(f"{kind}_out")),
            ],
        )

    return [
        Chart("Open connections", "", [line("open", VIOLET, [s.peak for s in merged])]),
        both("Messages", "a second", "messages"),
        both("Payload", "bytes a second", "bytes"),
        Chart(
            "Round-trip time",
            "ms",
            [
                line("p50", GREEN, in_ms("rtt_p50")),
                line("p95", YELLOW, in_ms("rtt_p95")),
                line("p99", RED, in_ms("rtt_p99")),
            ],
        ),
        Chart("Event-loop lag, p99", "ms", [line("lag", VIOLET, in_ms("lag_p99"))]),
        Chart("CPU of the server", "% of a core", [line("CPU", VIOLET, map(busiest, groups))]),
        Chart("Errors", "a second", [line("errors", RED, rate("errors"))]),
    ]


def _tables(
    feed: Feed, codes: Mapping[int, int], begin: float, events: Sequence[Event]
) -> list[Part]:
    query = ConnectionQuery(state=None, sort="bytes_out")
    rows = [
        row
        for row in feed.connections(query).rows
        if row.closed is None or row.closed >= begin - 1e-3
    ]
    tables: list[Part] = []
    if codes:
        tables.append(
            Table(
                "Close codes",
                ("code", "name", "connections"),
                [
                    (str(code), CODES[code].name if code in CODES else "", count)
                    for code, count in sorted(codes.items(), key=lambda item: -item[1])
                ],
            )
        )
    if rows:
        tables.append(
            Table(
                _first("Connections, by bytes sent", len(rows)),
                _CONNECTIONS,
                [
                    (
                        row.name or row.id,
                        row.remote,
                        row.transport,
                        row.messages_in,
                        row.messages_out,
                        row.bytes_in,
                        row.bytes_out,
                        None if row.rtt is None else row.rtt * 1e3,
                        _ending(row.close_code, row.cause),
                    )
                    for row in islice(rows, _ROWS)
                ],
            )
        )
    if events:
        tables.append(
            Table(
                _last("Events", len(events)),
                ("second", "what", "who", "code", "detail"),
                [
                    (
                        event.time - begin,
                        event.kind,
                        event.name or event.connection or "",
                        "" if event.code is None else str(event.code),
                        event.detail or "",
                    )
                    for event in events[-_ROWS:]
                ],
            )
        )
    return tables


def _ending(code: int | None, cause: str | None) -> str:
    return " ".join(text for text in ("" if code is None else str(code), cause) if text)


def _first(title: str, count: int) -> str:
    return title if count <= _ROWS else f"{title} (the first {_ROWS} of {short(count)})"


def _last(title: str, count: int) -> str:
    return title if count <= _ROWS else f"{title} (the last {_ROWS} of {short(count)})"
