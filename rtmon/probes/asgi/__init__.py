"""The probe for ASGI applications: WebSockets and server-sent events."""

from __future__ import annotations

from .middleware import ASGIProbe

__all__ = ["ASGIProbe"]
