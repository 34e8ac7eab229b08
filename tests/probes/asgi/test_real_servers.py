"""ASGI probe and hub under uvicorn, Hypercorn, Daphne and Granian, each in its own process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from rtmon.monitor.measured_event_loop import NO_ASYNCIO
from rtmon.protocol.close import describe, may_reconnect
from rtmon.testing import until

APPLICATION = "tests.probes.asgi.measured_app:application"
PROJECT = Path(__file__).parents[3]

COMMANDS = {
    "uvicorn": ["uvicorn", "--lifespan", "off", "--port", "PORT", APPLICATION],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:PORT", APPLICATION],
    "hypercorn on trio": ["hypercorn", "-k", "trio", "--bind", "127.0.0.1:PORT", APPLICATION],
    "daphne": ["daphne", "--bind", "127.0.0.1", "--port", "PORT", APPLICATION],
    "granian": ["granian", "--interface", "asgi", "--port", "PORT", APPLICATION],
}

SERVERS = [name for name in COMMANDS if name != "hypercorn on trio"]
ONE_OF_SERVERS = [
    name if name == "daphne" else pytest.param(name, marks=pytest.mark.matrix) for name in SERVERS
]


@dataclass
class Running:
    """A server in its own process."""

    address: str
    output: Path

    async def get(self, path: str) -> Any:
        """Return the JSON response of a request."""
        async with httpx.AsyncClient(timeout=60) as client:
            return (await client.get(f"http://{self.address}{path}")).json()

    async def row(self, path: str) -> dict[str, Any]:
        """Wait until the connection of this path has closed, and return its row."""
        row: dict[str, Any] = await self._seen(
            lambda seen: [row for row in seen["rows"] if row["path"] == path]
        )
        return row

    async def left(self) -> tuple[int | None, str]:
        """Wait until a hub client has left, and return its close code and cause."""
        code, cause = await self._seen(lambda seen: seen["left"])
        return code, cause

    async def _seen(self, look: Callable[[Any], list[Any]]) -> Any:
        async with asyncio.timeout(60):
            while not (found := look(await self.get("/seen"))):  # noqa: ASYNC110 - polls another process
                await asyncio.sleep(0.02)
        return found[0]


@asynccontextmanager
async def running(name: str, port: int, output: Path) -> AsyncIterator[Running]:
    """Run a server, and terminate it at the end of the block."""
    command = [each.replace("PORT", str(port)) for each in COMMANDS[name]]
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, cwd=PROJECT, stdout=log, stderr=log
        )
    try:
        await until(lambda: process.returncode is not None or _listens(port))
        assert process.returncode is None, f"see {output}"
        yield Running(f"127.0.0.1:{port}", output)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 60):
        return True
    return False


async def _end_of(client: ClientConnection) -> int | None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.recv()
    return client.close_code


@pytest.mark.matrix
@pytest.mark.parametrize("name", SERVERS)
async def test_connection_row_has_close_code_and_cause_that_the_asgi_server_reports(
    name: str, reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """Monitor's connection row has the close code, initiator and cause that the ASGI server
    reports, and null where Hypercorn reports none.
    """
    async with running(name, reserve_port(), tmp_path / "log") as server:
        url = f"ws://{server.address}"
        async with connect(f"{url}/client") as client:
            await client.send("x")
            assert await client.recv() == "x"
            await client.close(4001, "gone")
        vanishing = await connect(f"{url}/vanish")
        vanishing.transport.abort()
        async with connect(f"{url}/close/4000") as client:
            assert await _end_of(client) == 4000
        async with connect(f"{url}/close/1011") as client:
            code = await _end_of(client)
        assert code == 1011
        async with connect(f"{url}/fail") as client:
            await _end_of(client)
        by_client, vanished, closed, internal, failed = [
            await server.row(path)
            for path in ("/client", "/vanish", "/close/4000", "/close/1011", "/fail")
        ]
    told = name != "hypercorn"
    assert _end(by_client) == ((4001, "remote", "closed") if told else (None, None, None))
    assert _end(vanished) == ((1006, None, "peer vanished") if told else (None, None, None))
    assert _end(closed) == (4000, "local", "closed")
    assert internal["cause"] == "handler failed"
    assert (failed["errors"], failed["cause"]) == (1, "handler failed")
    assert by_client["messages_in"] == 1


def _end(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["close_code"], row["initiator"], row["cause"]


@pytest.mark.parametrize(
    "name",
    [
        each if each == "daphne" else pytest.param(each, marks=pytest.mark.matrix)
        for each in SERVERS
    ],
)
async def test_client_gets_close_code_with_the_same_meaning_on_every_asgi_server(
    name: str, reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """Client that the hub disconnects gets the hub's close code, or under the Daphne server a
    code with the same meaning.
    """
    async with running(name, reserve_port(), tmp_path / "log") as server:
        for code in (1008, 1013, 4501):
            async with connect(f"ws://{server.address}/ws") as client:
                await client.recv()
                await server.get(f"/kick/{code}")
                received = await _end_of(client)
            assert received is not None
            assert describe(received) == describe(code)
            assert may_reconnect(received) == may_reconnect(code)
            assert received == code or name == "daphne"


@pytest.mark.matrix
@pytest.mark.parametrize("name", SERVERS)
async def test_on_disconnect_gets_the_close_code_that_the_asgi_server_reports(
    name: str, reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """Hook ``on_disconnect`` gets code 1000 and ``closed`` after a clean close, or None and
    ``unknown`` under Hypercorn.
    """
    async with running(name, reserve_port(), tmp_path / "log") as server:
        async with connect(f"ws://{server.address}/ws") as client:
            await client.recv()
            await client.close(1000)
        assert await server.left() == (
            (None, "unknown") if name == "hypercorn" else (1000, "closed")
        )


@pytest.mark.matrix
async def test_application_on_trio_is_served_and_the_monitor_says_that_it_counts_nothing(
    reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """Application under Hypercorn's trio worker is served, and the Monitor and the log say once
    that nothing is counted.
    """
    async with running("hypercorn on trio", reserve_port(), tmp_path / "log") as server:
        for _ in range(2):
            async with connect(f"ws://{server.address}/client") as client:
                await client.send("x")
                assert await client.recv() == "x"
        seen = await server.get("/seen")
    assert NO_ASYNCIO in seen["monitor"]
    assert " 0 " not in seen["monitor"]
    assert server.output.read_text().count(NO_ASYNCIO) == 1
