"""What it costs to tell many: `make bench-fanout`, under five minutes.

Each server runs in a process of its own on one core, its subscribers in another on the other
core. All run from the beginning and are asked in turn, in random order, so that a busy moment of
the machine meets all alike. Figures of one machine at one time: compare ratios, nothing across
runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from compared import PEERS
from fanout_report import report
from measure import machine
from plot import growth_plot
from running import Running, ServerFailed, pin

__all__ = ["Bench", "main"]

RESULTS = Path(__file__).parent.parent / "run" / "fanout.json"
TAKE_PART = 1_000
"""Subscribers in all but the first comparison."""

PLAIN = [
    "loop", "broadcast", "rtmon broadcast", "group", "hub", "picows", "fastapi", "socketio",
    "ws", "node socketio", "nchan", "nats",
]  # fmt: skip
BURST = ["loop", "broadcast", "group", "hub", "picows", "fastapi", "ws", "nchan", "nats"]
COMPRESSED = [name for name in PEERS if name.endswith((" deflate", " takeover"))]


class Bench:
    """Peers that run side by side, and what was measured of them.

    Args:
        quick: a short run, to see that all works.
        say: told what goes on.
    """

    def __init__(self, *, quick: bool, say: Callable[[str], None]) -> None:
        self.quick = quick
        self.say = say
        self.skipped: dict[str, str] = {}
        self.runs: dict[str, int] = {}
        self.results: dict[str, Any] = {}

    @contextlib.contextmanager
    def peers(self, names: Iterable[str]) -> Iterator[dict[str, Running]]:
        """Run servers, as many as can be."""
        with contextlib.ExitStack() as stack:
            running: dict[str, Running] = {}
            for name in names:
                reason = PEERS[name].missing()
                if reason is None:
                    running[name] = stack.enter_context(Running(name, PEERS[name]))
                else:
                    self.skip(name, reason)
            for name in list(running):
                with self.surviving(running, name):
                    running[name].ready()
                    running[name].ask("publisher")
            yield running

    def skip(self, name: str, reason: str) -> None:
        """Go on without a peer."""
        self.skipped[name] = reason
        self.say(f"skipped: {name}: {reason}")

    @contextlib.contextmanager
    def surviving(self, running: dict[str, Running], name: str) -> Iterator[None]:
        """What goes wrong with one peer ends its part only."""
        try:
            yield
        except ServerFailed as error:
            del running[name]
            self.skip(name, str(error))

    def grow(self, running: dict[str, Running], size: int) -> None:
        """Have so many subscribers each, and see that what they get is what was published."""
        for name, each in list(running.items()):
            if each.peer.up_to < size:
                continue
            with self.surviving(running, name):
                first = each.size == 0
                if first:
                    each.grow(size=min(size, 3))  # what is allocated once is no connection's
                    each.ask("check")
                before, had = each.memory(), each.size
                each.grow(size)
                if size - had >= TAKE_PART / 2:
                    kib = (each.memory() - before) / (size - had) / 1024
                    self.results.setdefault("memory", {})[name] = kib

    def rounds(
        self, running: dict[str, Running], section: str, rounds: int, method: str, **arguments: Any
    ) -> None:
        """Measure all who are there, in random order, again and again."""
        table = self.results.setdefault(section, {})
        self.runs[section] = rounds
        for number in range(-1, rounds):  # the first round warms up, and is not counted
            for name in random.sample(list(running), k=len(running)):
                with self.surviving(running, name):
                    result = running[name].measured(method, **arguments)
                    if number >= 0:
                        table.setdefault(name, []).append(result)
        for name in set(table) - set(running):
            del table[name]  # it failed on the way, so it lacks rounds that the others have


def measure(bench: Bench, only: set[str]) -> None:
    """All comparisons."""
    quick = bench.quick
    slot = 0.05 if quick else 0.3
    main_size = 50 if quick else TAKE_PART

    def chosen(names: list[str]) -> list[str]:
        return [name for name in names if not only or name in only]

    with bench.peers(chosen(PLAIN)) as running:
        for size in (10, 50) if quick else (10, 100, 1_000, 5_000, 10_000):
            bench.say(f"{size:,} subscribers")
            bench.grow(running, size)
            here = {name: each for name, each in running.items() if each.peer.up_to >= size}
            at_main = size == main_size
            counts = 2 if quick else 9 if at_main else 5
            bench.rounds(here, f"size {size}", counts, "closed_loop", burst=1, seconds=slot)
            if at_main:
                several = {name: each for name, each in here.items() if name in BURST}
                bench.say("sixteen messages at a time")
                bench.rounds(several, "burst", counts, "closed_loop", burst=16, seconds=slot)
                bench.say("twenty messages a second")
                seconds = 0.3 if quick else 1.0
                bench.rounds(here, "paced", 2, "open_loop", rate=20, seconds=seconds)
            for name in set(running) & set(bench.skipped):
                del running[name]
    with bench.peers(chosen(COMPRESSED)) as running:
        bench.say("compressed")
        bench.grow(running, main_size)
        counts = 2 if quick else 7
        bench.rounds(running, "compressed", counts, "closed_loop", burst=1, seconds=slot)


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a few seconds: does it all work?")
    parser.add_argument("--markdown", action="store_true", help="print the tables and nothing else")
    parser.add_argument("--peers", default="", help=f"only these: {', '.join(PEERS)}")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where results are written")
    parser.add_argument("--plot", type=Path, help="where the plot is written, an SVG")
    parser.add_argument(
        "--saved", action="store_true", help="do not measure, print what is written"
    )
    options = parser.parse_args()
    if not options.saved:
        record = run(
            quick=options.quick,
            only={name.strip() for name in options.peers.split(",") if name.strip()},
            say=(lambda _: None) if options.markdown else tell,
        )
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1))
    record = json.loads(options.json.read_text())
    print(report(record))
    if options.plot:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(growth_plot(record))


def run(*, quick: bool, only: set[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Measure; returns what report() makes tables of."""
    unknown = only - set(PEERS)
    if unknown:
        raise SystemExit(f"no such peers: {', '.join(sorted(unknown))}")
    # What is started here ends with us, whoever ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pin(1)
    began = time.monotonic()
    names = [n for n in PEERS if PEERS[n].missing() is None and (not only or n in only)]
    versions = dict.fromkeys(part for n in names for part in PEERS[n].versions().split(", "))
    where = machine(*versions)
    bench = Bench(quick=quick, say=say)
    measure(bench, only)
    return {
        "machine": where,
        "took": time.monotonic() - began,
        "titles": {name: peer.title for name, peer in PEERS.items()},
        "runs": bench.runs,
        "skipped": bench.skipped,
        "results": bench.results,
    }


def tell(text: str) -> None:
    """Say what goes on, beside what is printed as a result."""
    print(f"… {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
