"""A TCP server that only listens, a proxy before it, and what goes through."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from rtmon.testing import FaultProxy, until

LOOK = 0.1
"""Seconds in which something that must not happen would have happened."""


class End:
    """One end of a TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send, and wait until the kernel has it."""
        self.writer.write(data)
        await self.writer.drain()

    async def get(self, count: int) -> bytes:
        """Receive that many bytes."""
        return await asyncio.wait_for(self.reader.readexactly(count), 60)

    async def rest(self) -> bytes:
        """All until the end of the stream."""
        return await asyncio.wait_for(self.reader.read(), 60)

    async def silent(self) -> bool:
        """Whether nothing comes."""
        try:
            return not await asyncio.wait_for(self.reader.read(1), LOOK)
        except TimeoutError:
            return True


class Bench:
    """A TCP server, a proxy before it, and the pairs of ends that met through it."""

    def __init__(self) -> None:
        self.proxy: FaultProxy
        self._met: asyncio.Queue[End] = asyncio.Queue()
        self._ends: list[End] = []

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The server has a connection."""
        end = End(reader, writer)
        self._ends.append(end)
        self._met.put_nowait(end)

    async def dial(self) -> End:
        """A client, which may not be let in."""
        end = End(*await asyncio.open_connection("127.0.0.1", self.proxy.port))
        self._ends.append(end)
        return end

    async def pair(self) -> tuple[End, End]:
        """A client, and the server's end of its connection."""
        client = await self.dial()
        server = await asyncio.wait_for(self._met.get(), 60)
        remote = "{}:{}".format(*server.writer.get_extra_info("peername"))
        await until(lambda: remote in [link.remote for link in self.proxy.links])
        return client, server

    async def close(self) -> None:
        """Close all ends."""
        for end in self._ends:
            end.writer.transport.abort()
            with contextlib.suppress(OSError):
                await end.writer.wait_closed()


@contextlib.asynccontextmanager
async def set_up(**options: Any) -> AsyncIterator[Bench]:
    """A server that only listens, and a proxy before it."""
    bench = Bench()
    server = await asyncio.start_server(bench.met, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy(f"ws://127.0.0.1:{port}/path?x=1", **options) as bench.proxy:
        yield bench
        await bench.close()
    server.close()
    await server.wait_closed()
