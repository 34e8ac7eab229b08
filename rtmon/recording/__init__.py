"""Recordings: one SQLite file of a server's measurements, written by a sink, read as a feed."""

from __future__ import annotations

from .feed import RecordingFeed
from .retention import RecordingLimits
from .run import Run, read
from .sink import Recording

__all__ = ["Recording", "RecordingFeed", "RecordingLimits", "Run", "read"]
