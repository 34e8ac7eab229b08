"""Benchmark of fan-out: `make bench-fanout`, under five minutes.

Each server runs in its own process on one core, and its subscribers in another process on the other
core. All servers run from the begin and are measured in turn, in random order, so that other load
on the machine affects all of them alike. The figures are those of one machine at one time: compare
ratios within a run, and nothing across runs.
"""

from __future__ import annotations

from bench import Bench, command
from compared import PEERS
from fanout_report import report
from plot import growth_plot

MAIN = 1_000
"""Number of subscribers in all comparisons except that of different numbers."""

PLAIN = [
    "loop", "broadcast", "rtmon broadcast", "group", "hub", "picows", "fastapi", "socketio",
    "ws", "node socketio", "nchan", "nats",
]  # fmt: skip
BURST = ["loop", "broadcast", "group", "hub", "picows", "fastapi", "ws", "nchan", "nats"]
COMPRESSED = [name for name in PEERS if name.endswith((" deflate", " takeover"))]


def measure(bench: Bench) -> None:
    """Run all comparisons."""
    quick = bench.quick
    slot = 0.05 if quick else 0.25
    main_size = 50 if quick else MAIN

    with bench.peers(COMPRESSED) as running:
        bench.say("compressed")
        bench.grow(running, main_size)
        counts = 2 if quick else 7
        bench.rounds(running, "compressed", counts, "closed_loop", burst=1, seconds=slot)
    with bench.peers(PLAIN) as running:
        for size in (10, 50) if quick else (10, 100, 1_000, 5_000, 10_000):
            bench.say(f"{size:,} subscribers")
            bench.grow(running, size)
            here = {name: each for name, each in running.items() if each.peer.up_to >= size}
            at_main = size == main_size
            counts = 2 if quick else 7 if at_main else 4
            bench.rounds(here, f"size {size}", counts, "closed_loop", burst=1, seconds=slot)
            if at_main:
                several = {name: each for name, each in here.items() if name in BURST}
                bench.say("sixteen messages at a time")
                bench.rounds(several, "burst", counts, "closed_loop", burst=16, seconds=slot)
                bench.say("twenty messages a second")
                seconds = 0.3 if quick else 1.0
                bench.rounds(here, "paced", 2, "open_loop", warm=0, rate=20, seconds=seconds)
            for name in set(running) & set(bench.skipped):
                del running[name]


if __name__ == "__main__":
    command(
        name="fanout",
        about=__doc__ or "",
        table=PEERS,
        measure=measure,
        report=report,
        plot=growth_plot,
    )
