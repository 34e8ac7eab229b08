"""Benchmark of many connections: `make bench-connections`, under five minutes.

Measures three things. First, the time until thousands of clients that connect at once are all
connected, and again after all were dropped at once. Second, the memory of an idle connection.
Third, the CPU of ten thousand idle connections. The server has one core and the clients another.
"""

from __future__ import annotations

import random
import resource
import statistics
import time
from typing import Any

from bench import Bench, command
from compared import CONNECTED
from measure import bullets, rows, verdict
from running import Running

STORMY = ["websockets", "rtmon", "hub", "ws"]
IDLE = ["websockets", "rtmon", "rtmon deflate", "hub", "ws"]
SPARE = 200
"""File descriptors that a process needs beside its connections."""

AIMS = (
    # What is measured, section and key of the result, largest value, unit.
    ("memory of an idle `rtmon.serve` connection", "memory", "rtmon", 15.5, "KiB"),
    ("the same with compression negotiated", "memory", "rtmon deflate", 17.0, "KiB"),
    ("10,000 idle connections of `rtmon.serve`", "idle", "rtmon", 3.0, "% of a core"),
)
STORM = (
    "Seconds until the last is in. Again: all dropped at once, and back at the same moment. "
    "Refused: attempts that failed, of all rounds together. CPU of the server, per connection, "
    "for coming and for coming again; the drop is part of the latter."
)
NOT_SLOWER = 2.0
"""Largest allowed time to connect all clients, as a multiple of node's `ws`."""


def measure(bench: Bench) -> None:
    """Run all measurements."""
    storm_sizes = (100, 200) if bench.quick else (5_000, 9_500)
    for name in bench.chosen(CONNECTED):
        bench.say(f"memory: {name}")
        with bench.peers([name]) as running:
            for each in list(running.values()):
                with bench.surviving(running, name):
                    kib = memory(each, 200 if bench.quick else 5_000)
                    bench.results.setdefault("memory", {})[name] = kib
    with bench.peers(IDLE) as running:
        idle(bench, running, 200 if bench.quick else 10_000, 1.0 if bench.quick else 22.0)
    with bench.peers(STORMY) as running:
        for size in storm_sizes:
            if size + SPARE > resource.getrlimit(resource.RLIMIT_NOFILE)[1]:
                bench.skip(f"storms of {size:,}", "raise `ulimit -n` for so many connections")
                continue
            bench.say(f"{size:,} at once")
            storms(bench, running, size, 1 if bench.quick else 3)


def memory(server: Running, size: int) -> float:
    """Return KiB of the server's memory per idle connection."""
    server.grow(50)  # connect some first, so that one-time allocations are not measured
    server.settle()
    before = server.memory()
    server.grow(size)
    server.settle()
    return (server.memory() - before) / (size - 50) / 1024


def idle(bench: Bench, running: dict[str, Running], size: int, seconds: float) -> None:
    """Measure the CPU of idle connections with keepalive, on all servers at the same time."""
    for name, each in list(running.items()):
        bench.say(f"{size:,} idle: {name}")
        with bench.surviving(running, name):
            each.ask("open", to=size, answering=True)
            each.begin("idle")
            each.settle()
    table = bench.results.setdefault("idle", {})
    bench.runs["idle"] = size
    before = {name: (each.cpu(), time.perf_counter()) for name, each in running.items()}
    time.sleep(seconds)
    for name, each in list(running.items()):
        with bench.surviving(running, name):
            cpu, began = before[name]
            share = (each.cpu() - cpu) / (time.perf_counter() - began)
            table[name] = {"percent": share * 100, "pings": each.interrupt()["pings"]}


def storms(bench: Bench, running: dict[str, Running], size: int, rounds: int) -> None:
    """Connect all clients at once, drop all, and reconnect before the server has noticed."""
    table = bench.results.setdefault(f"storm {size}", {})
    for number in range(rounds):
        if number > 0 and bench.late:
            break
        bench.runs[f"storm {size}"] = number + 1
        for name in random.sample(list(running), k=len(running)):
            each = running[name]
            with bench.surviving(running, name):
                if each.size:
                    each.ask("drop")
                    each.settle()
                up = each.measured("open", to=size, at_once=size)
                each.ask("drop")
                again = each.measured("open", to=size, at_once=size)
                each.ask("drop")
                each.size = 0
                each.settle()
                bench.say(f"{name}: {up['seconds']:.2f} s, and again {again['seconds']:.2f} s")
                table.setdefault(name, []).append({"up": up, "again": again})


