"""Whole messages in a stream of server-sent events, wherever it was cut into pieces."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["EventStream"]

_FIELD = b"data"
_HEAD = len(_FIELD) + 2
"""Bytes of a line that say what it is: the field's name, its colon, and a space."""


class EventStream:
    """Finds the events of a ``text/event-stream`` as it is written, keeping none of its bytes.

    An event is what a browser dispatches (HTML Standard, "Server-sent events", 9.2.6): lines
    that end with a blank one, at least one of them with the field ``data``. Comments, such as
    those that keep a stream alive, are none.
    """

    __slots__ = ("_after_cr", "_head", "_length", "_size")

    def __init__(self) -> None:
        self._head = b""
        self._length = 0
        self._size: int | None = None
        self._after_cr = False

    def feed(self, chunk: bytes) -> Iterator[int]:
        """Read on; gives the bytes of payload of each event that ends here.

        The payload is what a browser has as ``event.data``, in UTF-8: the values of the field
        ``data``, joined by line feeds.
        """
        if not chunk:
            return
        halved, self._after_cr = self._after_cr, chunk.endswith(b"\r")
        if halved and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        for line in chunk.splitlines(keepends=True):
            content = line.rstrip(b"\r\n")
            self._head += content[: _HEAD - len(self._head)]
            self._length += len(content)
            if len(content) < len(line):
                size = self._line()
                if size is not None:
                    yield size

    def _line(self) -> int | None:
        """A line has ended; the size of the event that ended with it."""
        head, length = self._head, self._length
        self._head, self._length = b"", 0
        if not length:
            size, self._size = self._size, None
            return size
        name, colon, _ = head.partition(b":")
        if name == _FIELD and (colon or length == len(_FIELD)):
            value = length - len(_FIELD) - len(colon) - head.endswith(b": ")
            self._size = value if self._size is None else self._size + 1 + value
        return None
