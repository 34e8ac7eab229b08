"""Recordings: one SQLite file of a server's measurements, written by a sink, read as a feed."""

from __future__ import annotations

from .dataframe_reader import Run, read
from .recording_feed import RecordingFeed
from .recording_sink import Recording
from .retention import RecordingLimits

__all__ = ["Recording", "RecordingFeed", "RecordingLimits", "Run", "read"]
