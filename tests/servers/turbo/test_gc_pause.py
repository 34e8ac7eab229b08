"""Pauses of Python's garbage collector while many clients connect at once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.server import ServerProtocol

import rtmon
from rtmon import Monitor
from rtmon.core.flood_protection import GuardedServerConnection
from rtmon.probes.websockets import probed
from rtmon.probes.websockets.in_memory_connection import MemoryTransport, _Server
from rtmon.servers.turbo import gc_pause
from rtmon.servers.turbo.gc_pause import CALM, CROWD, LEFT, WITHIN, GCPause
from rtmon.testing import FakeClock, until
from tests.transports.raw_sockets import Wire, upgrade


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """Turn the garbage collector on before and after each test."""
    gc.enable()
    yield
    gc.enable()


def come(crowd: GCPause, many: int) -> None:
    """Report this many new connections."""
    for _ in range(many):
        crowd()


def end(crowd: GCPause, many: int) -> None:
    """Report the end of this many connections."""
    for _ in range(many):
        crowd.lost()


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collects the functions that end a pause, which otherwise run in a thread."""
    ends: list[Any] = []

    class Thread:
        def __init__(self, *, target: Any, name: str, daemon: bool) -> None:
            assert daemon, name
            self.start = lambda: ends.append(target)

    monkeypatch.setattr(gc_pause.threading, "Thread", Thread)
    return ends


async def test_garbage_collector_is_paused_while_many_clients_connect_at_once(
    paused: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage collector is paused while many clients connect at once, runs again when they stop,
    and is not paused by single clients.
    """
    clock = FakeClock()
    crowd = GCPause(object, now=clock.monotonic)
    for _ in range(2 * CROWD):
        clock.advance(1.1 * WITHIN / CROWD)
        come(crowd, 1)
    assert gc.isenabled()
    clock.advance(2 * WITHIN)
    come(crowd, CROWD)
    assert not gc.isenabled()
    later = [lambda: come(crowd, CROWD), lambda: None, lambda: None, lambda: None, lambda: None]
    asleep = []

    def wait(seconds: float) -> bool:
        asleep.append(seconds)
        clock.advance(seconds)
        later.pop(0)()
        return False

    monkeypatch.setattr(crowd._over, "wait", wait)
    (finish,) = paused
    finish()
    assert gc.isenabled()
    assert sum(asleep) == pytest.approx(
        CALM * 1.25
    )  # The second burst came after a quarter of CALM.
    come(crowd, CROWD)
    assert gc.isenabled(), "the collector runs for a while before the next pause"
    clock.advance(CALM)
    come(crowd, CROWD)
    assert not gc.isenabled()


async def test_garbage_collector_pause_ends_after_ten_seconds_although_clients_still_connect(
    paused: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage collector is paused for at most ten seconds, although clients still connect."""
    clock = FakeClock()
    began = clock.monotonic()
    crowd = GCPause(object, now=clock.monotonic)

    def wait(seconds: float) -> bool:
        clock.advance(seconds)
        come(crowd, CROWD)
        return False

    monkeypatch.setattr(crowd._over, "wait", wait)
    come(crowd, CROWD)
    paused[0]()
    assert gc.isenabled()
    assert clock.monotonic() - began == pytest.approx(gc_pause.LONGEST)


async def test_garbage_collector_pause_ends_when_enough_connections_end() -> None:
    """Garbage collector's pause ends when enough connections end during the pause; connections
    that ended earlier do not count.
    """
    clock = FakeClock()
    crowd = GCPause(object, now=clock.monotonic)
    for _ in range(2):
        end(crowd, LEFT)
        come(crowd, CROWD)
        end(crowd, LEFT - 1)
        assert not gc.isenabled()
        end(crowd, 1)
        await until(gc.isenabled)  # The fake clock has not advanced.
        clock.advance(CALM)


async def test_garbage_collector_runs_again_when_clients_reset_their_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Garbage collector that is paused by many new connections runs again when the clients reset
    these connections.
    """
    monkeypatch.setattr(gc_pause, "CROWD", 2)

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with rtmon.serve(handler, "127.0.0.1", 0) as server, asyncio.timeout(60):
        crowd: Any = server._clients._create
        crowd._calm = crowd._longest = 1000.0
        async with contextlib.AsyncExitStack() as stack:
            for number in range(LEFT):
                said = upgrade() if number % 2 else b""
                await stack.enter_async_context(Wire.to(server.port, said))
            await until(lambda: not gc.isenabled())
        await until(gc.isenabled)


async def test_garbage_collector_turned_off_by_the_application_stays_off(paused: list[Any]) -> None:
    """Garbage collector that the application has turned off is not paused and stays off."""
    gc.disable()
    come(GCPause(object, now=FakeClock().monotonic), CROWD)
    assert not paused
    assert not gc.isenabled()


@pytest.mark.parametrize("pause_gc", [True, False])
async def test_serve_pauses_the_garbage_collector_unless_pause_gc_is_false(
    pause_gc: bool,  # noqa: FBT001 - a test parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``rtmon.serve()`` pauses the garbage collector while many clients connect unless
    ``pause_gc`` is False.
    """
    monkeypatch.setattr(gc_pause, "CROWD", 2)
    disable = gc.disable
    paused: list[bool] = []
    monkeypatch.setattr(gc, "disable", lambda: (paused.append(True), disable()))

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with rtmon.serve(handler, "127.0.0.1", 0, pause_gc=pause_gc) as server:
        crowd: Any = server._options["create_connection"]
        if pause_gc:
            crowd._calm = 0.1
        async with connect(server.url), connect(server.url):
            assert paused == [True] * pause_gc
            await until(gc.isenabled)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="how CPython keeps attributes")
@pytest.mark.parametrize("kind", ["probe", "fast", "guarded"])
async def test_connections_created_at_once_keep_compact_attribute_storage(kind: str) -> None:
    """Connections created before the first gets its transport keep CPython's compact attribute
    storage, which saves 1.3 KB each.
    """
    monitor = Monitor(interval=3600)
    # A class remembers its attribute names, so each test needs a new class.
    connection_class: Any = (
        type("Guarded", (GuardedServerConnection,), {})
        if kind == "guarded"
        else probed(monitor, ServerConnection, way="fast" if kind == "fast" else "around")
    )
    crowd = [connection_class(ServerProtocol(), _Server()) for _ in range(1000)]
    for connection in crowd:
        connection.connection_made(MemoryTransport())
    for connection in crowd:
        attributes = vars(connection)
        assert sys.getsizeof(attributes) < sys.getsizeof(dict(list(attributes.items())))
    for connection in crowd:
        connection.connection_lost(None)
    monitor.close()
