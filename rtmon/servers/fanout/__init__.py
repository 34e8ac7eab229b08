"""Fan-out with shared frames: encode and compress a message once for many connections."""

from __future__ import annotations

from .broadcasting import broadcast
from .connection_group import Flushed, Group

__all__ = ["Flushed", "Group", "broadcast"]
