"""Reserved ports of this machine, for servers that stop and start at a known address."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator

__all__ = ["reserved_port"]


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A reserved port of 127.0.0.1, which the test may use repeatedly.

    Linux gives a bound port to no program that asks for any port, to listen or to connect, but
    lets programs listen there that name it and set SO_REUSEADDR, as asyncio, Node and Go do.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port
