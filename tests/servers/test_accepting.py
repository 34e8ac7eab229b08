"""Servers with more clients than free file descriptors, each in its own process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from rtmon.testing import until
from tests.transports.raw_sockets import LONG, Wire, upgrade

from .few_files import FILES, KINDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

CLIENTS = 150
"""Number of clients. With the admin listener's backlog of 100, more would repeat their SYN."""
OFTEN = ("native", "asgi", "uvicorn")
"""Kinds of servers that are tested outside the matrix, on asyncio's event loop."""


@dataclass
class Server:
    """A server in its own process."""

    process: asyncio.subprocess.Process
    port: int
    errors: Path

    @property
    def log(self) -> str:
        """Text that the server has logged."""
        return self.errors.read_text()

    @property
    def seconds(self) -> float:
        """CPU time in seconds that the server has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def running(kind: str, loop: str, errors: Path) -> AsyncIterator[Server]:
    """Run a server, and check afterwards that it ended with exit code 0."""
    with errors.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.servers.few_files", kind, loop),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
        )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield Server(process, int(await process.stdout.readline()), errors)
        process.stdin.close()
        async with asyncio.timeout(LONG):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def handshake(kind: str) -> bytes:
    """Return the handshake request of a client."""
    return upgrade(path="/feed" if kind == "admin" else "/ws")


async def served(kind: str, port: int) -> None:
    """Connect until a handshake is accepted, again after each connection error."""
    async with asyncio.timeout(LONG):
        while True:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                async with Wire.to(port, handshake(kind)) as wire:
                    await wire.upgraded()
                    return
            await asyncio.sleep(0.05)


async def check_more_clients_than_files(kind: str, loop: str, errors: Path) -> None:
    """Connect more clients than the server has file descriptors, then disconnect them."""
    async with running(kind, loop, errors) as server:
        if kind == "uvicorn":  # The guard starts with the first connection.
            await served(kind, server.port)
        async with AsyncExitStack() as clients:
            for _ in range(CLIENTS):
                await clients.enter_async_context(Wire.to(server.port, handshake(kind)))
            if loop == "asyncio":
                await until(lambda: "Too many open files" in server.log)
            before = server.seconds
            await asyncio.sleep(2)  # Measure idle CPU time.
            assert server.seconds - before < 0.4
        await served(kind, server.port)
        assert server.log.count("\n") <= 2
        assert "Traceback" not in server.log


@pytest.mark.parametrize("kind", OFTEN)
async def test_server_without_free_file_descriptors_uses_little_cpu_and_recovers(
    kind: str, tmp_path: Path
) -> None:
    """Server without free file descriptors uses little CPU time, logs at most two lines, and
    accepts clients again once other clients disconnect.
    """
    await check_more_clients_than_files(kind, "asyncio", tmp_path / "log")


@pytest.mark.matrix
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", KINDS)
async def test_each_server_on_each_loop_recovers_from_missing_file_descriptors(
    kind: str, loop: str, tmp_path: Path
) -> None:
    """Server of each kind on each event loop uses little CPU time without free file descriptors,
    and accepts clients again afterwards.
    """
    await check_more_clients_than_files(kind, loop, tmp_path / "log")


async def test_server_stops_cleanly_while_it_has_no_free_file_descriptors(tmp_path: Path) -> None:
    """Server that is stopped while it has no free file descriptors ends with exit code 0 and
    without a traceback.
    """
    async with (
        running("native", "asyncio", tmp_path / "log") as server,
        AsyncExitStack() as clients,
    ):
        for _ in range(FILES):
            await clients.enter_async_context(Wire.to(server.port, handshake("native")))
        await until(lambda: "Too many open files" in server.log)
        assert server.process.stdin is not None
        server.process.stdin.close()
        async with asyncio.timeout(LONG):
            await server.process.wait()
    assert "Traceback" not in server.log
