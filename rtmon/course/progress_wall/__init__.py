"""The progress wall: a page with one row a learner and one column an exercise, live."""

from __future__ import annotations

from .progress_board import ProgressBoard
from .report_subscriber import follow
from .wall_server import WallServer

__all__ = ["ProgressBoard", "WallServer", "follow"]
