"""The sink ``rtmon.Recording``, which writes every tick of a Monitor into a recording."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.clock import SYSTEM_CLOCK, Clock
from ..errors import MonitorError
from ..metrics.meter import light_rows
from ..metrics.redaction import KEEP_ALL, Redaction
from .database import WriteLock, is_broken, set_aside
from .retention import RecordingLimits
from .schema import CONNECTION_ROW
from .tick_data import STATES, TickData
from .tick_writer import Writer

if TYPE_CHECKING:
    from ..metrics.collector import Tick
    from ..metrics.meter import Meter
    from ..metrics.records import ConnectionInfo

__all__ = ["Recording"]

logger = logging.getLogger("rtmon")

NOTABLE = 200
"""Maximum number of open connections that are written at once because they are busy or slow."""

NOTABLE_TICKS = 10
"""If more than :data:`NOTABLE` connections changed, the busiest and slowest of them are only
searched for and written once in this number of ticks."""

SWEEP_TICKS = 60
"""Number of ticks within which each changed open connection is written at least once."""


_LIGHT = light_rows(CONNECTION_ROW[1:])


def _infos(meters: Iterable[Meter]) -> list[Any]:
    return [meter.info() for meter in meters]


class Recording:
    """A sink that writes everything a Monitor measures into one SQLite file, at each tick.

    Attach the recording to a Monitor: ``monitor.attach(rtmon.Recording("run.rtmon"))``. Read the
    file with :func:`rtmon.read`, also while it is still written. An existing recording is
    continued; a damaged file is renamed, never overwritten.

    Args:
        path: the file to write.
        limits: how long and how many rows are kept. By default, single ticks (1 s) are kept for an
            hour, points of 10 ticks for a day, and points of 60 ticks for 30 days.
        redaction: which texts are redacted; by default none.
        clock: source of time.
    """

    tables = ("channels", *STATES)
    """Tables that the Monitor passes with each tick, see
    :class:`rtmon.metrics.monitor_interfaces.Sink`."""

    subject = "recording"
    """Name of the sink in Events about failures: "recording degraded", "recording recovered"."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limits: RecordingLimits | None = None,
        redaction: Redaction = KEEP_ALL,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.path = Path(path)
        self._limits = limits or RecordingLimits()
        self._redaction = redaction
        self._clock = clock
        # A ConnectionInfo is created only for redaction, since this takes longer than writing its
        # row.
        self._records = _LIGHT if redaction.keeps_all else _infos
        self._lock: WriteLock | None = None
        self._writer: Writer | None = None
        self._source = ("", "")
        self._owner = 0
        self._due: dict[Meter, None] = {}
        self._written: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Recording({str(self.path)!r})"

    def open(self, node: str, epoch: str) -> None:
        """Open the file for writing, and begin or continue an epoch.

        Args:
            node: name of the measured server process.
            epoch: name of the Monitor's epoch.

        Raises:
            OptionError: another recording writes the file, or it is on a network file system.
            FileFormatError: the file was written by a newer rtmon, or is another database.
            OSError: the file cannot be written.
        """
        self._lock = WriteLock(self.path)
        self._owner = os.getpid()
        self._source = (node, epoch)
        try:
            self._writer = self._opened()
        except BaseException:
            self._lock.release()
            raise

    def _opened(self) -> Writer:
        """Open the file; if it is damaged, rename it and create a new one."""
        try:
            return self._begun()
        except Exception as exc:
            if not is_broken(exc):
                raise
            aside = set_aside(self.path)
            logger.warning("%s is damaged; it was put aside as %s", self.path, aside)
            return self._begun()

    def _begun(self) -> Writer:
        writer = Writer(
            self.path, clock=self._clock, limits=self._limits, redaction=self._redaction
        )
        try:
            writer.begin(*self._source)
        except BaseException:
            writer.abandon()
            raise
        return writer

    def write(self, tick: Tick) -> None:
        """Write the data of one tick into the file.

        Raises:
            MonitorError: this is a forked child process; the parent process writes the recording.
            OSError: the file cannot be written now.
        """
        if self._owner != os.getpid():
            raise MonitorError(f"{self.path} is recorded by the process that forked this one")
        if self._writer is None:
            self._writer = self._opened()
        frame = TickData(
            sample=tick.sample,
            events=tick.events,
            closed=[meter.info() for meter in tick.closed],
            changed=self._records(list(self._chosen(tick))),
            channels=tick.tables.get("channels", ()),
            snapshot=tick.snapshot,
            labels={tick.sample.seq: tick.labels},
            states={name: tick.tables[name] for name in STATES if name in tick.tables},
        )
        with self._broken_file_put_aside():
            self._writer.write(frame)

    @contextlib.contextmanager
    def _broken_file_put_aside(self) -> Iterator[None]:
        """Rename the recording if an error in the ``with`` block shows that the file is damaged.

        The next attempt to write creates a new file.

        Raises:
            OSError: the file was damaged. The caller retries the write later.
        """
        try:
            yield
        except OSError:
            raise
        except Exception as exc:
            if not is_broken(exc) or self._writer is None:
                raise
            self._writer.abandon()
            self._writer = None
            aside = set_aside(self.path)
            problem = f"the recording is damaged and was put aside as {aside}"
            raise OSError(errno.EIO, problem) from exc

    def _chosen(self, tick: Tick) -> Iterable[Meter]:
        """Choose the open connections that are written together with a tick.

        These are the busiest and slowest connections among those that changed, and some connections
        that changed earlier and have not been written since their change.
        """
        self._due.update(dict.fromkeys(tick.meters))
        for meter in tick.closed:
            self._due.pop(meter, None)
            self._written.pop(meter.id, None)
        chosen = dict.fromkeys(self._notable(tick))
        waiting = len(self._due)
        more = waiting if waiting <= NOTABLE else waiting // SWEEP_TICKS + 1
        chosen |= dict.fromkeys(islice((m for m in self._due if m not in chosen), more))
        for meter in chosen:
            self._due.pop(meter, None)
            self._written[meter.id] = meter.messages_in + meter.messages_out
        return chosen

    def _notable(self, tick: Tick) -> list[Meter]:
        """Return the busiest and slowest open connections that changed in a tick."""
        many = len(tick.meters) > NOTABLE
        if many and tick.sample.seq % NOTABLE_TICKS:
            return []  # searching thousands of connections takes longer than writing 200
        changed = [meter for meter in tick.meters if meter.closed is None]
        return nlargest(NOTABLE, changed, key=self._notability) if many else changed

    def _notability(self, meter: Meter) -> tuple[int, int]:
        moved = meter.messages_in + meter.messages_out - self._written.get(meter.id, 0)
        return meter.send_queue or 0, moved

    def close(self, connections: Sequence[ConnectionInfo]) -> None:
        """Write the connections that are still open, close the file and release its lock.

        Args:
            connections: all connections of the Monitor.

        Raises:
            OSError: the file cannot be written now.
        """
        if self._owner != os.getpid():
            return
        try:
            if self._writer is not None:
                with self._broken_file_put_aside():
                    self._writer.end([info for info in connections if info.state == "open"])
                    self._writer.close()
                self._writer = None
        finally:
            if self._lock is not None and self._writer is None:
                self._lock.release()
                self._lock = None
