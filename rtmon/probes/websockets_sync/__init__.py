"""The probe for servers of threads, made with ``websockets.sync``."""

from __future__ import annotations

from .counting_connection import probe

__all__ = ["probe"]
