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
"""Classes of connections: rtmon's own, the library's, and one that sends in its own way."""

COMPRESSIONS = ("none", "no takeover", "takeover", "small window")


class Traced(ServerConnection):
    """A user's connection class that observes each write."""

    def send_data(self) -> None:
        super().send_data()


def connection_class(kind: str, monitor: Monitor) -> type[Any]:
    """The class of a kind of connection."""
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
    """An open connection of a kind."""
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
    """Have the client read all that was written."""
    for data in pair.transport.written:
        receiver.read(data)
    pair.transport.written.clear()


def shares(kind: str) -> bool:
    """True if such connections get shared frames here."""
    from rtmon.servers.fanout.library_selftest import obstacle

    return obstacle() is None and kind != "traced"
