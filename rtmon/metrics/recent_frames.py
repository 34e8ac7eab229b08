"""The black box: the last frames of a connection, kept in case it ends abnormally."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from operator import itemgetter

__all__ = ["FRAMES", "SLOTS", "BlackBox"]

FRAMES = 32
"""Frames kept of each connection."""

PAYLOAD_BYTES = 64
"""Bytes kept of a frame's payload, if payloads are captured."""

REDACTED_BYTES = 4096
"""Bytes of it that are passed to the redaction hook."""

SLOTS = 2 * FRAMES
"""Numbers in the ring: a power of two, so that a hot path wraps around with a mask."""

_NAMES = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


class BlackBox:
    """A ring of the last frames: two numbers a frame, no object.

    A hot path writes ``ring[at] = monotonic seconds``, ``ring[at + 1] = size * 32 + direction
    + opcode`` (direction: 16 for a frame sent, 0 for one received), and advances ``at`` by 2,
    modulo 64. A size up to 2**48 is exact in a double.

    Attributes:
        ring: the numbers.
        at: where the next frame goes.
    """

    __slots__ = ("_payloads", "at", "ring")

    def __init__(self) -> None:
        self.ring = array("d", bytes(8 * SLOTS))
        self.at = 0
        self._payloads: deque[bytes] | None = None

    def record(self, now: float, size: int, opcode: int, *, sent: bool) -> None:
        """Remember a frame."""
        at = self.at
        self.ring[at] = now
        self.ring[at + 1] = size * 32 + 16 * sent + opcode
        self.at = (at + 2) % SLOTS

    def merge(self, other: BlackBox, frames: int) -> None:
        """Merge in the last frames of another ring, in order of time."""
        both = sorted([*self._recent(), *other._recent()[-frames:]], key=itemgetter(0))
        self.ring, self.at = array("d", bytes(8 * SLOTS)), 0
        for time, packed in both[-FRAMES:]:
            self.ring[self.at] = time
            self.ring[self.at + 1] = packed
            self.at = (self.at + 2) % SLOTS

    def _recent(self) -> list[tuple[float, int]]:
        """Yield the time and content of each frame, oldest first."""
        order = [(self.at + 2 * n) % SLOTS for n in range(FRAMES)]
        return [(self.ring[i], int(self.ring[i + 1])) for i in order if self.ring[i]]

    def keep_payload(
        self, payload: bytes | bytearray | memoryview, redact: Callable[[bytes], bytes] | None
    ) -> None:
        """Remember the beginning of a frame's payload after redaction; call it after ``record``.

        The hook gets more than is kept, so that it sees whole secrets. If it raises, nothing is
        kept, and the exception is passed on.
        """
        if self._payloads is None:
            self._payloads = deque(maxlen=FRAMES)
        kept = b""
        try:
            whole = bytes(payload[:REDACTED_BYTES])
            kept = bytes(whole if redact is None else redact(whole))[:PAYLOAD_BYTES]
        finally:
            self._payloads.append(kept)

    def told(self, end: float) -> str:
        """Return the frames as one text; see :meth:`lines`."""
        return "; ".join(self.lines(end))

    def lines(self, end: float) -> list[str]:
        """Return a line for each frame, in order: seconds to the end, direction, opcode, bytes.

        Args:
            end: when the connection ended, or now, in monotonic seconds.
        """
        frames = self._recent()
        payloads = list(self._payloads or ())[-len(frames) :]
        payloads = [b""] * (len(frames) - len(payloads)) + payloads
        lines = []
        for (time, packed), payload in zip(frames, payloads, strict=True):
            size, rest = divmod(packed, 32)
            direction = "out" if rest & 16 else "in"
            name = _NAMES.get(rest & 15, f"opcode {rest & 15}")
            before = round(time - end, 3) + 0.0  # which makes -0.0 0.0
            line = f"{before:.3f} {direction} {name} {size}"
            lines.append(f"{line} {payload!r}" if payload else line)
        return lines
