"""The black box of a connection: its last frames, which explain an abnormal end."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from operator import itemgetter

__all__ = ["FRAMES", "SLOTS", "BlackBox"]

FRAMES = 32
"""Number of frames kept for each connection."""

PAYLOAD_BYTES = 64
"""Number of bytes kept from the start of each frame's payload, if payloads are captured."""

REDACTED_BYTES = 4096
"""Number of bytes, from the start of a frame's payload, that are passed to the redaction hook."""

SLOTS = 2 * FRAMES
"""Number of values in a ring: a power of two, so that hot paths can wrap with a bit mask."""

_NAMES = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


class BlackBox:
    """A ring buffer of a connection's last frames. A frame takes two numbers and no object.

    To add a frame, a hot path stores two numbers and then advances ``at`` by 2, modulo 64:

    * ``ring[at]`` is the monotonic time in seconds.
    * ``ring[at + 1]`` is ``size * 32 + direction + opcode``. The direction is 16 for a sent frame
      and 0 for a received one. A size up to 2**48 is exact in a double.

    Attributes:
        ring: the numbers.
        at: index in ``ring`` at which the next frame is stored.
    """

    __slots__ = ("_payloads", "at", "ring")

    def __init__(self) -> None:
        self.ring = array("d", bytes(8 * SLOTS))
        self.at = 0
        self._payloads: deque[bytes] | None = None

    def record(self, now: float, size: int, opcode: int, *, sent: bool) -> None:
        """Store a frame.

        Args:
            now: monotonic seconds.
            size: payload size in bytes.
            opcode: opcode of the frame.
            sent: True for a sent frame, False for a received one.
        """
        at = self.at
        self.ring[at] = now
        self.ring[at + 1] = size * 32 + 16 * sent + opcode
        self.at = (at + 2) % SLOTS

    def merge(self, other: BlackBox, frames: int) -> None:
        """Merge the newest frames of another black box into this one, in order of time.

        Args:
            other: the other black box.
            frames: how many of its newest frames to merge.
        """
        both = sorted([*self._recent(), *other._recent()[-frames:]], key=itemgetter(0))
        self.ring, self.at = array("d", bytes(8 * SLOTS)), 0
        for time, packed in both[-FRAMES:]:
            self.ring[self.at] = time
            self.ring[self.at + 1] = packed
            self.at = (self.at + 2) % SLOTS

    def _recent(self) -> list[tuple[float, int]]:
        """Return each frame's time and packed size, direction and opcode, oldest frame first."""
        order = [(self.at + 2 * n) % SLOTS for n in range(FRAMES)]
        return [(self.ring[i], int(self.ring[i + 1])) for i in order if self.ring[i]]

    def keep_payload(
        self, payload: bytes | bytearray | memoryview, redact: Callable[[bytes], bytes] | None
    ) -> None:
        """Store the first bytes of the newest frame's payload. Call it after :meth:`record`.

        Args:
            payload: payload of the frame.
            redact: redaction hook. It gets the first :data:`REDACTED_BYTES`, more than are
                stored, so that it can recognize a secret that is longer than the stored part.

        Raises:
            Exception: the hook raised it. No payload is stored for the frame.
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
        """Return the lines of :meth:`lines` as one text, separated by ``"; "``."""
        return "; ".join(self.lines(end))

    def lines(self, end: float) -> list[str]:
        """Return a line of text for each frame, oldest first, such as ``-0.250 in text 12``.

        A line has the frame's time in seconds relative to ``end``, its direction, its opcode, and
        its payload size in bytes.

        Args:
            end: monotonic time at which the connection ended; for an open connection, now.
        """
        frames = self._recent()
        payloads = list(self._payloads or ())[-len(frames) :]
        payloads = [b""] * (len(frames) - len(payloads)) + payloads
        lines = []
        for (time, packed), payload in zip(frames, payloads, strict=True):
            size, rest = divmod(packed, 32)
            direction = "out" if rest & 16 else "in"
            name = _NAMES.get(rest & 15, f"opcode {rest & 15}")
            before = round(time - end, 3) + 0.0  # Adding 0.0 turns -0.0 into 0.0.
            line = f"{before:.3f} {direction} {name} {size}"
            lines.append(f"{line} {payload!r}" if payload else line)
        return lines
