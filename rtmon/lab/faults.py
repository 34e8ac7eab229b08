"""A TCP proxy between clients and a server that injects network faults.

::

    async with FaultProxy(server) as proxy:     # or "ws://127.0.0.1:8765"
        client = await connect(proxy.url)
        proxy.latency = 0.2                     # seconds, each way
        proxy.set("down", bandwidth=10_000)     # bytes a second, from the server only
        proxy.freeze("up")                      # no byte passes, connections stay open
        proxy.links[0].cut()                    # one connection; proxy.cut() is all

In a notebook a proxy shows itself as sliders and buttons. As a fixture for pytest::

    @pytest.fixture
    async def proxy(server):
        async with rtmon.testing.FaultProxy(server) as proxy:
            yield proxy
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import deque
from typing import Any, Literal
from urllib.parse import urlsplit

from ..errors import OptionError, PortInUse
from .network_conditions import Conditions, Direction, Faults, directions
from .proxied_connection import ProxiedConnection
from .proxy_direction import Side
from .startable import Startable
from .tcp_sockets import dial, hang_up, narrow

__all__ = ["Conditions", "Direction", "FaultProxy", "ProxiedConnection"]

_BACKLOG = 4096
"""Backlog of the listening socket, large enough for a reconnect storm."""

_REMEMBERED = 100_000
"""Number of the latest connection attempts whose times are kept."""


class FaultProxy(Faults, Startable):
    """A TCP proxy that forwards bytes between clients and a server, and injects network faults.

    Faults set on the proxy apply to all connections through the proxy, including new ones. Faults
    set on one of :attr:`links` apply to that connection only. Latency delays the bytes of a
    connection, but not its TCP handshake with the proxy, which the kernel completes. Two runs with
    the same seed have the same random faults on each connection.

    Args:
        upstream: the server: its URL, or an object with a ``url``, such as the result of
            ``rtmon.serve``. The proxy passes the TLS bytes of ``wss://`` on without decryption.
        host: the interface to listen on.
        port: the port to listen on; any that is free by default.
        buffer: size of the kernel's buffers for each socket of the proxy, in bytes. With small
            buffers, a sender is blocked sooner by a frozen link: the kernels of client and server
            then buffer only about ten times this size, and otherwise megabytes. By default the
            kernel decides.
        connections: maximum number of open connections; further ones are refused.
        seed: seed of the random numbers.

    Attributes:
        refusing: True to reset new connections at once.
        accepted: number of connections so far, including refused ones.
        refused: number of connections that were reset at once, because of :attr:`refusing`,
            because ``connections`` were open, or because the server could not be reached.
        stopped: set once the proxy has stopped listening.
        arrivals: times of the latest connections, including refused ones, on the event loop's
            clock.

    Raises:
        OptionError: an argument is wrong.
    """

    def __init__(
        self,
        upstream: Any,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        buffer: int | None = None,
        connections: int = 10_000,
        seed: int = 1,
    ) -> None:
        self._upstream = str(getattr(upstream, "url", upstream))
        self._target = _target(self._upstream)
        self._host, self._port = host, port
        if buffer is not None and buffer < 1:
            raise OptionError(f"buffer is {buffer}: give bytes from 1 on, or None.")
        self._buffer = buffer
        self._bound = connections
        self._seed = seed
        self._conditions = {"up": Conditions(), "down": Conditions()}
        self._links: dict[ProxiedConnection, None] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._listening = False
        self.stopped = asyncio.Event()
        self.refusing = False
        self.accepted = 0
        self.refused = 0
        self.arrivals: deque[float] = deque(maxlen=_REMEMBERED)

    def __repr__(self) -> str:
        where = "not started" if self._server is None else f"at {self.url}"
        return f"<FaultProxy to {self._upstream}, {where}: {len(self.links)} connections>"

    async def start(self) -> None:
        """Start listening.

        Raises:
            PortInUse: another process listens on this port.
            OSError: the address cannot be bound.
        """
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        self.stopped.clear()
        self._listening = True
        try:
            self._server = await loop.create_server(
                lambda: Side(self._accept),
                self._host,
                self._port,
                backlog=_BACKLOG,
                start_serving=False,
            )
            for listener in self._server.sockets:
                narrow(listener, self._buffer)  # accepted sockets inherit it
            await self._server.start_serving()
        except OSError as exc:
            self._listening = False
            if exc.errno is not None and "in use" in str(exc):
                problem = f"the proxy cannot listen on {self._host}:{self._port}: it is in use"
                raise PortInUse(exc.errno, problem) from exc
            raise
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Cut all connections and stop listening. May be called twice."""
        server = self._server
        if server is None:
            return
        if not self._listening:  # another task is stopping it
            await self.stopped.wait()
            return
        self._listening = False
        for listener in server.sockets:
            # If an asyncio server is closed while it accepts a connection, the server drops the
            # connection and the client would wait for ever. So stop accepting first, and then
            # refuse the accepted connections.
            with contextlib.suppress(NotImplementedError, RuntimeError):  # some loops lack it
                asyncio.get_running_loop().remove_reader(listener.fileno())
        await asyncio.sleep(0)
        server.close()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for link in self._links:
            link.abort()
        while self._links:
            self._empty.clear()
            await self._empty.wait()
        await server.wait_closed()
        self._server = None
        self.stopped.set()

    @property
    def port(self) -> int:
        """The port that the proxy listens on."""
        return self._port

    @property
    def url(self) -> str:
        """The URL for clients: the server's URL with the host and port of the proxy."""
        parts = urlsplit(self._upstream)
        host = f"[{self._host}]" if ":" in self._host else self._host
        return parts._replace(netloc=f"{host}:{self._port}").geturl()

    @property
    def links(self) -> list[ProxiedConnection]:
        """The open connections through the proxy, oldest first."""
        return [link for link in self._links if link.open]

    def conditions(self, direction: Literal["up", "down"]) -> Conditions:
        return self._conditions[direction]

    def set(self, direction: Direction = "both", **changes: Any) -> None:
        for each in directions(direction):
            self._conditions[each].update(changes)
        for link in self.links:
            link.set(direction, **changes)

    def cut(self, *, reset: bool = True) -> None:
        for link in self.links:
            link.cut(reset=reset)

    def half_open(self, gone: Literal["server", "client"] = "server") -> None:
        for link in self.links:
            link.half_open(gone)

    def calm(self) -> None:
        """Remove all faults."""
        self.refusing = False
        self.set(**dataclasses.asdict(Conditions()))

    def _ipython_display_(self) -> None:
        from ..display import show
        from .views.fault_proxy_controls import ProxyPicture

        show(ProxyPicture(self))

    def _accept(self, client: Side) -> None:
        if not self._listening:  # accepted while the proxy was stopping
            hang_up(client.transport, reset=True)
            return
        self.accepted += 1
        self.arrivals.append(asyncio.get_running_loop().time())
        if self.refusing or len(self._links) + len(self._connecting) >= self._bound:
            self._refuse(client)
            return
        task = asyncio.get_running_loop().create_task(self._connect(client, self.accepted))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, client: Side, number: int) -> None:
        try:
            server = await dial(self._target, Side, buffer=self._buffer)
        except OSError:
            self._refuse(client)
            return
        except asyncio.CancelledError:
            client.transport.abort()
            raise
        if self._buffer is not None:
            for side in (client, server):
                side.transport.set_write_buffer_limits(high=self._buffer)
        link = ProxiedConnection(
            number,
            client,
            server,
            up=dataclasses.replace(self._conditions["up"]),
            down=dataclasses.replace(self._conditions["down"]),
            seed=self._seed,
            gone=self._gone,
        )
        self._links[link] = None
        if self.refusing:  # since it was accepted
            self.refused += 1
            link.cut()

    def _refuse(self, client: Side) -> None:
        self.refused += 1
        hang_up(client.transport, reset=True)

    def _gone(self, link: ProxiedConnection) -> None:
        self._links.pop(link, None)
        self._empty.set()


def _target(url: str) -> tuple[str, int]:
    """Return the host and port of a server's URL.

    Raises:
        OptionError: the URL has no host or port.
    """
    parts = urlsplit(url)
    with contextlib.suppress(ValueError):
        if parts.scheme in {"ws", "wss", "http", "https"} and parts.hostname:
            return parts.hostname, parts.port or (443 if parts.scheme in {"wss", "https"} else 80)
    raise OptionError(f"{url!r} cannot be proxied: give a server, or ws://HOST:PORT")
