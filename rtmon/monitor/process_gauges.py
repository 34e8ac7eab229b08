"""Measure the CPU usage and the memory of this process."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..core.clock import Clock

__all__ = ["ProcessGauges"]

_STATM = Path("/proc/self/statm")


class ProcessGauges:
    """Measures the CPU usage and the memory of this process.

    Args:
        clock: source of the elapsed time.

    Attributes:
        used: CPU seconds that the process had used at the last call of :meth:`cpu`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock.monotonic()
        self.used = time.process_time()

    def cpu(self) -> float | None:
        """Return the CPU seconds used per second since the last call; None if no time passed."""
        at, used = self._clock.monotonic(), time.process_time()
        elapsed = at - self._at
        if elapsed <= 0:
            return None
        share = (used - self.used) / elapsed
        self._at, self.used = at, used
        return share

    def memory(self) -> int | None:
        """Return the resident memory in bytes; None if the system does not report it.

        The value comes from ``/proc/self/statm``; see ``man 5 proc``.
        """
        try:
            return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return None
