"""Serves an ASGI application by uvicorn in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

__all__ = ["serving"]


@asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve an ASGI application on a free port, and yield ``127.0.0.1:port``."""
    options = {"log_config": None, "timeout_graceful_shutdown": 1, **options}
    config = uvicorn.Config(app, host="127.0.0.1", port=0, **options)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Do what Server.serve() does, but without signal handlers, which belong to pytest.
    await server.startup()
    try:
        yield "{}:{}".format(*server.servers[0].sockets[0].getsockname())
    finally:
        await server.shutdown()
        # uvicorn keeps connections whose client does not read until TCP times out.
        for connection in list(server.server_state.connections):
            connection.transport.abort()  # type: ignore[union-attr] # Every protocol has it.
        await asyncio.sleep(0)
