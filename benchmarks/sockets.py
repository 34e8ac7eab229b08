"""Echo servers and a load generator over TCP, each in its own process.

All servers run from the begin and are measured in turn, so that other load on the machine affects
all of them alike. CPU time is that of the server's process, user and system.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from crowd import pin
from dialects import upgrade
from echo import KINDS
from websockets.asyncio.server import serve
from websockets.frames import Frame, Opcode

from rtmon import Monitor

__all__ = ["cpu_per_message"]

CONNECTIONS = 50
SIZE = 128
LARGE = 4 * 2**20
"""Size in bytes of a block that glibc's malloc allocates by mmap. Once such a block has been freed,
malloc no longer uses mmap for blocks as large as those that asyncio reads (mallopt(3),
M_MMAP_THRESHOLD).
"""


def _server(kind: str, freed: bool, pipe: Connection) -> None:  # noqa: FBT001 - passed by Process
    """Serve echoes; answer each request on the pipe with the CPU time used so far."""
    pin(0)
    if freed:
        bytearray(LARGE)

    async def run() -> None:
        monitor = Monitor()
        chosen = KINDS[kind]
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()

        def answer() -> None:
            while pipe.recv() == "cpu":
                pipe.send(time.process_time())
            loop.call_soon_threadsafe(ended.set)

        async with serve(
            chosen.handler(),
            "127.0.0.1",
            0,
            create_connection=chosen.connection_class(monitor),
            ping_interval=None,
        ) as server:
            pipe.send(next(iter(server.sockets)).getsockname()[1])
            threading.Thread(target=answer, daemon=True).start()
            await ended.wait()
            # Do not log that the load generator has disconnected.
            logging.getLogger("websockets").setLevel(logging.CRITICAL)
        assert monitor.probe_failures == 0
        monitor.close()

    asyncio.run(run())


class _Client(asyncio.Protocol):
    """A client that counts received echoes at minimal cost."""

    def __init__(self, arrived: Callable[[], None]) -> None:
        self.echo_size = len(Frame(Opcode.TEXT, b"x" * SIZE).serialize(mask=False))
        self.received = 0
        self.arrived = arrived
        self.opened = asyncio.get_running_loop().create_future()
        self.transport: Any

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(upgrade("/"))

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            assert data.startswith(b"HTTP/1.1 101"), data
            self.opened.set_result(None)
            return
        self.received += len(data)
        if self.received == self.echo_size:
            self.received = 0
            self.arrived()


class _Crowd:
    """Connections that all send at once, and send again once all have received their echo.

    Independent connections would by chance be served one message per iteration of the server's
    event loop, or many. That would change the result more than any difference between the servers.
    """

    def __init__(self) -> None:
        self.clients: list[_Client] = []
        self.frame = Frame(Opcode.TEXT, b"x" * SIZE).serialize(mask=True)
        self.missing = 0
        self.messages = 0
        self.until = 0.0
        self.done = asyncio.Event()

    async def connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, client = await loop.create_connection(
                lambda: _Client(self.arrived), "127.0.0.1", port
            )
            self.clients.append(client)
            await client.opened

    async def run(self, seconds: float) -> int:
        self.messages = 0
        self.until = time.monotonic() + seconds
        self.done.clear()
        self.speak()
        await self.done.wait()
        return self.messages

    def speak(self) -> None:
        self.missing = CONNECTIONS
        for client in self.clients:
            client.transport.write(self.frame)

    def arrived(self) -> None:
        self.missing -= 1
        if not self.missing:
            self.messages += CONNECTIONS
            if time.monotonic() < self.until:
                self.speak()
            else:
                self.done.set()


def _load(ports: dict[str, int], pipe: Connection) -> None:
    """Keep connections to all servers open, and put load on the requested server."""
    pin(1)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        crowds = {kind: _Crowd() for kind in ports}
        for kind, port in ports.items():
            await crowds[kind].connect(port)
        pipe.send("ready")
        while True:
            kind, seconds = await loop.run_in_executor(None, pipe.recv)
            if kind is None:
                return
            pipe.send(await crowds[kind].run(seconds))

    asyncio.run(run())


@contextlib.contextmanager
def _processes(kinds: tuple[str, ...], *, freed: bool) -> Iterator[tuple[dict[str, Any], Any]]:
    context = multiprocessing.get_context("spawn")
    servers: dict[str, Any] = {}
    ports: dict[str, int] = {}
    processes = []
    for kind in kinds:
        servers[kind], theirs = context.Pipe()
        processes.append(context.Process(target=_server, args=(kind, freed, theirs), daemon=True))
        processes[-1].start()
        ports[kind] = servers[kind].recv()
    load, theirs = context.Pipe()
    processes.append(context.Process(target=_load, args=(ports, theirs), daemon=True))
    processes[-1].start()
    load.recv()
    yield servers, load
    load.send((None, 0))
    for server in servers.values():
        server.send("end")
    for process in processes:
        process.join(10)


def cpu_per_message(
    kinds: tuple[str, ...], *, rounds: int, seconds: float, freed: bool
) -> dict[str, list[float]]:
    """Measure microseconds of the server's CPU per echoed message.

    Args:
        kinds: Kinds of servers to compare.
        rounds: Number of rounds.
        seconds: Duration of the load on each server in each round.
        freed: True if the servers have freed a :data:`LARGE` block before, as many programs have.

    Returns:
        Kind → one value per round.
    """
    results: dict[str, list[float]] = {kind: [] for kind in kinds}
    with _processes(kinds, freed=freed) as (servers, load):
        for number in range(-1, rounds):  # the first round warms up, and is not counted
            for kind in random.sample(kinds, k=len(kinds)):
                servers[kind].send("cpu")
                before = servers[kind].recv()
                load.send((kind, seconds))
                messages = load.recv()
                servers[kind].send("cpu")
                used = servers[kind].recv() - before
                if number >= 0:
                    results[kind].append(used / messages * 1e6)
    return results
