"""What a view says about its numbers: live, paused, disconnected, ..."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..feeds.feed import Feed
from .numbers import clock, duration

__all__ = ["Condition", "Observer"]

Kind = Literal[
    "connecting", "empty", "live", "recovered", "stalled", "paused", "disconnected", "ended"
]

STALLED_AFTER = 5.0
"""Seconds without a Sample after which a live feed is said to be stalled."""

RECOVERED_FOR = 10.0
"""Seconds for which a view says that it has recovered."""

_PILLS: dict[Kind, str] = {
    "connecting": "Connecting",
    "empty": "Live",
    "live": "Live",
    "recovered": "Live again",
    "stalled": "Stalled",
    "paused": "Paused",
    "disconnected": "Disconnected",
    "ended": "Ended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How it is with a view.

    Attributes:
        kind: see :data:`Kind`.
        pill: one or two words.
        banner: what to know and do, in a sentence or two; empty if all is well.
        stale: whether what is shown is the last that was received, to be greyed.
    """

    kind: Kind
    pill: str
    banner: str = ""
    stale: bool = False


class Observer:
    """Tells the condition of a view from its feed; remembers what it was to see a recovery."""

    def __init__(self) -> None:
        self._lost: float | None = None
        self._epoch: str | None = None
        self._recovered = float("-inf")
        self._story = ""

    def look(self, feed: Feed, *, paused_at: float | None = None) -> Condition:
        """The condition now.

        Args:
            feed: what the view reads when it is not paused.
            paused_at: the time that a paused view shows, Unix seconds.
        """
        kind, banner = self._judge(feed)
        stale = kind in {"disconnected", "ended", "stalled"}
        if paused_at is not None and kind in {"live", "empty", "recovered"}:
            kind = "paused"
            banner = (
                f"Paused: this is how it was at {clock(paused_at)} UTC. "
                "Nothing is lost; resume to catch up."
            )
        elif paused_at is not None and banner:
            banner += f" Paused at {clock(paused_at)} UTC."
        return Condition(kind=kind, pill=_PILLS[kind], banner=banner, stale=stale)

    def _judge(self, feed: Feed) -> tuple[Kind, str]:
        status, latest, now = feed.status, feed.latest(), feed.now()
        why = f" ({status.detail})" if status.detail else ""
        if status.state == "closed":
            last = f"; these are the last numbers, of {clock(latest.time)} UTC" if latest else ""
            return "ended", f"Ended: {status.source} measures no more{why}{last}."
        if status.state == "disconnected" or (status.state == "connecting" and latest):
            if self._lost is None:
                self._lost = status.since or now
            tail = "The last numbers received are shown in grey." if latest else ""
            return "disconnected", (
                f"Disconnected from {status.source} since {clock(self._lost)} UTC{why}. "
                f"Trying again by itself. {tail}".rstrip()
            )
        if latest is None:
            return "connecting", f"Connecting to {status.source} …{why}"
        self._note_recovery(now, latest.epoch)
        if now - latest.time > STALLED_AFTER:
            return "stalled", (
                f"No numbers since {clock(latest.time)} UTC although the connection stands: "
                "the server's event loop may be blocked."
            )
        if now - self._recovered < RECOVERED_FOR:
            return "recovered", self._story
        snapshot = feed.snapshot()
        return ("empty" if snapshot is not None and snapshot.opened == 0 else "live"), ""

    def _note_recovery(self, now: float, epoch: str) -> None:
        if self._lost is not None:
            self._recovered = now
            self._story = f"Connected again after {duration(now - self._lost)}."
            if epoch != self._epoch:
                self._story += " The server was started anew, so counting began at 0."
        self._lost, self._epoch = None, epoch
