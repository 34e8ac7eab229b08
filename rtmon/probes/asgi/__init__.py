"""The probe for ASGI applications: counts WebSocket connections and server-sent event streams."""

from __future__ import annotations

from .middleware import ASGIProbe

__all__ = ["ASGIProbe"]
