"""A hub on all transports at once, under uvicorn, measured: docs/transports.md."""

from __future__ import annotations

from .servers.asgi import ASGIServer, measured, serve
from .servers.uvicorn_protocols import GuardedHTTP, GuardedWebSocket, guarded

__all__ = ["ASGIServer", "GuardedHTTP", "GuardedWebSocket", "guarded", "measured", "serve"]
