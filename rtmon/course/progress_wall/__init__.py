"""Progress wall of a class: a web page that shows the results of all learners as they arrive.

The page has one row for each learner and one column for each exercise.
"""

from __future__ import annotations

from .progress_board import ProgressBoard
from .report_subscriber import follow
from .wall_server import WallServer

__all__ = ["ProgressBoard", "WallServer", "follow"]
