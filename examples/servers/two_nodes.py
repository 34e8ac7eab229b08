"""Two servers that form one hub through Redis: clients of both are in the same rooms.

Run: python examples/servers/two_nodes.py

The program starts its own Redis if redis-server is installed. The environment variable
REDIS=redis://… names another Redis. The second server listens on a free port. In production, run
`rtmon serve --redis` on each machine instead.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator

import rtmon
from rtmon.hub.brokers.redis import RedisBroker

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Yield the URL of Redis. If REDIS is not set, start a Redis that ends with this program."""
    if "REDIS" in os.environ:
        yield os.environ["REDIS"]
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]
    with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as process:
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


@contextlib.asynccontextmanager
async def node(url: str, port: int, admin: int | None = None) -> AsyncIterator[rtmon.Server]:
    hub = rtmon.Hub(broker=RedisBroker(url))
    async with rtmon.serve(hub, "127.0.0.1", port, admin=admin, page=True) as server:
        yield server
    await hub.aclose()


async def main() -> None:
    with redis() as url:
        async with node(url, PORT, ADMIN_PORT) as one, node(url, 0) as two:
            print(f"Open {one.page_url} and {two.page_url}: one chat. Ctrl-C ends it.")
            print(f"Watch the first: rtmon dashboard {one.admin_url}")
            await asyncio.Event().wait()


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
