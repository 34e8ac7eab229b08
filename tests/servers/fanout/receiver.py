"""A client that checks each byte: frames by RFC 6455, compression by RFC 7692."""

from __future__ import annotations

import zlib
from typing import Any

__all__ = ["Receiver"]


class Receiver:
    """Parses a server's bytes, and raises AssertionError for bytes that a server must not send.

    Args:
        extensions: the negotiated extensions, from the server's side of the connection.

    Attributes:
        messages: the complete messages, in order; text messages are ``str``.
        controls: opcode and payload of each control frame, in order.
        wire: number of bytes read.
        compressed: number of messages that were compressed.
    """

    def __init__(self, extensions: list[Any] | None = None) -> None:
        deflate = extensions[0] if extensions else None
        self.messages: list[str | bytes] = []
        self.controls: list[tuple[int, bytes]] = []
        self.wire = 0
        self.compressed = 0
        self._deflate = deflate is not None
        self._takeover = deflate is not None and not deflate.local_no_context_takeover
        self._bits = 15 if deflate is None else deflate.local_max_window_bits
        self._inflater = self._new_inflater()
        self._buffer = b""
        self._parts: list[bytes] = []
        self._opcode: int | None = None
        self._inflate = False

    @property
    def payload(self) -> int:
        """Number of payload bytes in all complete messages."""
        return sum(
            len(m.encode(errors="surrogateescape") if isinstance(m, str) else m)
            for m in self.messages
        )

    @property
    def partial(self) -> int:
        """Number of payload bytes in an incomplete message."""
        return sum(map(len, self._parts))

    @property
    def binary(self) -> int:
        """Number of binary messages."""
        return sum(isinstance(message, bytes) for message in self.messages)

    @property
    def closed(self) -> bool:
        """True once a close frame has arrived."""
        return any(opcode == 8 for opcode, _ in self.controls)

    def read(self, data: bytes) -> None:
        """Parse bytes of the server."""
        self.wire += len(data)
        self._buffer += data
        while (frame := self._frame()) is not None:
            # RFC 6455, 5.5.1 forbids data frames after a close frame; a pong is allowed.
            assert not self.closed or frame[0] & 8, "data came after the close frame"
            self._take(*frame)

    def _frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        assert not buffer[1] & 0x80, "a server masks nothing"
        length, start = buffer[1], 2
        if length == 126:
            length, start = int.from_bytes(buffer[2:4], "big"), 4
            assert len(buffer) < 4 or length >= 126, "the shortest form of a length is a must"
        elif length == 127:
            length, start = int.from_bytes(buffer[2:10], "big"), 10
            assert len(buffer) < 10 or length >= 65_536, "the shortest form of a length is a must"
        if len(buffer) < start + length:
            return None
        self._buffer = buffer[start + length :]
        return buffer[0], buffer[start : start + length]

    def _take(self, head: int, data: bytes) -> None:
        opcode, fin, rsv1 = head & 15, bool(head & 0x80), bool(head & 0x40)
        assert not head & 0x30, "reserved bits are set"
        if opcode >= 8:
            assert fin
            assert not rsv1
            assert len(data) <= 125
            self.controls.append((opcode, data))
            return
        if opcode:
            assert self._opcode is None, "a message begins in the middle of another"
            assert self._deflate or not rsv1, "compressed, and that was not agreed on"
            self._opcode, self._inflate = opcode, rsv1
            if rsv1:
                self.compressed += 1
                if not self._takeover:
                    self._inflater = self._new_inflater()
        else:
            assert self._opcode is not None, "a continuation of nothing"
            assert not rsv1
        if self._inflate:
            data = self._inflater.decompress(data + (b"\x00\x00\xff\xff" if fin else b""))
        self._parts.append(data)
        if fin:
            whole, self._parts = b"".join(self._parts), []
            self.messages.append(_text(whole) if self._opcode == 1 else whole)
            self._opcode = None

    def _new_inflater(self) -> Any:
        return zlib.decompressobj(wbits=-self._bits)


def _text(data: bytes) -> str:
    # `text=True` sends bytes without a check; the caller is responsible for valid UTF-8.
    return data.decode(errors="surrogateescape")
