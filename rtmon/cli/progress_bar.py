"""The progress bar of ``rtmon load``."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..views.number_format import delay

if TYPE_CHECKING:
    from ..lab.load import Load
    from ..lab.load_report import UserCounts

__all__ = ["progress"]


@contextlib.contextmanager
def progress(load: Load, *, shown: bool) -> Iterator[Callable[[], None]]:
    """Show a progress bar of a load, if standard error is a terminal.

    Args:
        load: the running load.
        shown: False to show no progress bar.

    Yields:
        A function that updates the progress bar.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=load.options.duration)
        began = asyncio.get_running_loop().time()
        yield lambda: bar.update(
            task,
            completed=asyncio.get_running_loop().time() - began,
            description=_state(load.tally),
        )


def _state(tally: UserCounts) -> str:
    """Return the counts of the latest second as one line of text."""
    last = tally.seconds[-1] if tally.seconds else None
    if last is None:
        return f"{tally.connected:,} connected"
    return (
        f"{last.open:,} open · {last.sent / last.elapsed:,.0f} sent/s · "
        f"{last.answered / last.elapsed:,.0f} answered/s · "
        f"p99 {delay(last.latency.quantile(0.99))}"
    )
