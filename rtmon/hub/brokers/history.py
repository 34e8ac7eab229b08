"""In-memory histories of channels, limited in number and age of publications, and in channels.

A position is an epoch and an offset. Each store has its own epoch. The offset counts the
publications of one channel from 1.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["HistorySlice", "HistoryStore"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HistorySlice(Generic[T]):
    """The publications of one channel after a requested offset.

    Attributes:
        items: pairs (offset, publication), oldest first.
        offset: offset of the channel's latest publication.
        complete: True if no publication after the requested offset is missing.
    """

    items: list[tuple[int, T]]
    offset: int
    complete: bool


class _Stream(Generic[T]):
    """The history of one channel.

    Attributes:
        offset: offset of the latest publication.
        entries: (offset, time, publication), oldest first.
        pins: how often the history is pinned.
    """

    __slots__ = ("entries", "offset", "pins")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.entries: deque[tuple[int, float, T]] = deque()
        self.pins = 0

    def trim(self, size: int, oldest: float) -> None:
        """Keep at most ``size`` publications, and none that is older than the time ``oldest``."""
        entries = self.entries
        while entries and (len(entries) > size or entries[0][1] < oldest):
            entries.popleft()


class HistoryStore(Generic[T]):
    """The histories of all channels.

    Args:
        epoch: id of this store's lifetime. Positions with another epoch are invalid.
        channels: maximum number of channels without subscribers. Above it, the least recently used
            channel is evicted. If an evicted channel is used again, its offsets start above the
            highest evicted offset, so that an old position is never mistaken for a new one.
    """

    def __init__(self, *, epoch: str, channels: int) -> None:
        self.epoch = epoch
        self._channels = channels
        self._streams: OrderedDict[str, _Stream[T]] = OrderedDict()
        self._pinned = 0
        self._floor = 0

    def __len__(self) -> int:
        return len(self._streams)

    def append(self, channel: str, item: T, *, size: int, age: float, now: float) -> int:
        """Store a publication.

        Args:
            channel: key of the channel.
            item: the publication.
            size: maximum number of publications kept for the channel.
            age: seconds for which they are kept.
            now: the time, in monotonic seconds.

        Returns:
            The offset of the publication.
        """
        stream = self._use(channel)
        stream.offset += 1
        stream.entries.append((stream.offset, now, item))
        stream.trim(size, now - age)
        return stream.offset

    def offset(self, channel: str) -> int:
        """Return the offset of a channel's latest publication, 0 if there was none."""
        return self._use(channel).offset

    def since(self, channel: str, offset: int, *, age: float, now: float) -> HistorySlice[T]:
        """Return the kept publications of a channel after an offset.

        Args:
            channel: key of the channel.
            offset: publications after this offset are returned.
            age: seconds for which publications are kept.
            now: the time, in monotonic seconds.
        """
        stream = self._use(channel)
        stream.trim(len(stream.entries), now - age)
        items = [(at, item) for at, _, item in stream.entries if at > offset]
        # Offsets have no gaps, so the count shows whether a publication is missing.
        return HistorySlice(items, stream.offset, len(items) == stream.offset - offset)

    def pin(self, channel: str) -> None:
        """Protect a channel from eviction while it has subscribers."""
        stream = self._use(channel)
        stream.pins += 1
        if stream.pins == 1:
            self._pinned += 1

    def unpin(self, channel: str) -> None:
        """Undo one call of :meth:`pin`. A channel without pins may be evicted."""
        stream = self._streams[channel]
        stream.pins -= 1
        if stream.pins == 0:
            self._pinned -= 1
            self._forget()

    def _use(self, channel: str) -> _Stream[T]:
        """Return a channel's history, and mark it as the most recently used."""
        stream = self._streams.get(channel)
        if stream is None:
            stream = self._streams[channel] = _Stream(self._floor)
            self._forget(keep=channel)
        else:
            self._streams.move_to_end(channel)
        return stream

    def _forget(self, keep: str | None = None) -> None:
        """Evict the least recently used unpinned histories if there are too many.

        The history of the channel ``keep`` is not evicted.
        """
        excess = len(self._streams) - self._pinned - self._channels
        if excess <= 0:
            return
        idle = (n for n, s in self._streams.items() if s.pins == 0 and n != keep)
        for name in [name for name, _ in zip(idle, range(excess), strict=False)]:
            self._floor = max(self._floor, self._streams.pop(name).offset)
