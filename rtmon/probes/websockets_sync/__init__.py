"""The probe for threaded servers made with ``websockets.sync``."""

from __future__ import annotations

from .counting_connection import probe

__all__ = ["probe"]
