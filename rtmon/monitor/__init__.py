"""The Monitor: a Collector with a clock, a ticker and places to send its ticks to."""

from __future__ import annotations

from .monitor import Monitor

__all__ = ["Monitor"]
