"""Output of ``rtmon load``: a table, CSV files, and an HTML page with charts."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..core.atomic_file import writing
from ..feeds import ConnectionQuery
from ..lab.load import LoadOptions, LoadReport, Second
from ..lab.user_schedule import rate_at
from ..metrics.histogram import Histogram
from ..metrics.redaction import KEEP_ALL, Redaction
from ..reporting.html_page import Paragraph, Part, Section, Table, Tiles, page
from ..reporting.report_sections import measured
from ..sinks.csv import write_csv as write_table
from ..views.chart_definition import Chart, Series
from ..views.number_format import UNKNOWN, delay
from ..views.palette import AMBER, BLUE, GREEN, GREY, MAGENTA, ORANGE, RED, VIOLET
from ..views.svg_charts import Drawing
from .server_metrics_reader import WatchedServer

__all__ = ["table", "write_csv", "write_page"]

_QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)

_LATE = 0.05
"""Sending delay of the load generator (p99, in seconds) above which the table mentions it."""

_POINTS = 300
"""Maximum number of points in a chart of the page."""


def table(report: LoadReport, options: LoadOptions, server: WatchedServer | None) -> str:
    """Format the requested and the achieved load as a text table for a terminal."""
    totals = report.totals
    most = max((second.open for second in report.seconds), default=0)
    codes = ", ".join(f"{code}: {count:,}" for code, count in sorted(report.close_codes.items()))
    users = f"{options.users:,} asked for, {most:,} at once; {report.connected:,} connections, "
    users += f"{report.failed:,} failed, {report.lost:,} lost"
    if report.problem:
        users += f"; the last failure: {report.problem}"
    messages = f"{report.asked:,} due, {report.sent:,} sent, {report.answered:,} answered "
    messages += f"({report.answered / max(report.elapsed, 1e-9):,.1f}/s), "
    messages += f"{report.unanswered:,} unanswered, {report.errors:,} errors"
    rows = [
        ("users", users),
        ("messages", messages),
        ("latency", _quantiles(report.latency)),
        ("late", _quantiles(report.late) + _reproach(report)),
        ("sent", f"{totals.messages_out:,} messages, {totals.bytes_out:,} bytes"),
        ("received", f"{totals.messages_in:,} messages, {totals.bytes_in:,} bytes"),
        ("close codes", codes or "none"),
    ]
    for way in ("in", "out") if server is not None else ():
        known = " ".join(f"{_known(server, what, way)} {what}," for what in ("messages", "bytes"))
        rows.append((f"server {way}", known.rstrip(",")))
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{text}" for name, text in rows)


def write_csv(
    folder: Path, report: LoadReport, server: WatchedServer | None, redaction: Redaction = KEEP_ALL
) -> list[Path]:
    """Write ``load.csv``, one row per second, and the server's tables if they are known.

    All durations are in seconds.

    Args:
        folder: the folder to write to.
        report: the counts of the simulated users.
        server: the server's measurements; None if unknown.
        redaction: rules that remove personal data from the server's tables.

    Raises:
        OSError: a file cannot be written.
    """
    path = folder / "load.csv"
    counts = [name for name in Second.__slots__ if name not in {"latency", "late"}]
    quantiles = [f"{name}_p{100 * q:g}" for name in ("latency", "late") for q in _QUANTILES]
    with writing(path) as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([*counts, *quantiles, "latency", "late"])
        for second in report.seconds:
            numbers = [getattr(second, name) for name in counts]
            both = (second.latency, second.late)
            numbers += [histogram.quantile(q) for histogram in both for q in _QUANTILES]
            lines.writerow(
                [*(f"{n:.6f}" if isinstance(n, float) else n for n in numbers), *map(str, both)]
            )
    written = [path]
    if server is not None:
        query = ConnectionQuery(state=None, sort="opened", descending=False)
        events = map(redaction.event, server.feed.events(server.events_since))
        connections = map(redaction.connection, server.feed.connections(query).rows)
        written += [
            write_table(folder / "samples.csv", "samples", server.samples),
            write_table(folder / "events.csv", "events", list(events)),
            write_table(folder / "connections.csv", "connections", list(connections)),
        ]
    return written


def write_page(
    path: Path,
    report: LoadReport,
    options: LoadOptions,
    server: WatchedServer | None,
    *,
    redaction: Redaction = KEEP_ALL,
) -> None:
    """Write the results as an HTML page that loads no other files.

    Args:
        path: the file to write.
        report: the counts of the simulated users.
        options: the options of the load.
        server: the server's measurements; None if unknown.
        redaction: rules that remove personal data from the server's texts.

    Raises:
        OSError: the file cannot be written.
    """
    sections = [Section("Asked and reached", _overview(report, options))]
    if server is not None:
        parts: list[Part] = [_both_ends(report, server)]
        parts += measured(
            server.feed,
            since=server.since,
            events_since=server.events_since,
            redaction=redaction,
        )
        sections.append(Section("The server's own view", parts))
    about = f"{report.url}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {report.elapsed:,.0f} s"
    with writing(path) as file:
        file.write(page(f"{options.users:,} simulated users", about, sections))


def _overview(report: LoadReport, options: LoadOptions) -> list[Part]:
    parts: list[Part] = [
        Tiles(
            [
                ("users asked for", f"{options.users:,}"),
                ("most at once", f"{max((s.open for s in report.seconds), default=0):,}"),
                ("messages due", f"{report.asked:,}"),
                ("sent", f"{report.sent:,}"),
                ("answered", f"{report.answered:,}"),
                ("unanswered", f"{report.unanswered:,}"),
                ("latency p50", delay(report.latency.quantile(0.5))),
                ("latency p99", delay(report.latency.quantile(0.99))),
                ("failed to connect", f"{report.failed:,}"),
                ("connections lost", f"{report.lost:,}"),
                ("errors", f"{report.errors:,}"),
                ("loop", options.loop),
            ]
        )
    ]
    if report.problem:
        parts.append(Paragraph(f"The last attempt to connect that failed: {report.problem}"))
    if reproach := _reproach(report):
        parts.append(Paragraph(reproach.lstrip(" ;").capitalize() + "."))
    parts += _drawings(report, options)
    parts.append(
        Table(
            "Percentiles, ms",
            ("", "count", *(f"p{100 * q:g}" for q in _QUANTILES), "max"),
            [
                (
                    name,
                    histogram.count,
                    *(_scaled(histogram.quantile(q)) for q in (*_QUANTILES, 1.0)),
                )
                for name, histogram in (
                    ("from due to answered", report.latency),
                    ("from due to sent", report.late),
                )
            ],
        )
    )
    if report.close_codes:
        codes = sorted(report.close_codes.items())
        rows = [(str(code), count) for code, count in codes]
        parts.append(Table("Close codes, as the users saw them", ("code", "connections"), rows))
    return parts


Group = Sequence[Second]
"""Consecutive seconds that a chart draws as one point."""


def _drawings(report: LoadReport, options: LoadOptions) -> list[Drawing]:
    size = max(1, math.ceil(len(report.seconds) / _POINTS))
    groups = [report.seconds[n : n + size] for n in range(0, len(report.seconds), size)]
    points = [(group[-1].time, group) for group in groups]
    return [Drawing.of(chart, points) for chart in _charts(options)]


def _charts(options: LoadOptions) -> list[Chart[Group]]:
    def line(
        label: str, color: str, value: Callable[[Group], float | None], width: float = 1.8
    ) -> Series[Group]:
        return Series(key=label, label=label, color=color, value=value, width=width)

    def chart(key: str, title: str, unit: str, *series: Series[Group]) -> Chart[Group]:
        return Chart(key=key, title=title, unit=unit, series=series)

    def rate(name: str) -> Callable[[Group], float | None]:
        return lambda group: sum(getattr(s, name) for s in group) / sum(s.elapsed for s in group)

    def quantile(name: str, q: float) -> Callable[[Group], float | None]:
        return lambda group: _scaled(
            Histogram.merged(getattr(second, name) for second in group).quantile(q)
        )

    def planned(group: Group) -> float | None:
        return _planned(options, (group[0].time - group[0].elapsed + group[-1].time) / 2)

    return [
        chart(
            "messages",
            "Messages",
            "/s",
            *([line("planned", VIOLET, planned)] if options.loop == "open" else []),
            line("due", GREY, rate("asked"), width=6),
            line("sent", BLUE, rate("sent"), width=3.5),
            line("answered", ORANGE, rate("answered")),
        ),
        chart(
            "latency",
            "Latency, from when a message was due",
            "ms",
            line("p50", GREEN, quantile("latency", 0.5)),
            line("p95", AMBER, quantile("latency", 0.95)),
            line("p99", MAGENTA, quantile("latency", 0.99)),
        ),
        chart("open", "Users connected", "", line("open", VIOLET, lambda group: group[-1].open)),
        chart(
            "trouble",
            "Trouble",
            "/s",
            line("failed to connect", AMBER, rate("failed")),
            line("lost", ORANGE, rate("lost")),
            line("errors", RED, rate("errors")),
        ),
        chart(
            "received", "Messages received by all users", "/s", line("in", BLUE, rate("received"))
        ),
        chart(
            "late",
            "The users' own lateness, p99",
            "ms",
            line("late", MAGENTA, quantile("late", 0.99)),
        ),
    ]


def _planned(options: LoadOptions, time: float) -> float | None:
    """Return the messages per second that all users together would send if all were connected.

    Args:
        options: the options of the load.
        time: seconds since the start.
    """
    if options.duration is not None and time > options.duration:
        return None
    arrived = min(1.0, time / options.ramp) if options.ramp else 1.0
    return options.users * arrived * rate_at(options, time)


def _both_ends(report: LoadReport, server: WatchedServer) -> Table:
    """Return a table that compares the users' counts with the server's counts."""
    totals = report.totals
    return Table(
        "Counted at both ends",
        ("", "by the users", "by the server"),
        [
            ("messages to the server", totals.messages_out, server.total("messages_in")),
            ("messages to the users", totals.messages_in, server.total("messages_out")),
            ("bytes to the server", totals.bytes_out, server.total("bytes_in")),
            ("bytes to the users", totals.bytes_in, server.total("bytes_out")),
            ("connections", report.connected, server.total("opened")),
        ],
    )


def _quantiles(histogram: Histogram) -> str:
    if not histogram.count:
        return "nothing came back: no answers to measure"
    quantiles = "  ".join(f"p{100 * q:g} {delay(histogram.quantile(q))}" for q in _QUANTILES)
    return f"{quantiles}  max {delay(histogram.quantile(1.0))}"


def _reproach(report: LoadReport) -> str:
    """Return why users could not keep their schedule; an empty text if they kept it."""
    late = report.late.quantile(0.99)
    if late is None or late < _LATE:
        return ""
    return (
        "; the users could not keep their schedule: this process had too much to do, or the "
        "server took messages too slowly"
    )


def _known(server: WatchedServer | None, what: str, way: str) -> str:
    count = None if server is None else server.total(f"{what}_{way}")
    return UNKNOWN if count is None else f"{count:,}"


def _scaled(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3
