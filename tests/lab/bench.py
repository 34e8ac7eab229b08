"""A TCP server, a fault proxy in front of it, and the connections through the proxy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from rtmon.testing import FaultProxy, until

LOOK = 0.1
"""Seconds to wait before concluding that nothing arrives."""


class End:
    """One end of a TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send data, and wait until the kernel has accepted it."""
        self.writer.write(data)
        await self.writer.drain()

    async def get(self, count: int) -> bytes:
        """Receive exactly this many bytes."""
        return await asyncio.wait_for(self.reader.readexactly(count), 60)

    async def rest(self) -> bytes:
        """Return all bytes until the end of the stream."""
        return await asyncio.wait_for(self.reader.read(), 60)

    async def silent(self) -> bool:
        """Return True if no byte arrives within a short time."""
        try:
            return not await asyncio.wait_for(self.reader.read(1), LOOK)
        except TimeoutError:
            return True


class Bench:
    """A TCP server, a fault proxy, and the connections through the proxy."""

    def __init__(self) -> None:
        self.proxy: FaultProxy
        self._met: asyncio.Queue[End] = asyncio.Queue()
        self._ends: list[End] = []

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Accept a connection at the server."""
        end = End(reader, writer)
        self._ends.append(end)
        self._met.put_nowait(end)

    async def dial(self) -> End:
        """Connect a client to the proxy, which may refuse the connection."""
        end = End(*await asyncio.open_connection("127.0.0.1", self.proxy.port))
        self._ends.append(end)
        return end

    async def pair(self) -> tuple[End, End]:
        """Connect a client; return its end and the server's end of the connection."""
        client = await self.dial()
        server = await asyncio.wait_for(self._met.get(), 60)
        remote = "{}:{}".format(*server.writer.get_extra_info("peername"))
        await until(lambda: remote in [link.remote for link in self.proxy.links])
        return client, server

    async def close(self) -> None:
        """Abort all connections."""
        for end in self._ends:
            end.writer.transport.abort()
            with contextlib.suppress(OSError):
                await end.writer.wait_closed()


@contextlib.asynccontextmanager
async def set_up(**options: Any) -> AsyncIterator[Bench]:
    """Run a TCP server, and a proxy with these options in front of it."""
    bench = Bench()
    server = await asyncio.start_server(bench.met, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy(f"ws://127.0.0.1:{port}/path?x=1", **options) as bench.proxy:
        yield bench
        await bench.close()
    server.close()
    await server.wait_closed()
