"""Find whole events in a stream of server-sent events that arrives in pieces of any size."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["EventStream"]

_FIELD = b"data"
_HEAD = len(_FIELD) + 2
"""Number of bytes of a line that determine its field: the name ``data``, a colon, and a space."""


class EventStream:
    """Finds the events in a ``text/event-stream`` while it is written, without storing its data.

    An event is what a browser dispatches (HTML Standard, "Server-sent events", 9.2.6): lines that
    end with a blank line, at least one of them with the field ``data``. Comments are no events,
    such as those that keep a connection alive.
    """

    __slots__ = ("_after_cr", "_head", "_length", "_size")

    def __init__(self) -> None:
        self._head = b""
        self._length = 0
        self._size: int | None = None
        self._after_cr = False

    def feed(self, chunk: bytes) -> Iterator[int]:
        """Read the next piece of the stream.

        Yields the payload size in bytes of each event that ends in this piece. The payload is the
        text that a browser has as ``event.data``, in UTF-8: the values of the ``data`` fields,
        joined by line feeds.
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
        """Process the end of a line. Returns the size of the event that it ended, else None."""
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
