"""The progress wall: a live web page with one row per learner and one column per exercise."""

from __future__ import annotations

from .learner_reports import follow
from .progress_board import ProgressBoard
from .server import WallServer

__all__ = ["ProgressBoard", "WallServer", "follow"]
