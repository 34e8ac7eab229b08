"""The Monitor: measures a process once a second, and sends the results to sinks and feeds."""

from __future__ import annotations

from .monitor import Monitor

__all__ = ["Monitor"]
