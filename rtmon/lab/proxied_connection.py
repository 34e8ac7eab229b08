"""One client's connection through a :class:`~rtmon.lab.faults.FaultProxy`, and its faults.

``up`` is from the client to the server, ``down`` from the server to the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Literal

from ..core.option_validation import one_of
from .network_conditions import Conditions, Direction, Faults, directions
from .proxy_direction import ProxyDirection, Side
from .tcp_sockets import hang_up

__all__ = ["ProxiedConnection"]


class ProxiedConnection(Faults):
    """One client's connection through a fault proxy.

    Attributes:
        number: sequence number of the connection, from 1.
        client: the client's address.
        remote: the local address of the proxy's socket to the server, which the server reports
            as ``remote``.
        open: True until the connection is cut or has ended.
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
        gone: Callable[[ProxiedConnection], None],
    ) -> None:
        self.number = number
        self.client = _address(client.transport, "peername")
        self.remote = _address(server.transport, "sockname")
        self._gone = gone
        self._client, self._server = client, server
        self._ways = {
            "up": self._way("up", client, server, up, seed),
            "down": self._way("down", server, client, down, seed),
        }
        self._live = {client, server}
        self.open = True
        self._swallows = False
        for side, out, into in ((client, "up", "down"), (server, "down", "up")):
            side.out, side.into = self._ways[out], self._ways[into]
            side.on_lost = self._lost
        for way in self._ways.values():
            way.turn()

    def _way(
        self, name: str, source: Side, sink: Side, conditions: Conditions, seed: int
    ) -> ProxyDirection:
        return ProxyDirection(
            source,
            sink,
            conditions,
            random.Random(f"{seed}/{self.number}/{name}"),
            on_end=lambda: self._way_ended(sink),
            on_cut=lambda: self.cut(reset=False),
        )

    def __repr__(self) -> str:
        return f"<Link {self.number} of {self.client}: {self.bytes_up} up, {self.bytes_down} down>"

    @property
    def bytes_up(self) -> int:
        """Bytes passed from the client to the server, including the handshake."""
        return self._ways["up"].passed

    @property
    def bytes_down(self) -> int:
        """Bytes passed from the server to the client, including the handshake."""
        return self._ways["down"].passed

    @property
    def under_way(self) -> int:
        """Number of bytes that wait in the proxy, in both directions together."""
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
        one_of("gone", gone, "server", "client")
        side, other = self._client, self._server
        if gone == "server":
            side, other = other, side
        self._swallows = True
        for way in self._ways.values():
            way.stop()
        other.out = None
        if not other.transport.is_closing():
            other.transport.resume_reading()  # its bytes are dropped
        hang_up(side.transport, reset=True)

    def _way_ended(self, sink: Side) -> None:
        """Handle the end of one direction. The connection ends when both directions have ended."""
        if all(way.ended for way in self._ways.values()):
            for side in (self._client, self._server):
                side.transport.close()
            self._end()
        elif not sink.transport.is_closing():
            with contextlib.suppress(OSError):  # it has just closed
                sink.transport.write_eof()

    def abort(self) -> None:
        """End the connection at once, and drop all bytes that wait in the proxy."""
        self._end()
        for side in self._live:
            side.transport.abort()

    def _lost(self, side: Side, exc: Exception | None) -> None:
        self._live.discard(side)
        if self.open and not (self._swallows and self._live):
            # If one side's TCP connection was reset, reset the other side's. After a normal close,
            # both have ended.
            self.cut(reset=exc is not None)
        if not self._live:
            self._gone(self)

    def _end(self) -> None:
        self.open = False
        for way in self._ways.values():
            way.stop()


def _address(transport: asyncio.Transport, which: str) -> str:
    """Return a socket address as text, in the form in which a Monitor reports addresses."""
    host, port = transport.get_extra_info(which)[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
