"""The status of something in the lab that runs or has ended."""

from __future__ import annotations

from ...views.data_freshness import Freshness
from ...views.number_format import clock

__all__ = ["running"]


def running(*, ended: bool, what: str, time: float) -> Freshness:
    """Describe the status.

    Args:
        ended: True once it has ended.
        what: its name.
        time: of its last numbers, Unix seconds.
    """
    if not ended:
        return Freshness(kind="live", pill="Live")
    banner = f"Ended: not live since {clock(time)} UTC. Run the cell that starts it: {what}."
    return Freshness(kind="ended", pill="Ended", banner=banner, stale=True)
