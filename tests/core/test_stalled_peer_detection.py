"""Detection of clients whose keepalive ping cannot be written, on virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtmon import Monitor
from rtmon.core.flood_protection import GuardedServerConnection
from rtmon.probes.websockets import probed
from rtmon.probes.websockets.in_memory_connection import MemoryConnection, MemoryTransport
from tests.servers.turbo import virtual_time

INTERVAL, TIMEOUT = 10.0, 4.0
FULL = 1_000_000
PAUSED = 5.9
LATE = TIMEOUT / 20 + INTERVAL / 100
"""Maximum delay in seconds after the ping timeout until a stalled client is detected."""


class _Buffer(MemoryTransport):
    """A transport with a write buffer whose size the test sets; it records when it is aborted."""

    size = FULL
    aborted: float | None = None

    def get_write_buffer_size(self) -> int:
        return self.size

    def abort(self) -> None:
        self.aborted = self.aborted or asyncio.get_running_loop().time()
        super().abort()


async def _paused(kind: str, **options: Any) -> tuple[Any, _Buffer]:
    """Open a connection with keepalive, and pause its writing after a while."""
    base = type("Ending", (GuardedServerConnection,), {"ends_frozen": True})
    cls = base if kind == "library" else probed(Monitor(interval=3600), base, way="fast")
    options = {"ping_interval": INTERVAL, "ping_timeout": TIMEOUT, **options}
    pair = MemoryConnection(cls, **options)
    await pair.open()
    pair.connection.transport = transport = _Buffer()
    transport.connection = pair.connection
    pair.connection.start_keepalive()
    await asyncio.sleep(PAUSED)
    pair.connection.pause_writing()
    return pair.connection, transport


@pytest.mark.parametrize("kind", ["library", "fast"])
def test_connection_is_aborted_when_its_client_reads_nothing_for_the_ping_timeout(
    kind: str,
) -> None:
    """Connection whose ping cannot be written is aborted when its client reads nothing for the
    ping timeout.
    """

    async def main() -> None:
        connection, transport = await _paused(kind)
        async with asyncio.timeout(5 * INTERVAL):
            await connection.wait_closed()
        assert transport.aborted is not None
        assert INTERVAL + TIMEOUT <= transport.aborted <= INTERVAL + TIMEOUT + LATE
        sent = connection.protocol.close_sent
        assert (sent.code, sent.reason) == (1011, "keepalive ping timeout")

    virtual_time.run(main())


@pytest.mark.parametrize("kind", ["library", "fast"])
def test_connection_stays_open_while_its_client_reads_slowly(kind: str) -> None:
    """Connection stays open while its client reads slowly, and is aborted when the client stops
    reading.
    """

    async def main() -> None:
        connection, transport = await _paused(kind)
        for _ in range(20):
            await asyncio.sleep(0.8 * TIMEOUT)
            transport.size -= 1
        assert transport.aborted is None
        stopped = asyncio.get_running_loop().time()
        async with asyncio.timeout(5 * INTERVAL):
            await connection.wait_closed()
        assert transport.aborted is not None
        assert TIMEOUT <= transport.aborted - stopped <= TIMEOUT + LATE

    virtual_time.run(main())


@pytest.mark.parametrize("without", [{"ping_interval": None}, {"ping_timeout": None}])
@pytest.mark.parametrize("kind", ["library", "fast"])
def test_connection_without_keepalive_stays_open_when_its_client_reads_nothing(
    kind: str, without: dict[str, Any]
) -> None:
    """Connection without ``ping_interval`` or ``ping_timeout`` stays open when its client reads
    nothing.
    """

    async def main() -> None:
        connection, transport = await _paused(kind, **without)
        ping = asyncio.create_task(connection.ping())
        await asyncio.sleep(5 * INTERVAL)
        assert transport.aborted is None
        transport.abort()
        await asyncio.gather(ping, return_exceptions=True)

    virtual_time.run(main())


@pytest.mark.parametrize("kind", ["library", "fast"])
def test_connection_stays_open_when_its_client_reads_again_in_time(kind: str) -> None:
    """Connection stays open when its client reads again before the ping timeout."""

    async def main() -> None:
        connection, transport = await _paused(kind)
        await asyncio.sleep(INTERVAL + 0.9 * TIMEOUT - PAUSED)
        connection.resume_writing()
        await asyncio.sleep(0.9 * TIMEOUT)  # The ping timeout starts again now.
        assert transport.aborted is None
        assert connection.protocol.close_sent is None
        transport.abort()

    virtual_time.run(main())
