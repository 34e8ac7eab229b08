"""One direction of a connection through the fault proxy: delays bytes, and keeps their order."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import cast

from .network_conditions import Conditions

__all__ = ["BUFFER", "ProxyDirection", "Side"]

BUFFER = 1 << 20
"""Maximum bytes held in one direction. Above this number, the proxy stops reading."""

_SLICE = 0.02
"""Size of a write under a bandwidth limit, as the number of seconds that it takes to send."""


class Side(asyncio.Protocol):
    """One of the two sockets of a proxied connection, which passes received bytes to a direction.

    Attributes:
        transport: the transport of this socket; set once the socket is connected.
    """

    transport: asyncio.Transport

    def __init__(self, connected: Callable[[Side], None] | None = None) -> None:
        self._connected = connected
        self.out: ProxyDirection | None = None
        """The direction that forwards the bytes received from this socket."""
        self.into: ProxyDirection | None = None
        """The direction that writes its bytes to this socket."""
        self.on_lost: Callable[[Side, Exception | None], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()  # until both sockets are connected
        if self._connected is not None:
            self._connected(self)

    def data_received(self, data: bytes) -> None:
        if self.out is not None:
            self.out.take(data)

    def eof_received(self) -> bool:
        if self.out is None:
            return False
        self.out.end()
        return True  # the other direction may continue

    def connection_lost(self, exc: Exception | None) -> None:
        if self.on_lost is not None:
            self.on_lost(self, exc)

    def pause_writing(self) -> None:
        if self.into is not None:
            self.into.blocked = True

    def resume_writing(self) -> None:
        if self.into is not None:
            self.into.blocked = False
            self.into.turn()


class ProxyDirection:
    """Forwards bytes from one socket to the other, delayed by the network conditions.

    Args:
        source: the socket that the bytes are received from.
        sink: the socket that the bytes are written to.
        conditions: the network conditions of this direction, which may change at any time.
        rng: generator of the random numbers for the jitter.
        on_end: called when the sender has ended its stream and all its bytes have been written.
        on_cut: called when ``conditions.cut_after`` bytes have been written.

    Attributes:
        blocked: True while the buffer of the sink is full.
        ended: True after ``on_end`` was called.
        passed: number of bytes written so far.
        held: number of bytes that wait to be written.
    """

    def __init__(
        self,
        source: Side,
        sink: Side,
        conditions: Conditions,
        rng: random.Random,
        *,
        on_end: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> None:
        self.conditions = conditions
        self.blocked = False
        self.ended = False
        self.passed = 0
        self._on_end, self._on_cut = on_end, on_cut
        self._source = source
        self._sink = sink
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, float, bytes]] = deque()  # arrival, random number, data
        self.held = 0
        self._over = False
        self._free = 0.0  # when the bandwidth allows the next byte
        self._timer: asyncio.TimerHandle | None = None

    def take(self, data: bytes) -> None:
        """Queue bytes that the source has received."""
        self._waiting.append((self._loop.time(), self._rng.random(), data))
        self.held += len(data)
        self.turn()

    def end(self) -> None:
        """End the stream to the receiver after all queued bytes have been written."""
        self._over = True
        self.turn()

    def stop(self) -> None:
        """Stop forwarding bytes permanently."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self.held = 0

    def turn(self) -> None:
        """Write all bytes that are due, and schedule the next call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        while self._waiting and not self.conditions.frozen and not self.blocked:
            due, size = self._next(now)
            if due > now:
                self._timer = self._loop.call_at(due, self.turn)
                break
            self._free = due
            if self._give(size):
                return
        if self._over and not self._waiting and not self.conditions.frozen and not self.ended:
            self.ended = True
            self._on_end()
        self._read_on()

    def _next(self, now: float) -> tuple[float, int]:
        """Return the due time and the size, in bytes, of the next write."""
        arrived, chance, data = self._waiting[0]
        due = arrived + self.conditions.latency + self.conditions.jitter * chance
        bandwidth = self.conditions.bandwidth
        if bandwidth is None:
            return due, len(data)
        size = min(len(data), max(1, int(bandwidth * _SLICE)))
        # After an idle time, or when the bandwidth has been raised, bytes are sent without a delay.
        begin = max(due, min(self._free, now))
        return begin + size / bandwidth, size

    def _give(self, size: int) -> bool:
        """Write ``size`` queued bytes. Return True if ``cut_after`` has cut the connection."""
        arrived, chance, data = self._waiting.popleft()
        if size < len(data):
            self._waiting.appendleft((arrived, chance, data[size:]))
        piece = data[:size]
        end = self.conditions.cut_after
        if end is not None:
            piece = piece[: max(0, end - self.passed)]
        self.held -= size
        self.passed += len(piece)
        if not self._sink.transport.is_closing():
            self._sink.transport.write(piece)
        if end is not None and self.passed >= end:
            self._on_cut()
            return True
        return False

    def _read_on(self) -> None:
        """Pause reading from the source if the direction is frozen or its buffer is full.

        Otherwise, resume reading.
        """
        transport = self._source.transport
        if transport.is_closing() or self._over:
            return
        if self.conditions.frozen or self.held >= BUFFER:
            transport.pause_reading()
        else:
            transport.resume_reading()
