"""Shared by the benchmarks: medians with their uncertainty, and a description of the machine."""

from __future__ import annotations

import datetime as dt
import os
import platform
import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = [
    "bullets",
    "column",
    "heading",
    "interval",
    "machine",
    "median",
    "ratio",
    "rows",
    "table",
    "verdict",
]

RESAMPLES = 2000
"""Resamples of the bootstrap; the ends of the interval move by about 1 % of its width."""


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and its 95 % interval by the bootstrap (percentiles of resampled medians)."""
    generator = random.Random(1)  # the same values give the same interval
    medians = sorted(
        statistics.median(generator.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    return (
        statistics.median(values),
        medians[int(0.025 * RESAMPLES)],
        medians[int(0.975 * RESAMPLES)],
    )


def ratio(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The ratio of two medians, and its 95 % interval by the bootstrap.

    Rounds are resampled whole, so that a busy moment, which affects both alike, cancels out.
    """
    generator = random.Random(1)
    rounds = list(zip(values, others, strict=True))
    ratios = []
    for _ in range(RESAMPLES):
        chosen = generator.choices(rounds, k=len(rounds))
        first, second = zip(*chosen, strict=True)
        ratios.append(statistics.median(first) / statistics.median(second))
    ratios.sort()
    return (
        statistics.median(values) / statistics.median(others),
        ratios[int(0.025 * RESAMPLES)],
        ratios[int(0.975 * RESAMPLES)],
    )


def column(measured: Iterable[Mapping[str, float]], key: str) -> list[float]:
    """One figure of each round."""
    return [each[key] for each in measured]


def median(measured: Iterable[Mapping[str, float]], key: str) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(column(measured, key))


def machine(*versions: str) -> str:
    """Description of the machine and the versions, in one paragraph.

    Args:
        versions: the measured software with versions; by default that of overhead.py.
    """
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        platform.processor() or "an unknown processor",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    packages = ", ".join(
        versions
        or (f"{name} {_version(name)}" for name in ("rtmon", "websockets", "prometheus_client"))
    )
    today = dt.datetime.now(tz=dt.UTC).date()
    return (
        f"{today}: {os.cpu_count()} × {cpu}, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {packages}. "
        f"Load of the machine at the start (1, 5, 15 minutes): {load}."
    )


def _lines(path: str) -> Iterable[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return ()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def heading(text: str, explanation: str) -> None:
    """Print a heading."""
    print(f"\n## {text}\n\n{explanation}\n", flush=True)


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(rows(columns, lines), flush=True)


def rows(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; its first column has words, the others figures."""
    ruled = (columns, ["---", *["---:"] * (len(columns) - 1)], *lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)


def bullets(skipped: Mapping[str, str]) -> str:
    """A Markdown list of the skipped servers, with reasons."""
    return "\n".join(f"- {name}: {why.splitlines()[0]}" for name, why in skipped.items())


def verdict(met: bool) -> str:  # noqa: FBT001 - the one thing it is about
    """The verdict of a table on a target: met or missed."""
    return "met" if met else "**missed**"
