"""Histories of channels, bounded by size, age and number. Pure: time is passed in.

A position is an epoch, one for the life of a store, and an offset, which counts the
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
    """What a channel's history has after some offset.

    Attributes:
        items: (offset, item), oldest first.
        offset: of the channel's latest publication.
        complete: whether nothing after the asked offset is missing.
    """

    items: list[tuple[int, T]]
    offset: int
    complete: bool


class _Stream(Generic[T]):
    """One channel's publications."""

    __slots__ = ("entries", "offset", "pins")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.entries: deque[tuple[int, float, T]] = deque()
        self.pins = 0

    def trim(self, size: int, oldest: float) -> None:
        entries = self.entries
        while entries and (len(entries) > size or entries[0][1] < oldest):
            entries.popleft()


class HistoryStore(Generic[T]):
    """The histories of all channels.

    Args:
        epoch: names the life of this store; positions of another one mean nothing here.
        channels: how many channels without subscribers are kept; past it, the one longest unused
            is forgotten. It is given higher offsets when it comes back, so that a position
            from before is never mistaken for a later one.
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
            channel: where.
            item: what.
            size: how many are kept.
            age: for how many seconds they are kept.
            now: the time, in seconds that only grow.

        Returns:
            Its offset.
        """
        stream = self._use(channel)
        stream.offset += 1
        stream.entries.append((stream.offset, now, item))
        stream.trim(size, now - age)
        return stream.offset

    def offset(self, channel: str) -> int:
        """The offset of a channel's latest publication, 0 if there was none."""
        return self._use(channel).offset

    def since(self, channel: str, offset: int, *, age: float, now: float) -> HistorySlice[T]:
        """What was published after an offset, as far as it is kept."""
        stream = self._use(channel)
        stream.trim(len(stream.entries), now - age)
        items = [(at, item) for at, _, item in stream.entries if at > offset]
        # Offsets are dense: nothing is missing if as many are here as were counted.
        return HistorySlice(items, stream.offset, len(items) == stream.offset - offset)

    def pin(self, channel: str) -> None:
        """Hold a channel: it is not forgotten while it has subscribers."""
        stream = self._use(channel)
        stream.pins += 1
        if stream.pins == 1:
            self._pinned += 1

    def unpin(self, channel: str) -> None:
        """Let go of a channel, once for each :meth:`pin`."""
        stream = self._streams[channel]
        stream.pins -= 1
        if stream.pins == 0:
            self._pinned -= 1
            self._forget()

    def _use(self, channel: str) -> _Stream[T]:
        stream = self._streams.get(channel)
        if stream is None:
            stream = self._streams[channel] = _Stream(self._floor)
            self._forget(keep=channel)
        else:
            self._streams.move_to_end(channel)
        return stream

    def _forget(self, keep: str | None = None) -> None:
        excess = len(self._streams) - self._pinned - self._channels
        if excess <= 0:
            return
        idle = (n for n, s in self._streams.items() if s.pins == 0 and n != keep)
        for name in [name for name, _ in zip(idle, range(excess), strict=False)]:
            self._floor = max(self._floor, self._streams.pop(name).offset)
