"""CPU and memory of the process."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..core.clock import Clock

__all__ = ["ProcessGauges"]

_STATM = Path("/proc/self/statm")


class ProcessGauges:
    """CPU and memory of this process.

    Args:
        clock: measures the elapsed time.

    Attributes:
        used: total CPU seconds of the process, as of the last call.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock.monotonic()
        self.used = time.process_time()

    def cpu(self) -> float | None:
        """CPU seconds per second since the last call; None if no time has passed."""
        at, used = self._clock.monotonic(), time.process_time()
        elapsed = at - self._at
        if elapsed <= 0:
            return None
        share = (used - self.used) / elapsed
        self._at, self.used = at, used
        return share

    def memory(self) -> int | None:
        """Resident memory in bytes (``man 5 proc``, statm); None if not available."""
        try:
            return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return None
