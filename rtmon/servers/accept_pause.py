"""Pause accepting connections while the process has no file descriptor left.

While no file descriptor is left, asyncio calls ``accept`` 4,096 times per iteration of the event
loop, which is the length of the backlog. Each call fails, and asyncio logs a traceback for it (seen
with Python 3.11 to 3.13). This writes megabytes of log a second, and leaves no CPU time for
clients. asyncio has no public API to pause accepting, so this module wraps its private accept
callback.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.log_rate_limit import LogLimit

if TYPE_CHECKING:
    import socket

__all__ = ["pause_when_exhausted"]

logger = logging.getLogger("rtmon")

RETRY = 0.25
"""Seconds after which a paused socket is accepted from again. An attempt costs one system call."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def pause_when_exhausted(loop: asyncio.AbstractEventLoop) -> None:
    """Make an event loop pause accepting connections while no file descriptor is left.

    During the pause, new connections wait in the kernel's backlog. The pause applies to every
    listening socket of the loop, also to those of other servers: asyncio logs an error for each
    failed accept of any socket, and this slows down the whole loop. May be called twice for the
    same loop.

    An event loop that is not one of asyncio's is left unchanged. uvloop needs no pause: if it has
    no file descriptor for a new connection, it closes that connection immediately.

    Args:
        loop: the event loop on which servers listen. The servers may already be running.
    """
    accept = getattr(loop, "_accept_connection", None)
    selector = getattr(loop, "_selector", None)
    if accept is None or selector is None or isinstance(accept, _Accepting):
        return
    ours: Any = _Accepting(loop, accept)
    loop._accept_connection = ours  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
    for key in list(selector.get_map().values()):
        reader = key.data[0]
        if reader is not None and reader._callback == accept:  # noqa: SLF001
            loop.add_reader(key.fd, ours, *reader._args)  # noqa: SLF001


class _Accepting:
    """Replaces the method ``_accept_connection`` of an event loop.

    Args:
        loop: the event loop.
        accept: the replaced method, which accepts connections until none is waiting.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, accept: Callable[..., None]) -> None:
        self._loop = loop
        self._accept = accept
        self._log = LogLimit()

    def __call__(self, protocol_factory: Any, sock: socket.socket, *options: Any) -> None:
        attempt = _Attempt(sock)
        self._accept(protocol_factory, attempt, *options)
        if attempt.problem is not None:
            self._loop.remove_reader(sock)
            self._loop.call_later(RETRY, self._resume, protocol_factory, sock, *options)
            self._tell(sock, attempt.problem)

    def _resume(self, protocol_factory: Any, sock: socket.socket, *options: Any) -> None:
        if sock.fileno() >= 0:  # False if the server was closed during the pause
            self._loop.add_reader(sock, self, protocol_factory, sock, *options)

    def _tell(self, sock: socket.socket, problem: OSError) -> None:
        more = self._log.take(self._loop.time())
        if more is not None:
            logger.warning(
                "new connections on %s cannot be accepted now, and wait: %s%s%s",
                sock.getsockname(),
                problem.strerror,
                ". Raise the limit with `ulimit -n`" if problem.errno == errno.EMFILE else "",
                more,
            )


class _Attempt:
    """Wraps a listening socket for one call of ``_accept_connection``.

    Attributes:
        problem: the error of the last ``accept``; None if there was none.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.problem: OSError | None = None
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def accept(self) -> tuple[socket.socket, Any]:
        try:
            return self._sock.accept()
        except OSError as exc:
            if exc.errno not in _EXHAUSTED:
                raise
            self.problem = exc
            # For asyncio, this error means that no connection is waiting.
            raise BlockingIOError(exc.errno, exc.strerror) from exc
