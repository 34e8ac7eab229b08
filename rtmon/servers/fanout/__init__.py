"""One message for many connections: framed once, compressed once, the same bytes for all."""

from __future__ import annotations

from .broadcasting import broadcast
from .group import Flushed, Group

__all__ = ["Flushed", "Group", "broadcast"]
