"""Recordings: write a server's measurements into an SQLite file, and read them back.

:class:`Recording` is a sink that a Monitor writes to. :class:`RecordingFeed` is a feed, so that
every view can show a recording. :func:`read` opens a recording for analysis with pandas.
"""

from __future__ import annotations

from .dataframe_reader import Run, read
from .recording_feed import RecordingFeed
from .recording_sink import Recording
from .retention import RecordingLimits

__all__ = ["Recording", "RecordingFeed", "RecordingLimits", "Run", "read"]
