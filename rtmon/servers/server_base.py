"""What the servers of rtmon have in common.

Their use, their end, whoever is connected, and clear words when there is no port.
"""

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
"""Connections beyond which those that are gone are forgotten."""


class ConnectionFactory:
    """Makes the connections of a server of ``websockets``, and can drop those there are.

    A server that ends waits for each of them: for one that is open until the peer has answered
    its close frame, and for one that has asked for nothing yet, as browsers open them in advance,
    until it does. The library itself does not tell of the latter, nor of those that it closes.

    Args:
        create: makes a connection.
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
        """Drop all that there are now, without another word.

        Args:
            unasked: only those that have not been opened.
        """
        for connection in self._alive():
            transport = getattr(connection, "transport", None)  # one just made has none
            if transport is not None and (
                not unasked or connection.protocol.state is State.CONNECTING
            ):
                transport.abort()

    def _alive(self) -> list[Any]:
        found = [ref() for ref in self._made]
        return [one for one in found if one is not None and one.protocol.state is not State.CLOSED]


class BaseServer(ABC):
    """A server that runs inside ``async with server``, or from ``await server`` on."""

    @abstractmethod
    async def start(self) -> None:
        """Begin to serve; what ``await`` and ``async with`` do. Idempotent."""

    @abstractmethod
    def close(self) -> None:
        """Begin to end; idempotent."""

    @abstractmethod
    async def wait_closed(self) -> None:
        """Wait until all is ended."""

    async def aclose(self) -> None:
        """End, and wait until all is ended; what ``async with`` does. Idempotent."""
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
    """``host:port`` as it stands in a URL; a wildcard host is named by its loopback address.

    Of several hosts it is the first.
    """
    if not isinstance(host, str | None):
        host = next(iter(host), None)
    name = "127.0.0.1" if host in (None, "", "0.0.0.0") else "::1" if host == "::" else host  # noqa: S104 - compared, not bound
    assert name is not None  # noqa: S101 - for the type checker
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def port_of(server: Server) -> int:
    """The port that a running server listens on; 0 for a Unix socket.

    With port 0 and hosts of both families, each has a port of its own, and which socket is the
    first is left to chance: it is the one of IPv4, which :func:`address` names.
    """
    names = [each.getsockname() for each in server.sockets]
    ports = sorted((len(name), name[1]) for name in names if isinstance(name, tuple))
    return int(ports[0][1]) if ports else 0


@contextlib.contextmanager
def binding(what: str, host: str | Sequence[str] | None, port: int | None) -> Iterator[None]:
    """Turn the errors of binding a listener into sentences.

    Raises:
        PortInUse: somebody else listens there.
        OptionError: the host is not one of this machine's, or the port needs rights.
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
