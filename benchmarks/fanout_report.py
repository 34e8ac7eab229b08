"""Format the results of fanout.py as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from measure import bullets, column, median, ratio, rows, verdict

__all__ = ["report"]

Results = dict[str, Any]

BASE = "broadcast"
ABOUT = (
    "CPU is that of the server's processes, user and system; on loopback the sender also pays for "
    "the receiver's TCP. Medians over the rounds; in each round all servers take turns in random "
    "order. Ratios are of medians, with their 95 % interval by the bootstrap. Messages are JSON "
    "of 200 bytes, published by one more connection."
)

AIMS = (
    # What is compared, section, rtmon's server, other server, least ratio of the other's cost to
    # rtmon's.
    ("`rtmon.broadcast` : `websockets.broadcast`", "main", "rtmon broadcast", "broadcast", 1.2),
    ("`Group`, one at a time : `websockets.broadcast`", "main", "group", "broadcast", 1.4),
    ("`Group`, one at a time : node `ws`", "main", "group", "ws", 1.3),
    ("`Group`, one at a time : FastAPI", "main", "group", "fastapi", 2.8),
    ("`Group`, one at a time : python-socketio", "main", "group", "socketio", 9.0),
    ("`Group`, one at a time : nchan", "main", "group", "nchan", 0.95),
    ("`Group`, one at a time : picows", "main", "group", "picows", 0.95),
    ("`Group`, sixteen at a time : `websockets.broadcast`", "burst", "group", "broadcast", 18.0),
    ("`Group`, sixteen at a time : node `ws`", "burst", "group", "ws", 15.0),
    ("`Group`, sixteen at a time : nchan", "burst", "group", "nchan", 12.0),
    ("`Group`, sixteen at a time : nats-server", "burst", "group", "nats", 1.7),
    (
        "`Group`, compressed : `websockets.broadcast`",
        "compressed",
        "group deflate",
        "broadcast deflate",
        2.2,
    ),
    ("`Group`, compressed : node `ws`", "compressed", "group deflate", "ws deflate", 6.0),
    ("`Group`, compressed : nchan", "compressed", "group deflate", "nchan deflate", 0.9),
    ("the hub : the bare `Group`, whose cost is at least 1/1.25", "main", "hub", "group", 0.8),
)


def report(record: Results) -> str:
    """Return all tables as Markdown."""
    results = dict(record["results"])
    sizes = sorted(int(key.removeprefix("size ")) for key in results if key.startswith("size "))
    main = 1_000 if 1_000 in sizes else sizes[-1]
    results["main"] = results[f"size {main}"]
    runs = {**record["runs"], "main": record["runs"][f"size {main}"]}
    titles = record["titles"]
    parts = [
        record["machine"],
        ABOUT,
    ]
    if results["main"]:
        parts += [
            f"### One message at a time, {main:,} subscribers",
            f"The next message when all have this one; {runs['main']} rounds.",
            _costs(results["main"], titles, BASE, memory=results.get("memory", {})),
        ]
    if results.get("paced"):
        parts += [
            f"### Twenty messages a second, {main:,} subscribers",
            (
                "Published on time whether or not the server is done with the last one. Latency is "
                "from when a message was due to when a subscriber has it, worst of "
                f"{runs['paced']} rounds."
            ),
            _latencies(results["paced"], titles),
        ]
    if results.get("burst"):
        parts += [
            f"### Sixteen messages at a time, {main:,} subscribers",
            f"All sixteen in one write of the publisher; {runs['burst']} rounds.",
            _costs(results["burst"], titles, BASE),
        ]
    if results.get("compressed"):
        parts += [
            f"### Compressed, {main:,} subscribers",
            (
                "permessage-deflate, offered as browsers do; one message at a time; "
                f"{runs['compressed']} rounds."
            ),
            _costs(results["compressed"], titles, "broadcast deflate"),
        ]
    if results["main"]:
        parts += [
            "### From few to many",
            (
                "µs of CPU per delivery, one message at a time, by the number of subscribers. At "
                "ten, what it takes to receive the message counts, too."
            ),
            _growth(results, sizes, titles),
        ]
    aims = _aims(results)
    if aims:
        parts += ["### Targets", aims]
    if record["skipped"]:
        parts += ["### Skipped", bullets(record["skipped"])]
    parts.append(f"All this took {record['took']:.0f} s.")
    return "\n\n".join(parts)


def _costs(
    table: Results, titles: Results, base: str, *, memory: dict[str, float] | None = None
) -> str:
    """Return a table of CPU per delivery, relative to one server, cheapest first."""
    against = table.get(base)
    lines = []
    for name in sorted(table, key=lambda name: median(table[name], "us")):
        measured = table[name]
        cells = [titles[name], f"{median(measured, 'us'):.2f}"]
        if against is None or name == base:
            cells.append("1" if against else "")
        else:
            least = min(len(against), len(measured))
            middle, low, high = ratio(column(against, "us")[:least], column(measured, "us")[:least])
            cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
        cells += [f"{median(measured, 'rate'):,.0f}", f"{median(measured, 'octets'):.0f}"]
        if memory is not None:
            cells.append(f"{memory[name]:.1f}" if name in memory else "")
        lines.append(cells)
    columns = ["", "µs per delivery", f"{titles[base]} costs × as much", "deliveries/s", "B each"]
    return rows(columns if memory is None else [*columns, "KiB per subscriber"], lines)


def _latencies(table: Results, titles: Results) -> str:
    lines = []
    for name in sorted(table, key=lambda name: max(column(table[name], "p99"))):
        worst = [f"{max(column(table[name], key)) * 1e3:.1f}" for key in ("p50", "p99", "max")]
        busy = sum(column(table[name], "cpu")) / sum(column(table[name], "seconds"))
        lines.append([titles[name], *worst, f"{busy:.0%}"])
    return rows(["", "p50, ms", "p99, ms", "longest, ms", "of a core"], lines)


def _growth(results: Results, sizes: Sequence[int], titles: Results) -> str:
    tables = [results[f"size {size}"] for size in sizes]
    lines = []
    for name in sorted(tables[0], key=lambda name: median(tables[0][name], "us")):
        cells = [f"{median(t[name], 'us'):.2f}" if name in t else "" for t in tables]
        lines.append([titles[name], *cells])
    return rows(["", *(f"{size:,}" for size in sizes)], lines)


def _aims(results: Results) -> str:
    lines = []
    for what, section, ours, theirs, aim in AIMS:
        table = results.get(section, {})
        if ours in table and theirs in table:
            middle, low, high = ratio(column(table[theirs], "us"), column(table[ours], "us"))
            measured = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            lines.append([what, f"≥ {aim:g}", measured, verdict(middle >= aim)])
    if "group" in results.get("burst", {}):
        rate = median(results["burst"]["group"], "rate")
        met = verdict(rate > 1e6)
        lines.append(["`Group`, deliveries a second", "> 1,000,000", f"{rate:,.0f}", met])
    return rows(["their cost / rtmon's cost", "target", "measured", ""], lines) if lines else ""
