"""Self-test: check that the installed ``websockets`` has the internals that faster code needs."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from .counting_client_and_server import counting_class
from .in_memory_connection import MemoryConnection, frame_bytes

if TYPE_CHECKING:
    from .counting_connection import CountingConnection

__all__ = ["difference", "run_in_own_loop"]

PING_INTERVAL = 0.001
"""Interval of keepalive pings in the self-test, in seconds."""

SECONDS = 10.0
"""Timeout of the self-test, in seconds."""


@functools.cache
def difference(front: tuple[type[CountingConnection], ...]) -> str | None:
    """Compare the faster code's behaviour with that of `websockets`, once per process.

    Args:
        front: the mix-ins with the faster code, which come before a counting class.

    Returns:
        A description of the difference; None if there is none.
    """
    return run_in_own_loop(functools.partial(_compare, front))


def run_in_own_loop(compare: Callable[[], Coroutine[Any, Any, str | None]]) -> str | None:
    """Run a self-test in a new event loop. An exception counts as a difference."""
    outcome: list[str | None] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(compare()))
        except Exception as exc:
            outcome.append(f"the self-test failed: {exc!r}")

    # On a new thread, because an event loop may be running on this one.
    thread = threading.Thread(target=run, name="rtmon-self-test")
    try:
        thread.start()
    except RuntimeError as exc:
        return f"the self-test could not run: {exc}"
    thread.join()
    return outcome[0]


async def _begun(pair: MemoryConnection) -> list[Any]:
    """Return what is observed of the handshake, and of the first keepalive ping."""
    connection, written = pair.connection, pair.transport.written
    connection.start_keepalive()
    async with asyncio.timeout(SECONDS):
        while not written:  # noqa: ASYNC110 - a transport in memory has no event to wait for
            await asyncio.sleep(PING_INTERVAL)
    ping = written.pop()
    waiting = len(connection.pending_pings)
    connection.data_received(frame_bytes(Opcode.PONG, ping[2:]))
    connection.keepalive_task.cancel()
    connection.keepalive_task = None
    return [
        pair.client.state,
        [name for name, _ in connection.request.headers.raw_items()],
        [name for name, _ in connection.response.headers.raw_items()],
        (ping[:2], len(ping), waiting, len(connection.pending_pings), connection.latency > 0),
    ]


async def _compare(front: tuple[type[CountingConnection], ...]) -> str | None:
    from ...monitor import Monitor

    monitor = Monitor(interval=3600)
    results = []
    counting = counting_class(monitor, ServerConnection, front=front)
    for connection_class in (ServerConnection, counting):
        pair = MemoryConnection(connection_class, ping_interval=PING_INTERVAL)
        await pair.open()
        connection, seen = pair.connection, await _begun(pair)
        ping = frame_bytes(Opcode.PING, b"are you there")
        for payload in (b"", b"short", b"m" * 200, b"l" * 70_000):
            text, binary = frame_bytes(Opcode.TEXT, payload), frame_bytes(Opcode.BINARY, payload)
            part, last = (
                frame_bytes(Opcode.TEXT, payload, fin=False),
                frame_bytes(Opcode.CONT, payload),
            )
            for data in (text + binary, text[:2], text[2:] + ping, part, last, binary):
                connection.data_received(data)
            for _ in range(5):
                message = await connection.recv()
                await connection.send(message)
                seen.append(message)
        waiting = asyncio.ensure_future(connection.recv())
        await asyncio.sleep(0)
        connection.data_received(frame_bytes(Opcode.TEXT, b"awaited"))
        seen.append(await waiting)
        ready = connection_class is ServerConnection or connection._ready()  # noqa: SLF001
        connection.data_received(frame_bytes(Opcode.CLOSE, b"\x03\xe8bye"))
        try:
            connection.transport.close()
            await connection.send("too late")
        except ConnectionClosed as exc:
            seen.append(str(exc))
        protocol = connection.protocol
        results.append((seen, pair.transport.written, protocol.state, protocol.close_code))
        if not ready:
            return "the parser is not where it was expected to be"
    failures = monitor.probe_failures
    monitor.close()
    if failures:
        return f"counting failed {failures} times in the self-test"
    if results[0] != results[1]:
        return "the library's own path did something else in the self-test"
    return None
