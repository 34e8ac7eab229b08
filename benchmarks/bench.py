"""Shared code of the benchmarks that compare servers: running them side by side, command line."""

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

from compared import Peer
from crowd import pin
from measure import machine
from running import Running, ServerFailed

__all__ = ["Bench", "command"]

RUN = Path(__file__).parent.parent / "run"
BUDGET = 240.0
"""Seconds after which no further round begins, so that a benchmark ends within five minutes."""
ENOUGH = 500
"""Least number of new connections for which memory per connection is more than allocator noise."""


class Bench:
    """Servers that run side by side, and their measurements.

    Args:
        table: All servers to choose from, by name.
        only: Names of the chosen servers; all if empty.
        quick: True for a short run that only shows that everything works.
        say: Called with messages on the progress.
    """

    def __init__(
        self, table: dict[str, Peer], *, only: set[str], quick: bool, say: Callable[[str], None]
    ) -> None:
        self.table = table
        self.only = only
        self.quick = quick
        self.say = say
        self.skipped: dict[str, str] = {}
        self.runs: dict[str, int] = {}
        self.results: dict[str, Any] = {}
        self._began = time.monotonic()

    @contextlib.contextmanager
    def peers(self, names: Iterable[str]) -> Iterator[dict[str, Running]]:
        """Run those chosen servers whose requirements are installed; yield them by name."""
        with contextlib.ExitStack() as stack:
            running: dict[str, Running] = {}
            for name in self.chosen(names):
                reason = self.table[name].missing()
                if reason is None:
                    running[name] = stack.enter_context(Running(name, self.table[name]))
                else:
                    self.skip(name, reason)
            for name in list(running):
                with self.surviving(running, name):
                    running[name].ready()
            yield running

    def chosen(self, names: Iterable[str]) -> list[str]:
        """Return those of the given server names that the user has chosen."""
        return [name for name in names if not self.only or name in self.only]

    def skip(self, name: str, reason: str) -> None:
        """Exclude a server from the rest of the benchmark, and report the reason."""
        self.skipped[name] = reason
        self.say(f"skipped: {name}: {reason}")

    @contextlib.contextmanager
    def surviving(self, running: dict[str, Running], name: str) -> Iterator[None]:
        """Exclude the server from the benchmark if its measurement inside the block fails."""
        try:
            yield
        except ServerFailed as error:
            del running[name]
            self.skip(name, str(error))

    def grow(self, running: dict[str, Running], size: int) -> None:
        """Connect subscribers to each server up to this number, and check what they receive."""
        for name, each in list(running.items()):
            if each.peer.up_to < size:
                continue
            with self.surviving(running, name):
                if each.size == 0:
                    each.ask("publisher")
                    # Connect a few first, so that one-time allocations are not measured.
                    each.grow(size=min(size, 3))
                    each.ask("check")
                before, had = each.memory(), each.size
                each.grow(size)
                if size - had >= ENOUGH:
                    kib = (each.memory() - before) / (size - had) / 1024
                    self.results.setdefault("memory", {})[name] = kib

    @property
    def late(self) -> bool:
        """True once the time budget is used up. Later sections are then skipped or run once."""
        return time.monotonic() - self._began > BUDGET

    def rounds(
        self,
        running: dict[str, Running],
        section: str,
        rounds: int,
        method: str,
        *,
        warm: int = 1,
        **arguments: Any,
    ) -> None:
        """Measure all running servers repeatedly in random order; drop the warm-up rounds."""
        table = self.results.setdefault(section, {})
        for number in range(-warm, rounds):
            if number > 0 and self.late:
                break
            for name in random.sample(list(running), k=len(running)):
                with self.surviving(running, name):
                    result = running[name].measured(method, **arguments)
                    if number >= 0:
                        table.setdefault(name, []).append(result)
            self.runs[section] = number + 1
        for name in set(table) - set(running):
            del table[name]  # the server failed, so it lacks rounds that the others have


Report = Callable[[dict[str, Any]], str]


def command(
    *,
    name: str,
    about: str,
    table: dict[str, Peer],
    measure: Callable[[Bench], None],
    report: Report,
    plot: Report | None = None,
) -> None:
    """Measure, print the tables, and write the results to a file.

    Args:
        name: Name of the result file in run/, without suffix.
        about: Text of `--help`.
        table: All servers to choose from, by name.
        measure: Function that fills the results of a Bench.
        report: Function that makes tables from the results.
        plot: Function that makes an SVG from the results.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short run: does it all work?")
    parser.add_argument("--markdown", action="store_true", help="print the tables, nothing else")
    parser.add_argument("--peers", default="", help=f"only these of: {', '.join(table)}")
    parser.add_argument("--json", type=Path, default=RUN / f"{name}.json", help="for the results")
    parser.add_argument("--saved", action="store_true", help="print what is there, measure nothing")
    if plot:
        parser.add_argument("--plot", type=Path, help="where to write the plot, an SVG")
    options = parser.parse_args()
    only = {each.strip() for each in options.peers.split(",") if each.strip()}
    if only - set(table):
        parser.error(f"no such peers: {', '.join(sorted(only - set(table)))}")
    if not options.saved:
        say = (lambda _: None) if options.markdown else _tell
        record = _run(Bench(table, only=only, quick=options.quick, say=say), measure)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1))
    record = json.loads(options.json.read_text())
    print(report(record))
    if plot and options.plot:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(plot(record))


def _run(bench: Bench, measure: Callable[[Bench], None]) -> dict[str, Any]:
    # Child processes end with this one on any signal. A shell starts background jobs with Ctrl-C
    # ignored, so set the default handler of SIGINT.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pin(1)
    began = time.monotonic()
    there = [name for name in bench.chosen(bench.table) if not bench.table[name].missing()]
    said = [bench.table[name].versions() for name in there]
    where = machine(*dict.fromkeys(part for each in said for part in each.split(", ")))
    try:
        measure(bench)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    return {
        "machine": where,
        "took": time.monotonic() - began,
        "titles": {name: peer.title for name, peer in bench.table.items()},
        "runs": bench.runs,
        "skipped": bench.skipped,
        "results": bench.results,
    }


def _tell(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)
