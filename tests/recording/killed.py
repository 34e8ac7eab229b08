"""A program that writes a recording until it is killed, and prints the ticks that it has made.

Run it as ``python -m tests.recording.killed FILE PAUSE``. After each tick it prints the tick's
number, and how many ticks are not written yet or were dropped. PAUSE is the number of seconds
between ticks.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from rtmon import Monitor, Recording, RecordingLimits
from rtmon.recording import tick_writer
from rtmon.testing import FakeClock

QUEUED = 4
"""Largest number of ticks that wait to be written. The recording drops ticks only far above it."""


def main(path: Path, pause: float) -> None:
    """Record until the process is killed. Small limits make the recording merge and delete old
    ticks.
    """
    tick_writer.CHECKPOINT_TICKS = 3
    clock = FakeClock(time=1_700_000_000.0)
    monitor = Monitor(interval=3600, node="n", clock=clock)
    limits = RecordingLimits(ticks=60, tens=120, sixties=600, events=60, connections=60)
    attached = monitor.attach(Recording(path, limits=limits, clock=clock))
    number = 0
    while True:
        while attached.waiting >= QUEUED:
            time.sleep(pause)
        number += 1
        meter = monitor.collector.meter()
        monitor.connection_opened(meter)
        meter.received(number % 1000)
        clock.advance(1.0)
        seq = monitor.tick().sample.seq
        os.write(1, b"%d %d\n" % (seq, attached.waiting + attached.dropped))
        time.sleep(pause)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
