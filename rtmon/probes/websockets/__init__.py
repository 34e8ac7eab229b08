"""The probe for servers and clients made with ``websockets.asyncio``."""

from __future__ import annotations

from .probe_function import probe, probed

__all__ = ["probe", "probed"]
