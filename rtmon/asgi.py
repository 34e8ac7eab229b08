"""Serve a hub under uvicorn, on all transports, with a Monitor; see docs/transports.md."""

from __future__ import annotations

from .servers.asgi import ASGIServer, measured, serve
from .servers.uvicorn_protocols import GuardedHTTP, GuardedWebSocket, guarded

__all__ = ["ASGIServer", "GuardedHTTP", "GuardedWebSocket", "guarded", "measured", "serve"]
