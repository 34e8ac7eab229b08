"""What all connections of one role have done together: plain integers that probes add to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .columns import METER_COUNTERS
from .histogram import BYTE, HistogramRecorder

if TYPE_CHECKING:
    from .meter import Meter
    from .share import Shared

__all__ = ["DIRECT", "Ledger"]

DIRECT = tuple(name for name in METER_COUNTERS if not name.startswith(("messages_", "bytes_")))
"""Counters whose total the ledger counts beside the meter; sizes give the others."""


class Ledger:
    """What all connections of one role add up to, counted as it happens.

    The sizes of messages hold their number and their bytes too, so that a hot path writes
    each once. A tick takes everything in time that does not depend on how many connections
    there are; the dirty list only says which rows have changed.

    Attributes:
        sizes_in: size of each whole message received since the last tick.
        sizes_out: size of each whole message sent since the last tick.
        handler: durations of handlers, in microseconds.
        receive: waits of messages for their handler, in microseconds.
        partial_in: bytes of messages not yet whole, less what whole ones had been counted for.
        partial_out: the same for what is sent.
        dirty: the meters that changed since the last tick.
        moved: what was sent to several connections alike since the last tick.
        probes: the kinds of probe that have made a meter here.
    """

    __slots__ = (
        *DIRECT,
        "dirty",
        "handler",
        "moved",
        "partial_in",
        "partial_out",
        "probes",
        "receive",
        "sizes_in",
        "sizes_out",
    )

    wire_in: int
    wire_out: int
    binary_in: int
    binary_out: int

    def __init__(self) -> None:
        self.sizes_in = HistogramRecorder(BYTE)
        self.sizes_out = HistogramRecorder(BYTE)
        self.handler = HistogramRecorder()
        self.receive = HistogramRecorder()
        self.partial_in = 0
        self.partial_out = 0
        self.dirty: list[Meter] = []
        self.moved: list[Shared] = []
        self.probes: set[str] = set()
        for counter in DIRECT:
            setattr(self, counter, 0)

    def fold(self) -> None:
        """Find out whose rows have changed by what was sent to several connections alike."""
        moved, self.moved = self.moved, []
        for shared in moved:
            shared.mark()

    def stop(self) -> None:
        """Keep nothing that grows of what is added from now on."""
        for recorder in (self.sizes_in, self.sizes_out, self.handler, self.receive):
            recorder.stop()
