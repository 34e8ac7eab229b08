"""A hub on all transports at once, under uvicorn, measured: docs/transports.md."""

from __future__ import annotations

from .servers.asgi import ASGIServer, measured, serve

__all__ = ["ASGIServer", "measured", "serve"]
