"""Read one connection's details in the server process: headers, rooms, time series, frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..metrics.connection_series import COLUMNS
from ..metrics.safe_text import safe_text
from .queries import DetailAnswer, SeriesAnswer

if TYPE_CHECKING:
    from ..core.clock import Clock
    from ..metrics.collector import Collector
    from ..metrics.meter import Meter
    from ..metrics.redaction import Redaction
    from .queries import Source

__all__ = ["DETAILS", "with_details"]

DETAILS = ("series", "headers", "rooms", "frames")
"""Fields of a :class:`DetailAnswer` that only the server can fill."""

HEADERS = 64
"""Maximum number of request headers in an answer.

Names and values are cut to at most 256 characters.
"""


def with_details(
    known: DetailAnswer, collector: Collector, clock: Clock, redaction: Redaction
) -> DetailAnswer:
    """Return ``known`` with the connection's headers, rooms, time series and last frames added.

    If the connection is open, this call also makes the server record its time series for the next
    minute.

    Args:
        known: the connection's row and Events. If it has no row, it is returned unchanged.
        collector: the Collector that counts the connection.
        clock: source of the current time.
        redaction: redacts the request headers.
    """
    if known.info is None:
        return known
    meter = collector.find(known.info.id)
    if meter is None:
        return replace(
            known, missing=dict.fromkeys(DETAILS, "the server no longer has this connection")
        )
    missing = {}
    if meter.closed is None:
        collector.closeups.look(meter.id, clock.monotonic())
    headers = _headers(meter.request)
    if headers is None:
        missing["headers"] = "the probe does not see the handshake"
    rooms = None if meter.closed is not None else collector.places_of(meter)
    if rooms is None:
        why = "the connection is closed" if meter.closed is not None else "there is no hub"
        missing["rooms"] = why
    frames = _frames(meter, clock)
    if frames is None:
        missing["frames"] = "no frames of this connection are kept"
    return replace(
        known,
        series=_series(known.source, collector, meter.id),
        headers=None if headers is None else redaction.request_headers(headers),
        rooms=rooms,
        frames=frames,
        missing=missing,
    )


def _headers(request: Any) -> list[tuple[str, str]] | None:
    if request is None:
        return None
    pairs: Iterable[tuple[Any, Any]]
    pairs = request.headers.raw_items() if hasattr(request, "headers") else request
    found = []
    for name, value in list(pairs)[:HEADERS]:
        texts = [t.decode("latin-1") if isinstance(t, bytes) else t for t in (name, value)]
        found.append((safe_text(texts[0]) or "", safe_text(texts[1]) or ""))
    return found


def _frames(meter: Meter, clock: Clock) -> list[str] | None:
    if meter.closed is not None:
        return None if meter.last_frames is None else meter.last_frames.split("; ")
    box = meter.recent_frames()
    return None if box is None else box.lines(clock.monotonic())


def _series(source: Source, collector: Collector, identity: str) -> SeriesAnswer:
    points = collector.closeups.points(identity)
    return SeriesAnswer(
        source=source,
        level=1,
        epochs=[collector.epoch] * len(points),
        seqs=[point[0] for point in points],
        times=[point[1] for point in points],
        elapsed=[point[2] for point in points],
        ticks=[1] * len(points),
        columns={name: [point[3][n] for point in points] for n, name in enumerate(COLUMNS)},
    )
