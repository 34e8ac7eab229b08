"""Build the content of an HTML report: tiles, charts and tables of a time range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from ..feeds import ConnectionQuery, Feed
from ..metrics.history import merge
from ..metrics.records import ConnectionInfo, Event, Sample
from ..metrics.redaction import KEEP_ALL, Redaction
from ..protocol.close import CODES
from ..views.merged_samples import MergedSamples
from ..views.number_format import delay, short
from ..views.server_charts import CHARTS
from ..views.svg_charts import Drawing
from .html_page import Paragraph, Part, Table, Tiles

__all__ = ["measured"]

_POINTS = 300
"""Maximum number of points of a chart; for longer time ranges, a point merges several Samples."""

_CONNECTIONS = (
    *("name", "remote", "transport", "messages in", "messages out", "bytes in", "bytes out"),
    *("RTT, ms", "ended by"),
)

_ROWS = 100
"""Maximum number of rows in each table of a report."""


def measured(
    feed: Feed, *, since: int, events_since: int, redaction: Redaction = KEEP_ALL
) -> list[Part]:
    """Return tiles, charts and tables of a feed's measurements after a given Sample and Event.

    Args:
        feed: the feed to report on.
        since: number of the last Sample before the time range; 0 for all Samples.
        events_since: number of the last Event before the time range; 0 for all Events.
        redaction: which texts are redacted.
    """
    samples = feed.samples(since)
    if not samples:
        return [Paragraph("Nothing was measured: the server did not tick meanwhile.")]
    parts: list[Part] = []
    if samples[0].seq > since + 1:
        parts.append(Paragraph(f"{samples[0].seq - since - 1:,} Samples are no longer kept."))
    whole = merge(samples)
    begin = samples[0].time - samples[0].elapsed
    connections = feed.connections(ConnectionQuery(state=None, sort="bytes_out")).rows
    return [
        *parts,
        _tiles(whole),
        *_drawings(samples, begin),
        *_tables(
            whole.close_codes,
            begin,
            [redaction.connection(row) for row in connections],
            [redaction.event(event) for event in feed.events(events_since)],
        ),
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
            ("RTT p50", delay(whole.rtt_p50)),
            ("RTT p99", delay(whole.rtt_p99)),
            ("errors", total("errors")),
            ("dropped", total("dropped")),
        ]
    )


def _drawings(samples: Sequence[Sample], begin: float) -> list[Drawing]:
    size = -(-len(samples) // _POINTS)
    groups = [samples[n : n + size] for n in range(0, len(samples), size)]
    points = [(group[-1].time - begin, MergedSamples(group)) for group in groups]
    return [Drawing.of(chart, points) for chart in CHARTS]


def _tables(
    codes: Mapping[int, int],
    begin: float,
    connections: Sequence[ConnectionInfo],
    events: Sequence[Event],
) -> list[Part]:
    rows = [row for row in connections if row.closed is None or row.closed >= begin - 1e-3]
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
