"""The progress wall: a page with one row a learner and one column an exercise, live."""

from __future__ import annotations

from .learner_reports import follow
from .progress_board import ProgressBoard
from .server import WallServer

__all__ = ["ProgressBoard", "WallServer", "follow"]
