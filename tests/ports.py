"""Reserved ports of this machine, for servers that stop and start at a known address."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator

__all__ = ["reserved_port"]


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Reserve a port of 127.0.0.1, and yield it. A test may listen on it repeatedly.

    This holds the port bound. Linux then gives the port to no program that requests any free port.
    A program that names the port and sets SO_REUSEADDR, as asyncio, Node and Go do, can listen on
    it.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port
