"""Run a server with a low limit on open files: ``python -m tests.servers.few_files KIND LOOP``.

The program prints the server's port, and ends when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed

import rtmon
from rtmon.asgi import guarded
from rtmon.asgi import serve as serve_asgi
from tests.probes.serving import serving

__all__ = ["FILES", "KINDS"]

FILES = 64
"""Limit on the process's open files; about a dozen are open without any client."""


async def _echo(connection: Any) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        pass


@asynccontextmanager
async def _uvicorn() -> AsyncIterator[int]:
    async with serving(_application, lifespan="off", **guarded()) as address:
        yield int(address.partition(":")[2])


@asynccontextmanager
async def _rtmon(server: Any) -> AsyncIterator[int]:
    async with server:
        yield server.port


KINDS: dict[str, Callable[[], AbstractAsyncContextManager[int]]] = {
    "native": lambda: _rtmon(rtmon.serve(rtmon.Hub(), "127.0.0.1", 0)),
    "asgi": lambda: _rtmon(serve_asgi(rtmon.Hub(), "127.0.0.1", 0)),
    "uvicorn": _uvicorn,
    "handler": lambda: _rtmon(rtmon.serve(_echo, "127.0.0.1", 0)),
    "admin": lambda: _rtmon(rtmon.serve_admin(rtmon.Monitor(), port=0)),
}
"""Context managers that run a server of each kind, and yield its port."""


async def _main(kind: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    async with KINDS[kind]() as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    if sys.argv[2] == "uvloop":
        import uvloop

        uvloop.run(_main(sys.argv[1]))
    else:
        asyncio.run(_main(sys.argv[1]))
