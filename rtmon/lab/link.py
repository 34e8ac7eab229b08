"""One connection through a :class:`~rtmon.lab.faults.FaultProxy`: two directions, each with faults.

Bytes wait in order until they are due. ``up`` is from the client to the server, ``down`` from the
server to the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, cast

from ..errors import OptionError
from .conditions import Conditions, Direction, Faults, directions

__all__ = ["BUFFER", "Link", "Side", "hang_up"]

BUFFER = 1 << 20
"""Bytes under way in one direction at most; beyond, nothing more is read from the sender."""

_SLICE = 0.02
"""Seconds' worth of bytes that a bandwidth lets through at once."""

_LINGER = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing throws away what is under way and sends a reset (RFC 9293, 3.10.4)."""


class Side(asyncio.Protocol):
    """One of the two sockets of a link; what it hears it tells.

    Attributes:
        transport: its socket; set once it is connected.
    """

    transport: asyncio.Transport

    def __init__(self, connected: Callable[[Side], None] | None = None) -> None:
        self._connected = connected
        self.out: _Way | None = None
        """Where what is read here goes."""
        self.into: _Way | None = None
        """Where what is written here comes from."""
        self.on_lost: Callable[[Side, Exception | None], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()  # until it is linked
        if self._connected is not None:
            self._connected(self)

    def data_received(self, data: bytes) -> None:
        if self.out is not None:
            self.out.take(data)

    def eof_received(self) -> bool:
        if self.out is None:
            return False
        self.out.end()
        return True  # the other direction may go on

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


class _Way:
    """One direction: takes bytes from one side, gives them to the other when they are due."""

    def __init__(
        self, link: Link, source: Side, sink: Side, conditions: Conditions, rng: random.Random
    ) -> None:
        self.conditions = conditions
        self.blocked = False
        self.ended = False
        self.passed = 0
        self._link = link
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
        """Bytes have come."""
        self._waiting.append((self._loop.time(), self._rng.random(), data))
        self.held += len(data)
        self.turn()

    def end(self) -> None:
        """The sender has ended; the receiver hears of it behind all that was sent before."""
        self._over = True
        self.turn()

    def stop(self) -> None:
        """Nothing passes any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self.held = 0

    def turn(self) -> None:
        """Give what is due, and see to it that there will be a next time."""
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
            self._link.way_ended(self._sink)
        self._read_on()

    def _next(self, now: float) -> tuple[float, int]:
        """When the next piece is due, and how many bytes it has."""
        arrived, chance, data = self._waiting[0]
        due = arrived + self.conditions.latency + self.conditions.jitter * chance
        bandwidth = self.conditions.bandwidth
        if bandwidth is None:
            return due, len(data)
        size = min(len(data), max(1, int(bandwidth * _SLICE)))
        # A line that was idle, or became faster, owes nothing for the time before.
        begin = max(due, min(self._free, now))
        return begin + size / bandwidth, size

    def _give(self, size: int) -> bool:
        """Pass a piece on. Returns whether the connection was cut by it."""
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
            self._link.cut(reset=False)
            return True
        return False

    def _read_on(self) -> None:
        """Read from the sender, unless frozen or too much is under way."""
        transport = self._source.transport
        if transport.is_closing() or self._over:
            return
        if self.conditions.frozen or self.held >= BUFFER:
            transport.pause_reading()
        else:
            transport.resume_reading()


class Link(Faults):
    """One connection through the proxy.

    Attributes:
        number: which, from 1.
        client: the client's address.
        remote: the proxy's own address towards the server: what the server calls ``remote``.
        open: whether it is neither cut nor ended.
    """

    def __init__(
        self,
        number: int,
        client: Side,
        server: Side,
        *,
        up: Conditions,
        down: Conditions,
        seed: int,
        gone: Callable[[Link], None],
    ) -> None:
        self.number = number
        self.client = _address(client.transport, "peername")
        self.remote = _address(server.transport, "sockname")
        self._gone = gone
        self._client, self._server = client, server
        rng = random.Random(f"{seed}/{number}/up"), random.Random(f"{seed}/{number}/down")
        self._ways = {
            "up": _Way(self, client, server, up, rng[0]),
            "down": _Way(self, server, client, down, rng[1]),
        }
        self._live = {client, server}
        self.open = True
        self._swallows = False
        for side, out, into in ((client, "up", "down"), (server, "down", "up")):
            side.out, side.into = self._ways[out], self._ways[into]
            side.on_lost = self._lost
        for way in self._ways.values():
            way.turn()

    def __repr__(self) -> str:
        return f"<Link {self.number} of {self.client}: {self.bytes_up} up, {self.bytes_down} down>"

    @property
    def bytes_up(self) -> int:
        """Bytes passed from the client to the server, of the handshake too."""
        return self._ways["up"].passed

    @property
    def bytes_down(self) -> int:
        """Bytes passed from the server to the client."""
        return self._ways["down"].passed

    @property
    def under_way(self) -> int:
        """Bytes that wait in the proxy, both ways together."""
        return sum(way.held for way in self._ways.values())

    def conditions(self, direction: Literal["up", "down"]) -> Conditions:
        return self._ways[direction].conditions

    def set(self, direction: Direction = "both", **changes: Any) -> None:
        for each in directions(direction):
            self._ways[each].conditions.update(changes)
        for each in directions(direction):
            if self.open and not self._swallows:
                self._ways[each].turn()

    def cut(self, *, reset: bool = True) -> None:
        for side in (self._client, self._server):
            hang_up(side.transport, reset=reset)
        self._end()

    def half_open(self, gone: Literal["server", "client"] = "server") -> None:
        if gone not in {"server", "client"}:
            raise OptionError(f"gone is {gone!r}: give 'server' or 'client'.")
        side, other = self._client, self._server
        if gone == "server":
            side, other = other, side
        self._swallows = True
        for way in self._ways.values():
            way.stop()
        other.out = None
        if not other.transport.is_closing():
            other.transport.resume_reading()  # what it sends vanishes
        hang_up(side.transport, reset=True)

    def way_ended(self, sink: Side) -> None:
        """A direction has come to its end; with the second one all is over."""
        if all(way.ended for way in self._ways.values()):
            for side in (self._client, self._server):
                side.transport.close()
            self._end()
        elif not sink.transport.is_closing():
            with contextlib.suppress(OSError):  # it went away this moment
                sink.transport.write_eof()

    def abort(self) -> None:
        """End it, and give up what is still being written to a receiver that does not read."""
        self._end()
        for side in self._live:
            side.transport.abort()

    def _lost(self, side: Side, exc: Exception | None) -> None:
        self._live.discard(side)
        if self.open and not (self._swallows and self._live):
            # Who was reset hands that on; whoever closed in good order ended both ways before.
            self.cut(reset=exc is not None)
        if not self._live:
            self._gone(self)

    def _end(self) -> None:
        self.open = False
        for way in self._ways.values():
            way.stop()


def hang_up(transport: asyncio.Transport, *, reset: bool) -> None:
    """Close a socket: by a reset, or in good order but without waiting for the receiver."""
    if transport.is_closing():
        return
    if reset:
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _LINGER
            )
        transport.abort()
    else:
        transport.close()


def _address(transport: asyncio.Transport, which: str) -> str:
    """As a Monitor writes it."""
    host, port = transport.get_extra_info(which)[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
