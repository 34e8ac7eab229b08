"""Count WebSocket frames of a server without decoding them."""

from __future__ import annotations

__all__ = ["FrameCounter", "pings_in"]


class FrameCounter:
    """Counts the data frames in a stream of bytes, however the stream is split."""

    __slots__ = ("_head", "_skip")

    def __init__(self) -> None:
        self._skip = 0
        self._head = b""

    def feed(self, data: bytes) -> int:
        """Take received bytes; return how many text and binary frames begin in them."""
        if self._head:
            data, self._head = self._head + data, b""
        at, size, found = self._skip, len(data), 0
        while at < size:
            kind, length = data[at], data[at + 1] if at + 1 < size else 0
            header = 2 if length < 126 else 4 if length == 126 else 10
            if at + header > size:
                self._head = data[at:]
                at = size
                break
            if length > 125:
                length = int.from_bytes(data[at + 2 : at + header])
            found += kind & 0x0F in {1, 2}
            at += header + length
        self._skip = at - size
        return found


def pings_in(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the payloads of all complete pings, and the bytes of an incomplete last frame."""
    at, size = 0, len(data)
    found = []
    while at + 2 <= size:
        length = data[at + 1]
        start = at + (2 if length < 126 else 4 if length == 126 else 10)
        if length > 125:
            length = int.from_bytes(data[at + 2 : start])
        if start + length > size:
            break
        if data[at] & 0x0F == 9:
            found.append(data[start : start + length])
        at = start + length
    return found, data[at:]
