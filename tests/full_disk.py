"""A program whose sink writes to a disk that is full three times, for tests of sinks.

Run it as ``python -m tests.full_disk KIND FOLDER SIZE MAX_BYTES`` in its own mount namespace. It
mounts a file system of SIZE (such as 64k) at FOLDER. KIND is ``csv`` or ``recording``. It prints
its results as JSON, see :class:`Told`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from rtmon import CSVSink, Monitor, Recording, read
from rtmon.core.backoff import Backoff
from rtmon.monitor import sink_thread
from tests.isolated import isolated

__all__ = ["ROUNDS", "Told", "on_full_disk"]

ROUNDS = 3
"""How many times the disk is full."""

ROOT = Path(__file__).parents[1]


class Told(TypedDict):
    """Results of the program that :func:`main` runs.

    Attributes:
        kinds: Kinds of all events.
        failing: Number of failing sinks each time that the disk was full, and at the end.
        dropped: Number of dropped ticks.
        failed: Exception with which the sink was detached, as text; "None" if it was not.
        ticks: Number of ticks.
        seqs: Tick numbers in the recording; empty for CSV.
        files: Files that remain, each with its text if it is CSV.
    """

    kinds: list[str]
    failing: list[int]
    dropped: int
    failed: str
    ticks: int
    seqs: list[int]
    files: dict[str, str]


def on_full_disk(kind: str, folder: Path, size: str, max_bytes: int = 0) -> Told:
    """Run :func:`main` in its own process, and return its results.

    The calling test is skipped if the system has no user namespaces.

    Args:
        kind: ``csv`` or ``recording``.
        folder: Existing folder at which the small file system is mounted.
        size: Size of the file system, such as ``64k``.
        max_bytes: Size at which a CSV file is continued in a new one; 0 for no limit.
    """
    program = [sys.executable, "-m", "tests.full_disk", kind, str(folder), size, str(max_bytes)]
    done = subprocess.run(
        [*isolated(), *program], capture_output=True, text=True, timeout=180, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    told: Told = json.loads(done.stdout)
    return told


def _until(done: Callable[[], bool], problem: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, problem()
        time.sleep(0.005)


def _fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            pass


def main(kind: str, folder: Path, size: str, max_bytes: int) -> None:
    """Fill the disk three times while a sink writes to it, and print the results."""
    sink_thread.BACKOFF = Backoff(base=0.02, max=0.1)
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    subprocess.run(["mount", *options, str(folder)], check=True)
    filler, path = folder / "filler", folder / "run"
    sink: Any = (
        Recording(path) if kind == "recording" else CSVSink(path, max_bytes=max_bytes or None)
    )
    monitor = Monitor(interval=3600)
    attached = monitor.attach(sink)
    failing = []
    for _ in range(ROUNDS):
        monitor.tick()
        _until(lambda: attached.waiting == 0, lambda: attached.failed)
        _fill(filler)
        for _ in range(20):
            monitor.event("test", "detail " * 40)
            monitor.tick()
        _until(lambda: attached.problem is not None, lambda: attached.failed)
        monitor.tick()
        failing.append(monitor.failing_sinks)
        filler.unlink()
        _until(lambda: attached.waiting == 0, lambda: (attached.problem, attached.failed))
        monitor.tick()
    monitor.tick()
    attached.close()
    latest = monitor.collector.history.latest()
    assert latest is not None
    seqs: list[int] = []
    if kind == "recording":
        with read(path) as run:
            seqs = [int(seq) for seq in run.samples().seq]
    found = sorted(path.iterdir()) if path.is_dir() else sorted(folder.iterdir())
    told = Told(
        kinds=[event.kind for event in monitor.collector.history.events()],
        failing=[*failing, monitor.failing_sinks],
        dropped=attached.dropped,
        failed=repr(attached.failed),
        ticks=latest.seq,
        seqs=seqs,
        files={each.name: each.read_text() if kind == "csv" else "" for each in found},
    )
    sys.stdout.write(json.dumps(told))
    monitor.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