def report(record: dict[str, Any]) -> str:
    """Return all tables as Markdown."""
    results, titles = record["results"], record["titles"]
    parts = [record["machine"]]
    for key in [key for key in results if key.startswith("storm ")]:
        size = int(key.removeprefix("storm "))
        parts += [
            f"### {size:,} connections at once",
            f"{STORM} Medians of {record['runs'][key]} rounds, the slowest in brackets.",
            _storm(results[key], titles, size),
        ]
    if results.get("memory"):
        lines = [[titles[n], f"{kib:.1f}"] for n, kib in _sorted(results["memory"])]
        parts += [
            "### Memory of an idle connection",
            (
                "Resident memory of the server per connection, with keepalive where it is the "
                "default. “Compressing”: permessage-deflate was offered as browsers do, and agreed."
            ),
            rows(["", "KiB"], lines),
        ]
    if results.get("idle"):
        ordered = sorted(results["idle"].items(), key=lambda item: item[1]["percent"])
        lines = [[titles[n], f"{r['percent']:.2f} %", f"{r['pings']:.0f}"] for n, r in ordered]
        parts += [
            f"### {record['runs']['idle']:,} idle connections",
            "CPU of the server, as share of a core; all at the same time.",
            rows(["", "of a core", "pings/s"], lines),
        ]
    parts += ["### Targets", _aims(results)]
    if record["skipped"]:
        parts += ["### Skipped", bullets(record["skipped"])]
    return "\n\n".join([*parts, f"All this took {record['took']:.0f} s."])


def _sorted(table: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(table.items(), key=lambda item: item[1])


def _storm(table: dict[str, Any], titles: dict[str, str], size: int) -> str:
    lines = []
    for name, measured in table.items():
        cells = [titles[name]]
        for when in ("up", "again"):
            seconds = [each[when]["seconds"] for each in measured]
            cells.append(f"{statistics.median(seconds):.2f} ({max(seconds):.2f})")
        cells.append(f"{sum(e[w]['failed'] for e in measured for w in ('up', 'again')):.0f}")
        for when in ("up", "again"):
            cpu = statistics.median(each[when]["cpu"] for each in measured)
            cells.append(f"{cpu / size * 1e6:.0f}")
        lines.append(cells)
    return rows(["", "up, s", "again, s", "refused", "µs of CPU, up", "again"], lines)


def _aims(results: dict[str, Any]) -> str:
    lines = []
    for what, section, key, aim, unit in AIMS:
        value = results.get(section, {}).get(key)
        if value is not None:
            value = value["percent"] if section == "idle" else value
            lines.append([what, f"≤ {aim:g} {unit}", f"{value:.2f}", verdict(value <= aim)])
    for section in [key for key in results if key.startswith("storm ")]:
        table = results[section]
        size = int(section.removeprefix("storm "))
        for name in [name for name in ("rtmon", "hub") if name in table and "ws" in table]:
            failed = sum(e[w]["failed"] for e in table[name] for w in ("up", "again"))
            for when, words in (("up", "at once"), ("again", "dropped, and up again")):
                ours, theirs = (
                    statistics.median(each[when]["seconds"] for each in table[which])
                    for which in (name, "ws")
                )
                lines.append(
                    [
                        f"{size:,} {words}, {name}: seconds against node `ws`",
                        f"≤ {NOT_SLOWER:g}×, none refused",
                        f"{ours / theirs:.2f}×, {failed:.0f} refused",
                        verdict(ours <= NOT_SLOWER * theirs and not failed),
                    ]
                )
    return rows(["", "target", "measured", ""], lines)


if __name__ == "__main__":
    command(
        name="connections",
        about=__doc__ or "",
        table=CONNECTED,
        measure=measure,
        report=report,
    )
