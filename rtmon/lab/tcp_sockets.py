"""Functions for TCP sockets: set small buffers, connect, and close."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["dial", "hang_up", "has_ended", "narrow"]

_SEGMENT = 1460
"""Maximum TCP segment size for sockets with small buffers, in bytes, as on Ethernet."""

_LINGER = struct.pack("ii", 1, 0)
"""Value of SO_LINGER: closing drops unsent bytes and sends a reset (RFC 9293, 3.10.4)."""


Connected = TypeVar("Connected", bound=asyncio.Protocol)


def narrow(sock: Any, buffer: int | None) -> None:
    """Limit the kernel's buffers of a socket that is not connected yet.

    Args:
        sock: the socket. Sockets that a listening socket accepts get small buffers, too.
        buffer: size of each buffer in bytes; None for the kernel's default.
    """
    if buffer is None:
        return
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, buffer)
    # Linux gives a sender's buffer room for about twenty of the receiver's TCP segments. On the
    # loopback interface, a segment has 64 KiB, so limit the segment size, too.
    with contextlib.suppress(AttributeError, OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)


async def dial(
    target: tuple[str, int], protocol: Callable[[], Connected], *, buffer: int | None
) -> Connected:
    """Open a TCP connection to a server.

    Args:
        target: host and port of the server.
        protocol: creates the asyncio protocol of the connection.
        buffer: size of the kernel's buffers, as for :func:`narrow`.

    Raises:
        OSError: the server cannot be reached.
    """
    loop = asyncio.get_running_loop()
    if buffer is None:
        return (await loop.create_connection(protocol, *target))[1]
    problem: OSError | None = None
    found = await loop.getaddrinfo(*target, type=socket.SOCK_STREAM)
    for family, kind, number, _, address in found:
        sock = socket.socket(family, kind, number)
        try:
            sock.setblocking(False)
            narrow(sock, buffer)  # before connecting: the handshake announces the sizes
            await loop.sock_connect(sock, address)
            return (await loop.create_connection(protocol, sock=sock))[1]
        except OSError as exc:
            problem = exc
            sock.close()
        except BaseException:
            sock.close()
            raise
    raise problem or OSError(f"{target[0]} has no address")


def hang_up(transport: asyncio.Transport, *, reset: bool) -> None:
    """Close a TCP connection without waiting for the receiver.

    Args:
        transport: transport of the connection.
        reset: True to send a TCP reset, False to end the stream with FIN.
    """
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


def has_ended(sock: Any) -> bool:
    """Return True once the TCP connection has ended, even if received bytes are unread.

    Only ``poll`` detects the end without reading. On systems without ``poll``, the function does
    not detect that the other side has ended the connection.
    """
    if sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(sock, getattr(select, "POLLRDHUP", 0))
    return bool(poll.poll(0))
