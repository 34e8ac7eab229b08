"""Status text of a proxy or scenario: running, or ended."""

from __future__ import annotations

from ...views.freshness import Freshness
from ...views.number_format import clock

__all__ = ["running"]


def running(*, ended: bool, what: str, time: float) -> Freshness:
    """Return the status of a proxy or scenario for the header of its view.

    Args:
        ended: True if the proxy or scenario has ended.
        what: name of the proxy or scenario.
        time: time of the last measured values, in Unix seconds.
    """
    if not ended:
        return Freshness(kind="live", pill="Live")
    banner = f"Ended: not live since {clock(time)} UTC. Run the cell that starts it: {what}."
    return Freshness(kind="ended", pill="Ended", banner=banner, stale=True)
