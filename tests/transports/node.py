"""The real socket.io-client in a Node process that a test controls."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.peers.packages import install

__all__ = ["NODE", "Node", "node"]

NODE = shutil.which("node")


class Node:
    """A Node process with Socket.IO clients, each known by a name."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._inboxes: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            self._inboxes[told["socket"]].put_nowait(told)

    def do(self, what: str, socket: str, **more: Any) -> None:
        """Send the Node process a command for one client."""
        assert self._process.stdin is not None
        self._inboxes.setdefault(socket, asyncio.Queue())
        command = {"do": what, "socket": socket, **more}
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def next(self, socket: str, *events: str) -> dict[str, Any]:
        """Return a client's next event, or its next one with one of these names."""
        async with asyncio.timeout(60):
            while True:
                told = await self._inboxes[socket].get()
                if not events or told["event"] in events:
                    return told

    async def aclose(self) -> None:
        """End the process, and with it all clients."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def node() -> AsyncIterator[Node]:
    """Start a Node process, and end it afterwards."""
    await asyncio.to_thread(install)
    script = Path(__file__).with_name("sockets.mjs")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        NODE or "node", str(script), stdin=pipe, stdout=pipe, limit=1 << 24
    )
    clients = Node(process)
    try:
        yield clients
    finally:
        await clients.aclose()
