"""The probe for servers of threads, made with ``websockets.sync``."""

from __future__ import annotations

from .connection_class import probe

__all__ = ["probe"]
