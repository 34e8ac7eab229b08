"""One direction of a proxied connection: a queue of bytes, each with the time when it is due."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import cast

from .network_conditions import Conditions

__all__ = ["BUFFER", "ProxyDirection", "Side"]

BUFFER = 1 << 20
"""Maximum number of bytes queued in one direction. Above it, the proxy stops reading."""

_SLICE = 0.02
"""Burst of a bandwidth limit, in seconds of that bandwidth."""


class Side(asyncio.Protocol):
    """One of the two sockets of a proxied connection, which passes received bytes to a direction.

    Attributes:
        transport: the transport of the socket; set when the socket is connected.
    """

    transport: asyncio.Transport

    def __init__(self, connected: Callable[[Side], None] | None = None) -> None:
        self._connected = connected
        self.out: ProxyDirection | None = None
        """The direction that carries bytes received on this socket."""
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
    """Takes bytes from one socket of a connection, and writes them to the other when they are due.

    Args:
        source: the socket that receives the bytes.
        sink: the socket that the bytes are written to.
        conditions: network conditions of the direction, which may change.
        rng: random number generator for the jitter.
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
        self._waiting: deque[tuple[float, float, bytes]] = deque()  # when it came, chance, bytes
        self.held = 0
        self._over = False
        self._free = 0.0  # when the line is free, at this bandwidth
        self._timer: asyncio.TimerHandle | None = None

    def take(self, data: bytes) -> None:
        """Queue bytes received from the sender."""
        self._waiting.append((self._loop.time(), self._rng.random(), data))
        self.held += len(data)
        self.turn()

    def end(self) -> None:
        """End the receiver's stream after all bytes queued so far."""
        self._over = True
        self.turn()

    def stop(self) -> None:
        """Stop passing bytes permanently."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self.held = 0

    def turn(self) -> None:
        """Write the bytes that are due, and schedule the next write."""
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
        """Return when the next bytes are due, and how many bytes may be written then."""
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
        """Write the next bytes; return True if ``cut_after`` was reached and the connection cut."""
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
        """Read from the sender again, unless frozen or :data:`BUFFER` bytes are queued."""
        transport = self._source.transport
        if transport.is_closing() or self._over:
            return
        if self.conditions.frozen or self.held >= BUFFER:
            transport.pause_reading()
        else:
            transport.resume_reading()
