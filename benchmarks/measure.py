"""Shared code of the benchmarks: medians with intervals, tables, a description of the machine."""

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
"""Number of bootstrap resamples. With it the interval's ends vary by about 1 % of its width."""


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and its 95 % interval by the bootstrap.

    The interval's ends are percentiles of resampled medians.
    """
    generator = random.Random(1)  # the same values always give the same interval
    medians = sorted(
        statistics.median(generator.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    return (
        statistics.median(values),
        medians[int(0.025 * RESAMPLES)],
        medians[int(0.975 * RESAMPLES)],
    )


def ratio(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """Return the ratio of two medians and its 95 % interval by the bootstrap.

    Whole rounds are resampled, so that other load on the machine, which affects both values of a
    round, cancels out.
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
    """Return one result of each round."""
    return [each[key] for each in measured]


def median(measured: Iterable[Mapping[str, float]], key: str) -> float:
    """Return the median of one result over all rounds."""
    return statistics.median(column(measured, key))


def machine(*versions: str) -> str:
    """Return one paragraph that describes the machine and the versions.

    Args:
        versions: Names of packages whose versions are listed; by default those of overhead.py.
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
    """Print a heading and a paragraph."""
    print(f"\n## {text}\n\n{explanation}\n", flush=True)


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(rows(columns, lines), flush=True)


def rows(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with a text column first and number columns after it."""
    ruled = (columns, ["---", *["---:"] * (len(columns) - 1)], *lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)


def bullets(skipped: Mapping[str, str]) -> str:
    """Return a Markdown list of the skipped servers with the reasons."""
    return "\n".join(f"- {name}: {why.splitlines()[0]}" for name, why in skipped.items())


def verdict(met: bool) -> str:  # noqa: FBT001 - the only argument
    """Return the text for a target in a table: met or missed."""
    return "met" if met else "**missed**"
