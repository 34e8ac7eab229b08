"""Whether the data that a view shows is live, paused, stalled, disconnected or recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..feeds.feed import Feed
from .number_format import clock, duration

__all__ = ["Freshness", "FreshnessTracker"]

Kind = Literal[
    "connecting",
    "empty",
    "live",
    "recovered",
    "stalled",
    "paused",
    "disconnected",
    "recorded",
    "ended",
]

STALLED_AFTER = 3.0
"""Seconds without a new Sample after which a connected feed counts as stalled."""

RECOVERED_FOR = 10.0
"""Seconds for which a view shows "Live again" after a reconnection."""

_PILLS: dict[Kind, str] = {
    "connecting": "Connecting",
    "empty": "Live",
    "live": "Live",
    "recovered": "Live again",
    "stalled": "Stalled",
    "paused": "Paused",
    "disconnected": "Disconnected",
    "recorded": "Recording",
    "ended": "Ended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """State of the data that a view shows, with texts for the viewer.

    Attributes:
        kind: the state, such as ``live`` or ``stalled``.
        pill: the state in one or two words, for a label in the view's header.
        banner: one or two sentences that explain a problem and what the user can do; "" if there
            is no problem.
        stale: True if no new data arrives, so that the view shows its numbers in grey.
    """

    kind: Kind
    pill: str
    banner: str = ""
    stale: bool = False


class FreshnessTracker:
    """Determines whether a feed's data is current, or whether the feed has just reconnected."""

    def __init__(self) -> None:
        self._lost: float | None = None
        self._epoch: str | None = None
        self._recovered = float("-inf")
        self._story = ""

    def assess(self, feed: Feed, *, paused_at: float | None = None) -> Freshness:
        """Return the present state of a feed's data.

        Args:
            feed: the feed that the view shows while it is not paused.
            paused_at: the moment that a paused view shows, Unix seconds; None if it is not paused.
        """
        state = feed.status.state
        # Never report "live" for a recording, even if it still grows: it does not prove that the
        # server is running.
        if state == "recorded" or (state == "live" and feed.capabilities.replay):
            return Freshness(kind="recorded", pill=_PILLS["recorded"])
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
        return Freshness(kind=kind, pill=_PILLS[kind], banner=banner, stale=stale)

    def _judge(self, feed: Feed) -> tuple[Kind, str]:
        status, latest, now = feed.status, feed.latest(), feed.now()
        why = f" ({status.detail})" if status.detail else ""
        if status.state == "closed":
            last = f"; not live since {clock(latest.time)} UTC" if latest else ""
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
        if self._lost is not None and self._epoch is not None:  # not the first connection
            self._recovered = now
            self._story = f"Connected again after {duration(now - self._lost)}."
            if epoch != self._epoch:
                self._story += " The server was started anew, so counting began at 0."
        self._lost, self._epoch = None, epoch
