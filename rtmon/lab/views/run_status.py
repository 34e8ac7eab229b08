"""The status line of a scenario or fault proxy in a notebook: running or ended."""

from __future__ import annotations

from ...views.data_freshness import Freshness
from ...views.number_format import clock

__all__ = ["running"]


def running(*, ended: bool, what: str, time: float) -> Freshness:
    """Return the status line of a scenario or fault proxy.

    Args:
        ended: True once the scenario or proxy has ended.
        what: name of the scenario or proxy.
        time: time of the latest measurement, in Unix seconds.
    """
    if not ended:
        return Freshness(kind="live", pill="Live")
    banner = f"Ended: not live since {clock(time)} UTC. Run the cell that starts it: {what}."
    return Freshness(kind="ended", pill="Ended", banner=banner, stale=True)
