"""What a feed knows of a span of time, as parts of a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from ..feeds import ConnectionQuery, Feed
from ..metrics.histogram import Histogram
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
    return [
        *parts,
        _tiles(samples),
        *_charts(samples),
        *_tables(feed, samples, feed.events(events_since)),
    ]


def _tiles(samples: Sequence[Sample]) -> Tiles:
    def total(counter: str) -> str:
        values = [getattr(sample, counter) for sample in samples]
        known = [value for value in values if value is not None]
        return f"{sum(known):,}" if known else "–"

    rtt = Histogram.merged(sample.rtt for sample in samples)
    return Tiles(
        [
            ("open at the end", f"{samples[-1].open:,}"),
            ("most at once", f"{max(sample.peak for sample in samples):,}"),
            ("opened", total("opened")),
            ("closed", total("closed")),
            ("messages in", total("messages_in")),
            ("messages out", total("messages_out")),
            ("bytes in", total("bytes_in")),
            ("bytes out", total("bytes_out")),
            ("RTT p50", milliseconds(rtt.quantile(0.5))),
            ("RTT p99", milliseconds(rtt.quantile(0.99))),
            ("errors", total("errors")),
            ("dropped", total("dropped")),
        ]
    )


def _charts(samples: Sequence[Sample]) -> list[Chart]:
    size = -(-len(samples) // _POINTS)
    groups = [samples[n : n + size] for n in range(0, len(samples), size)]
    start = samples[0].time - samples[0].elapsed

    def line(label: str, color: str, value: Callable[[Sequence[Sample]], float | None]) -> Line:
        return Line(label, color, [(group[-1].time - start, value(group)) for group in groups])

    def rate(counter: str) -> Callable[[Sequence[Sample]], float | None]:
        def value(group: Sequence[Sample]) -> float | None:
            known = [
                (count, s.elapsed) for s in group if (count := getattr(s, counter)) is not None
            ]
            seconds = sum(elapsed for _, elapsed in known)
            return sum(count for count, _ in known) / seconds if seconds > 0 else None

        return value

    def quantile(name: str, q: float) -> Callable[[Sequence[Sample]], float | None]:
        def value(group: Sequence[Sample]) -> float | None:
            seconds = Histogram.merged(getattr(sample, name) for sample in group).quantile(q)
            return None if seconds is None else seconds * 1e3

        return value

    def cpu(group: Sequence[Sample]) -> float | None:
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
        Chart(
            "Open connections",
            "",
            [line("open", VIOLET, lambda group: max(sample.peak for sample in group))],
        ),
        both("Messages", "a second", "messages"),
        both("Payload", "bytes a second", "bytes"),
        Chart(
            "Round-trip time",
            "ms",
            [
                line("p50", GREEN, quantile("rtt", 0.5)),
                line("p95", YELLOW, quantile("rtt", 0.95)),
                line("p99", RED, quantile("rtt", 0.99)),
            ],
        ),
        Chart("Event-loop lag, p99", "ms", [line("lag", VIOLET, quantile("lag", 0.99))]),
        Chart("CPU of the server", "% of a core", [line("CPU", VIOLET, cpu)]),
        Chart("Errors", "a second", [line("errors", RED, rate("errors"))]),
    ]


def _tables(feed: Feed, samples: Sequence[Sample], events: Sequence[Event]) -> list[Part]:
    codes: dict[int, int] = {}
    for sample in samples:
        for code, count in sample.close_codes.items():
            codes[code] = codes.get(code, 0) + count
    begin = samples[0].time - samples[0].elapsed
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
