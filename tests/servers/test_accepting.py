"""More clients than a server may have open files, each server in its own process."""

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
"""With the admin listener's backlog of 100, more would have to repeat their SYN."""
OFTEN = ("native", "asgi", "uvicorn")
"""Servers that are tried each time, on asyncio's event loop."""


@dataclass
class Server:
    """A server in its own process."""

    process: asyncio.subprocess.Process
    port: int
    errors: Path

    @property
    def log(self) -> str:
        """Its log."""
        return self.errors.read_text()

    @property
    def seconds(self) -> float:
        """CPU time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def running(kind: str, loop: str, errors: Path) -> AsyncIterator[Server]:
    """Run a server; afterwards check that it ended cleanly."""
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
    """A client's first bytes."""
    return upgrade(path="/feed" if kind == "admin" else "/ws")


async def served(kind: str, port: int) -> None:
    """Wait until a client's handshake is accepted; retry when it is cut off."""
    async with asyncio.timeout(LONG):
        while True:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                async with Wire.to(port, handshake(kind)) as wire:
                    await wire.upgraded()
                    return
            await asyncio.sleep(0.05)


async def check_more_clients_than_files(kind: str, loop: str, errors: Path) -> None:
    """Have more clients connect than the server has room for, and leave."""
    async with running(kind, loop, errors) as server:
        if kind == "uvicorn":  # its guard begins with its first connection
            await served(kind, server.port)
        async with AsyncExitStack() as clients:
            for _ in range(CLIENTS):
                await clients.enter_async_context(Wire.to(server.port, handshake(kind)))
            if loop == "asyncio":
                await until(lambda: "Too many open files" in server.log)
            before = server.seconds
            await asyncio.sleep(2)  # time in which nothing may happen
            assert server.seconds - before < 0.4
        await served(kind, server.port)
        assert server.log.count("\n") <= 2
        assert "Traceback" not in server.log


@pytest.mark.parametrize("kind", OFTEN)
async def test_server_waits_for_room_when_it_has_no_file_descriptor_left(
    kind: str, tmp_path: Path
) -> None:
    """A server without a free file descriptor uses hardly any CPU, logs a line or two, and
    serves new clients once others have left.
    """
    await check_more_clients_than_files(kind, "asyncio", tmp_path / "log")


@pytest.mark.matrix
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", KINDS)
async def test_each_server_and_loop_waits_for_room(kind: str, loop: str, tmp_path: Path) -> None:
    """Every server on every event loop waits for room in the same way."""
    await check_more_clients_than_files(kind, loop, tmp_path / "log")


async def test_server_ends_cleanly_while_it_cannot_accept(tmp_path: Path) -> None:
    """A server closed while connections wait to be accepted ends, and logs no traceback."""
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
