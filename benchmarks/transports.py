"""Benchmark of the hub's transports: `make bench-transports`, about two minutes.

One hub has a thousand subscribers of one channel over each transport, and one publisher over a
WebSocket. The native transport is also measured beside idle clients of all other transports, which
must not cost it anything. The server has one core and the clients another; the transports take
turns in random order.
"""

from __future__ import annotations

import statistics
from typing import Any

from bench import Bench, command
from compared import TRANSPORTS
from measure import bullets, column, median, ratio, rows

RATE = 2
"""Messages per second, so few that polling clients keep up."""
ABOUT = (
    "One hub, monitored, {size:,} subscribers of one channel; messages carry JSON of 200 bytes. "
    "CPU of the server, user and system, per delivery: one message at a time, and sixteen at a "
    "time. On the wire: bytes per delivery without compression, TCP's own not counted; polling's "
    "requests are. Medians of {runs} rounds; ratios are of medians, with their 95 % interval by "
    "the bootstrap. Latency at {rate} messages a second, from when a message was due to when a "
    "subscriber has it. First message: from opening the connection to the hub's `welcome`, one "
    "client at a time while the others are there. The others beside it: the same, and a tenth as "
    "many connections on each of the other transports, which do nothing."
)


def measure(bench: Bench) -> None:
    """Run all measurements."""
    size, slot, rounds = (50, 0.05, 2) if bench.quick else (1_000, 0.3, 9)
    with bench.peers(TRANSPORTS) as running:
        bench.say(f"{size:,} subscribers each")
        bench.runs["size"] = size
        bench.grow(running, size)
        for name, each in list(running.items()):
            with bench.surviving(running, name):
                each.grow_beside(size // 10)
        bench.say("first messages")
        for name, each in list(running.items()):
            with bench.surviving(running, name):
                took = each.ask("greet", times=5 if bench.quick else 50)
                bench.results.setdefault("greet", {})[name] = took
        bench.say("one message at a time")
        bench.rounds(running, "one", rounds, "closed_loop", burst=1, seconds=slot)
        bench.say("sixteen at a time")
        bench.rounds(running, "burst", rounds, "closed_loop", burst=16, seconds=slot)
        bench.say(f"{RATE} a second")
        seconds = 0.5 if bench.quick else 3.0
        bench.rounds(running, "paced", 2, "open_loop", warm=0, rate=RATE, seconds=seconds)


def report(record: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    results, runs = record["results"], record["runs"]
    one, burst, paced = results["one"], results["burst"], results["paced"]
    costs, feels = [], []
    for name in [name for name in TRANSPORTS if name in paced]:
        against = ""
        if "native" in one:
            middle, low, high = ratio(column(one[name], "us"), column(one["native"], "us"))
            against = "1" if name == "native" else f"{middle:.2f} ({low:.2f} to {high:.2f})"
        costs.append(
            [
                record["titles"][name],
                f"{median(one[name], 'us'):.1f}",
                against,
                f"{median(burst[name], 'us'):.2f}",
                f"{median(one[name], 'octets'):,.0f}",
                f"{results['memory'][name]:.1f}" if name in results.get("memory", {}) else "",
            ]
        )
        greetings = results["greet"][name]
        latency = [f"{max(column(paced[name], key)) * 1e3:.1f}" for key in ("p50", "p99", "max")]
        feels.append(
            [
                record["titles"][name],
                f"{statistics.median(greetings) * 1e3:.1f} ({max(greetings) * 1e3:.1f})",
                *latency,
                f"{sum(column(paced[name], 'cpu')) / sum(column(paced[name], 'seconds')):.0%}",
            ]
        )
    parts = [
        record["machine"],
        ABOUT.format(size=runs["size"], runs=runs["one"], rate=RATE),
        rows(
            ["", "µs per delivery", "× native", "of sixteen, µs", "B on the wire", "KiB each"],
            costs,
        ),
        rows(
            ["", "first message, ms (longest)", "p50, ms", "p99, ms", "longest, ms", "of a core"],
            feels,
        ),
    ]
    if record["skipped"]:
        parts += ["Skipped:", bullets(record["skipped"])]
    return "\n\n".join([*parts, f"All this took {record['took']:.0f} s."])


if __name__ == "__main__":
    command(
        name="transports",
        about=__doc__ or "",
        table=TRANSPORTS,
        measure=measure,
        report=report,
    )
