"""Compare two time ranges A and B: which measurements are significantly better or worse in B.

The series of a measure has one value for each point of its time range. A difference between A and B
is significant if Welch's t statistic of these values is above 3
(https://en.wikipedia.org/wiki/Welch%27s_t-test). A quantile must also differ by more than 1/8
of the larger value, which is twice the relative width of a histogram bucket. Relative changes up to
``least`` are ignored, so that significant but tiny changes are not reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Literal

from ..feeds.queries import SeriesAnswer
from .number_format import UNKNOWN, delay, scaled

__all__ = ["MEASURES", "Difference", "Measure", "Stretch", "Verdict", "compare"]

Verdict = Literal["better", "worse", "changed", "same", "unknown"]

T_LIMIT = 3.0
"""Value of Welch's t statistic above which a difference counts as significant."""

BUCKET = 1 / 16
"""Relative width of a histogram bucket; see :mod:`rtmon.metrics.histogram`."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The measurements of one of the two compared time ranges.

    Attributes:
        points: the columns of all :data:`MEASURES` over the time range.
        merged: the same columns with the whole range merged into one point. Only this point has
            the quantiles of the whole range.
        causes: cause → number of connections that ended for this cause.
    """

    points: SeriesAnswer
    merged: SeriesAnswer
    causes: Mapping[str, int]

    @property
    def seconds(self) -> float:
        """Seconds of the time range for which there are measurements."""
        return sum(self.points.elapsed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measured quantity that is compared, one row of the result.

    Attributes:
        key: the column of the samples table.
        title: the title of the row.
        kind: how the compared value is computed: ``rate`` is the increase of a counter per second,
            ``level`` the mean of a gauge, ``quantile`` a quantile of a histogram.
        rising: meaning of an increase: ``better``, ``worse``, or ``changed`` if an increase is
            neither good nor bad in itself.
        unit: the unit of the value.
    """

    key: str
    title: str
    kind: Literal["rate", "level", "quantile"]
    rising: Literal["better", "worse", "changed"]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The values of one measure in the time ranges A and B.

    Attributes:
        measure: the compared measure.
        before: the value in A; None if unknown.
        after: the value in B; None if unknown.
        verdict: ``better`` or ``worse`` if B is significantly so; ``changed`` if the difference is
            significant, but neither good nor bad; ``same`` if it is not significant; ``unknown``
            if a value is missing.
    """

    measure: Measure
    before: float | None
    after: float | None
    verdict: Verdict

    @property
    def change(self) -> float | None:
        """Relative change from A to B, 0.1 for 10 % more; None if a value is unknown or A is 0."""
        if self.before is None or self.after is None or self.before == 0:
            return None
        return self.after / self.before - 1

    def texts(self) -> tuple[str, str, str]:
        """Return the value in A, the value in B and the relative change as texts with units."""
        change = self.change
        shown = UNKNOWN if change is None else f"{change:+.0%}"
        return self._text(self.before), self._text(self.after), shown

    def _text(self, value: float | None) -> str:
        if self.measure.unit == "s":
            return delay(value)
        return " ".join(scaled(value, self.measure.unit)).strip()


def _rate(key: str, title: str, rising: Literal["better", "worse", "changed"]) -> Measure:
    unit = "B/s" if key.startswith(("bytes", "wire")) else "/s"
    return Measure(key=key, title=title, kind="rate", rising=rising, unit=unit)


def _quantiles(key: str, title: str) -> list[Measure]:
    return [
        Measure(key=f"{key}_p{n}", title=f"{title} p{n}", kind="quantile", rising="worse", unit="s")
        for n in (50, 95, 99)
    ]


MEASURES: tuple[Measure, ...] = (
    Measure(key="open", title="Open connections", kind="level", rising="changed", unit=""),
    _rate("opened", "Connections opened", "changed"),
    _rate("closed", "Connections closed", "changed"),
    _rate("rejected", "Handshakes rejected", "worse"),
    _rate("messages_in", "Messages in", "changed"),
    _rate("messages_out", "Messages out", "changed"),
    _rate("bytes_in", "Payload in", "changed"),
    _rate("bytes_out", "Payload out", "changed"),
    _rate("wire_in", "Wire in", "changed"),
    _rate("wire_out", "Wire out", "changed"),
    _rate("errors", "Errors", "worse"),
    _rate("dropped", "Messages dropped", "worse"),
    Measure(key="slow", title="Slow connections", kind="level", rising="worse", unit=""),
    Measure(key="send_queue", title="Send queues", kind="level", rising="worse", unit="B"),
    *_quantiles("rtt", "Round trip"),
    *_quantiles("handler", "Handler"),
    *_quantiles("fanout", "Fan-out"),
    *_quantiles("lag", "Event-loop lag"),
    Measure(key="cpu", title="CPU", kind="level", rising="worse", unit="cores"),
    Measure(key="memory", title="Memory", kind="level", rising="worse", unit="B"),
)
"""All compared measures, in the order of the result's rows."""


def compare(before: Stretch, after: Stretch, *, least: float = 0.1) -> list[Difference]:
    """Compare the measurements of two time ranges.

    Args:
        before: the measurements of A.
        after: the measurements of B.
        least: relative change up to which a difference is ignored: 0.1 for 10 %.

    Returns:
        One Difference for each of :data:`MEASURES`, in that order.
    """
    found = []
    for measure in MEASURES:
        a, b = _value(measure, before), _value(measure, after)
        certain = _CERTAIN[measure.kind](measure, before, after)
        verdict = _verdict(measure, a, b, certain=certain, least=least)
        found.append(Difference(measure=measure, before=a, after=b, verdict=verdict))
    return found


def _verdict(
    measure: Measure, a: float | None, b: float | None, *, certain: bool, least: float
) -> Verdict:
    if a is None or b is None:
        return "unknown"
    if not certain or abs(b - a) <= least * max(abs(a), abs(b)):
        return "same"
    if measure.rising == "changed":
        return "changed"
    return "worse" if (b > a) == (measure.rising == "worse") else "better"


def _value(measure: Measure, stretch: Stretch) -> float | None:
    if measure.kind == "quantile":
        values = stretch.merged.columns[measure.key]
        return values[0] if values else None
    points = _points(measure, stretch)
    if measure.kind == "level":
        return fmean(points) if points else None
    known = [
        (value, seconds)
        for value, seconds in zip(
            stretch.points.columns[measure.key], stretch.points.elapsed, strict=True
        )
        if value is not None
    ]
    total = sum(seconds for _, seconds in known)
    return sum(value for value, _ in known) / total if total else None


def _points(measure: Measure, stretch: Stretch) -> list[float]:
    """Return the known values of a rate or gauge, one for each point of the time range."""
    series = stretch.points
    values = zip(series.columns[measure.key], series.elapsed, strict=True)
    if measure.kind == "rate":
        return [value / seconds for value, seconds in values if value is not None and seconds > 0]
    return [value for value, _ in values if value is not None]


def _welch(measure: Measure, before: Stretch, after: Stretch) -> bool:
    a, b = _points(measure, before), _points(measure, after)
    if len(a) < 2 or len(b) < 2:
        return False
    spread = math.sqrt(variance(a) / len(a) + variance(b) / len(b))
    distance = abs(fmean(b) - fmean(a))
    return distance > T_LIMIT * spread if spread else distance > 0


def _buckets(measure: Measure, before: Stretch, after: Stretch) -> bool:
    a, b = _value(measure, before), _value(measure, after)
    if a is None or b is None:
        return False
    return abs(b - a) > 2 * BUCKET * max(a, b) and _welch(measure, before, after)


_CERTAIN: Mapping[str, Callable[[Measure, Stretch, Stretch], bool]] = {
    "rate": _welch,
    "level": _welch,
    "quantile": _buckets,
}


def causes(before: Stretch, after: Stretch) -> Sequence[tuple[str, int, int]]:
    """Return a tuple for each cause for which connections ended, sorted by cause.

    A tuple has the cause, and the numbers of connections that ended for this cause in A and in B.
    """
    names = sorted({*before.causes, *after.causes})
    return [(name, before.causes.get(name, 0), after.causes.get(name, 0)) for name in names]
