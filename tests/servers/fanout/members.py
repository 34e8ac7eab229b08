"""In-memory connections of all kinds, each with a client that reads the server's bytes."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.protocol import State

from rtmon import Monitor
from rtmon.probes.websockets import probed
from rtmon.probes.websockets.in_memory_connection import MemoryConnection
from tests.servers.fanout.receiver import Receiver

__all__ = ["COMPRESSIONS", "KINDS", "Traced", "connection_class", "open_pair", "read", "shares"]

KINDS = ("own", "own without times", "fast", "plain", "guarded", "traced")
"""Kinds of connection classes: rtmon's, those of ``websockets``, and a user's own subclass."""

COMPRESSIONS = ("none", "no takeover", "takeover", "small window")


class Traced(ServerConnection):
    """A user's connection class that overrides how data is written."""

    def send_data(self) -> None:
        super().send_data()


def connection_class(kind: str, monitor: Monitor) -> type[Any]:
    """Return the connection class of this kind."""
    from rtmon.core.flood_protection import GuardedServerConnection
    from rtmon.servers.fanout.library_selftest import obstacle

    if kind == "fast" and obstacle() is None:
        return probed(monitor, ServerConnection, way="fast")
    if kind.startswith(("own", "fast")):
        return probed(monitor, ServerConnection, times=kind == "own")
    classes = {"plain": ServerConnection, "guarded": GuardedServerConnection, "traced": Traced}
    return classes[kind]


async def open_pair(
    kind: str, compression: str, monitor: Monitor, **options: Any
) -> MemoryConnection:
    """Open a connection of this kind with this compression."""
    if compression != "none":
        options["extensions"] = [
            ServerPerMessageDeflateFactory(
                server_no_context_takeover=compression != "takeover",
                server_max_window_bits=9 if compression == "small window" else None,
            )
        ]
        options["client_extensions"] = [ClientPerMessageDeflateFactory()]
    pair = MemoryConnection(connection_class(kind, monitor), close_timeout=None, **options)
    await pair.open()
    assert pair.connection.protocol.state is State.OPEN
    return pair


def read(pair: MemoryConnection, receiver: Receiver) -> None:
    """Let the client read all bytes that the server has written."""
    for data in pair.transport.written:
        receiver.read(data)
    pair.transport.written.clear()


def shares(kind: str) -> bool:
    """Return True if connections of this kind use shared frames with the installed
    ``websockets``.
    """
    from rtmon.servers.fanout.library_selftest import obstacle

    return obstacle() is None and kind != "traced"
