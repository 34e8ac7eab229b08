"""The progress wall: a page with one row a learner and one column an exercise, live."""

from __future__ import annotations

from .board import Board
from .follow import follow
from .server import WallServer

__all__ = ["Board", "WallServer", "follow"]
