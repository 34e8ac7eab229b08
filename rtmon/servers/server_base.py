"""Base class of rtmon's servers; lists their connections and converts errors of binding a port."""

from __future__ import annotations

import contextlib
import errno
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Self

from websockets.asyncio.server import Server
from websockets.protocol import State

from ..errors import OptionError, PortInUse

__all__ = ["BaseServer", "ConnectionFactory", "address", "binding", "port_of"]


_FEW = 64
"""Number of connections above which ended connections are removed from the list."""


class ConnectionFactory:
    """Creates the connections of a server of ``websockets``, and can abort all of them.

    A server that closes waits for all its connections. It waits for an open connection until the
    peer has answered the close frame. It waits for a connection that has sent no request until a
    request arrives; browsers open such connections in advance. `websockets` has a list of open
    connections only, so this class keeps a list of all connections.

    Args:
        create: the function or class that creates a connection.
    """

    def __init__(self, create: Callable[..., Any]) -> None:
        self._create = create
        self._made: list[weakref.ref[Any]] = []
        self._most = _FEW

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        connection = self._create(*args, **kwargs)
        if len(self._made) >= self._most:
            self._made = [weakref.ref(one) for one in self._alive()]
            self._most = max(_FEW, 2 * len(self._made))
        self._made.append(weakref.ref(connection))
        return connection

    def drop(self, *, unasked: bool = False) -> None:
        """Abort all connections that exist now, without a close frame.

        Args:
            unasked: True to abort only connections that have sent no request yet.
        """
        for connection in self._alive():
            transport = getattr(connection, "transport", None)  # None while it is new
            if transport is not None and (
                not unasked or connection.protocol.state is State.CONNECTING
            ):
                transport.abort()

    def _alive(self) -> list[Any]:
        found = [ref() for ref in self._made]
        return [one for one in found if one is not None and one.protocol.state is not State.CLOSED]


class BaseServer(ABC):
    """A server that is started by ``async with server`` or ``await server``."""

    @abstractmethod
    async def start(self) -> None:
        """Start serving, as ``await`` and ``async with`` do. May be called twice."""

    @abstractmethod
    def close(self) -> None:
        """Begin to close the server. May be called twice."""

    @abstractmethod
    async def wait_closed(self) -> None:
        """Wait until the server and its connections are closed."""

    async def aclose(self) -> None:
        """Close the server and wait until it is closed, as ``async with`` does at its end.

        May be called twice.
        """
        self.close()
        await self.wait_closed()

    async def _started(self) -> Self:
        await self.start()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self._started().__await__()

    async def __aenter__(self) -> Self:
        return await self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


def address(host: str | Sequence[str] | None, port: int) -> str:
    """Return ``host:port`` for a URL.

    A wildcard host such as ``0.0.0.0`` becomes the loopback address. Of several hosts, the first is
    used.
    """
    if not isinstance(host, str | None):
        host = next(iter(host), None)
    name = "127.0.0.1" if host in (None, "", "0.0.0.0") else "::1" if host == "::" else host  # noqa: S104 - only compared, nothing is bound
    assert name is not None  # noqa: S101 - for the type checker
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def port_of(server: Server) -> int:
    """Return the port that a running server listens on; 0 for a Unix socket.

    If a server was started with port 0 on IPv4 and IPv6 addresses, each address family has its own
    port. Then the port of IPv4 is returned, which belongs to the host that :func:`address` returns.
    """
    names = [each.getsockname() for each in server.sockets]
    ports = sorted((len(name), name[1]) for name in names if isinstance(name, tuple))
    return int(ports[0][1]) if ports else 0


@contextlib.contextmanager
def binding(what: str, host: str | Sequence[str] | None, port: int | None) -> Iterator[None]:
    """Convert errors of binding a listening socket to exceptions with a helpful message.

    Args:
        what: the listener in messages, such as "the admin listener".
        host: the host or hosts to bind.
        port: the port to bind.

    Raises:
        PortInUse: another process listens on this port.
        OptionError: the host is not an address of this machine, or the port needs privileges.
    """
    where = address(host, port or 0)
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            problem = f"{what} cannot listen on {where}: the port is in use; choose another one"
            raise PortInUse(exc.errno, problem) from exc
        if exc.errno in {errno.EADDRNOTAVAIL, errno.EACCES} or exc.errno is None or exc.errno < 0:
            raise OptionError(f"{what} cannot listen on {where}: {exc.strerror or exc}") from exc
        raise
    except OverflowError as exc:
        raise OptionError(f"{what} cannot listen on port {port}: ports go from 0 to 65535") from exc
