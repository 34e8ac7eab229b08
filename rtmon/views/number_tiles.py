"""Tiles at the top of a view: each shows a key number, its total, its change and an alert."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..metrics.records import Sample, Snapshot
from .merged_samples import MergedSamples, latest
from .number_format import bytes_text, change, delay, exact, scaled, seconds
from .server_charts import RTT_WINDOW

__all__ = ["Tile", "tiles"]

Mood = Literal["good", "bad", "neutral"]
Alert = Literal["", "warning", "critical"]

RATE_SECONDS = 5.0
"""Seconds over which a tile's rate is averaged, so that it does not change too fast to read."""

AGO_SECONDS = 60.0
"""A tile shows the change compared with the value of this many seconds ago."""

RTT_WARNING, RTT_CRITICAL = 0.25, 1.0
"""Thresholds in seconds of the p95 round-trip time for a warning and a critical alert.

After one second, users lose their train of thought (Jakob Nielsen, "Response Times: The 3 Important
Limits"). After a quarter of a second, a chat feels slow.
"""

ERRORS_CRITICAL = 0.01
"""Share of the received messages of a minute that may fail; above it, the alert is critical."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The texts of one tile.

    Attributes:
        key: the tile's id, for style sheets and tests.
        label: the tile's title.
        value: the number, as text; rates and times have three significant digits.
        unit: the unit of the number.
        total: text with the exact total since the server's start, such as "12,345 in all".
        change: amount of the change within the last minute, such as "12 %"; "" if unknown.
        sign: 1 if the number rose within the last minute, -1 if it fell, 0 otherwise.
        mood: whether the change is ``good``, ``bad`` or ``neutral``.
        alert: severity of the tile's alert; "" without an alert.
        reason: reason of the alert; "" without an alert.
    """

    key: str
    label: str
    value: str
    unit: str
    total: str
    change: str = ""
    sign: int = 0
    mood: Mood = "neutral"
    alert: Alert = ""
    reason: str = ""


def tiles(samples: Sequence[Sample], snapshot: Snapshot | None) -> list[Tile]:
    """Compute the tiles.

    Args:
        samples: the Samples of the last two minutes or more, oldest first.
        snapshot: the totals since the server started; None if unknown.
    """
    now = MergedSamples(latest(samples, RATE_SECONDS))
    ago = latest(samples, RATE_SECONDS, skip=AGO_SECONDS)
    minute = MergedSamples(latest(samples, AGO_SECONDS))
    before = MergedSamples(latest(samples, AGO_SECONDS, skip=AGO_SECONDS))

    def rate(key: str, label: str, unit: str, words: Callable[[int | None], str]) -> Tile:
        value, old = now.rate(key), MergedSamples(ago).rate(key)
        number, prefixed = scaled(value, unit)
        text, sign = change(value, old)
        amount = words(getattr(snapshot, key) if snapshot else None)
        return Tile(
            key=key, label=label, value=number, unit=prefixed, change=text, sign=sign, total=amount
        )

    def messages(count: int | None) -> str:
        return f"{exact(count)} in all"

    def payload(count: int | None) -> str:
        return f"{bytes_text(count)} in all"

    return [
        _connections(samples, ago, minute, snapshot),
        rate("messages_in", "Messages in", "/s", messages),
        rate("messages_out", "Messages out", "/s", messages),
        rate("bytes_in", "Bandwidth in", "B/s", payload),
        rate("bytes_out", "Bandwidth out", "B/s", payload),
        _rtt(samples, snapshot),
        _errors(minute, before, snapshot),
    ]


def _connections(
    samples: Sequence[Sample],
    ago: Sequence[Sample],
    minute: MergedSamples,
    snapshot: Snapshot | None,
) -> Tile:
    value = samples[-1].open if samples else None
    old = ago[-1].open if ago else None
    text, sign = change(value, old)
    refused = minute.total("rejected")
    alert: Alert = "warning" if refused and refused[0] else ""
    return Tile(
        key="open",
        label="Connections",
        value=exact(value),
        unit="open",
        change=text,
        sign=sign,
        total=f"{exact(snapshot.opened if snapshot else None)} opened in all",
        alert=alert,
        reason=f"{exact(refused[0])} refused/min" if alert and refused else "",
    )


def _rtt(samples: Sequence[Sample], snapshot: Snapshot | None) -> Tile:
    def p95(skip: float) -> float | None:
        return MergedSamples(latest(samples, RTT_WINDOW, skip=skip)).quantile("rtt", 0.95)

    value = p95(0.0)
    number, unit = seconds(value)
    text, sign = change(value, p95(AGO_SECONDS))
    alert: Alert = ""
    reason = ""
    if value is not None and value >= RTT_WARNING:
        alert = "critical" if value >= RTT_CRITICAL else "warning"
        limit = RTT_CRITICAL if value >= RTT_CRITICAL else RTT_WARNING
        reason = f"slow: over {delay(limit)}"
    return Tile(
        key="rtt",
        label="RTT p95",
        value=number,
        unit=unit,
        change=text,
        sign=sign,
        mood=_mood(sign),
        total=f"{exact(snapshot.rtt.count if snapshot and snapshot.rtt else None)} pings",
        alert=alert,
        reason=reason,
    )


def _errors(minute: MergedSamples, before: MergedSamples, snapshot: Snapshot | None) -> Tile:
    recent, old = minute.total("errors"), before.total("errors")
    received = minute.total("messages_in")
    count = recent[0] if recent else None
    text, sign = change(count, old[0] if old else None)
    alert: Alert = ""
    reason = ""
    if count:
        critical = not received or count > received[0] * ERRORS_CRITICAL
        alert = "critical" if critical else "warning"
        reason = f"{'over' if critical else 'under'} {ERRORS_CRITICAL:.0%} failed"
    return Tile(
        key="errors",
        label="Errors",
        value=exact(count),
        unit="/min",
        change=text,
        sign=sign,
        mood=_mood(sign),
        total=f"{exact(snapshot.errors if snapshot else None)} in all",
        alert=alert,
        reason=reason,
    )


def _mood(sign: int) -> Mood:
    """Return the mood of a change of a number for which less is better, such as errors."""
    return "bad" if sign > 0 else "good" if sign < 0 else "neutral"
