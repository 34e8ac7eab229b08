"""A sink that records a Monitor: writes every tick into one file."""

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
"""Maximum number of open connections written with a tick: the busiest and slowest changed ones."""

NOTABLE_TICKS = 10
"""Ticks between two choices of notable connections, where more than :data:`NOTABLE` changed."""

SWEEP_TICKS = 60
"""Ticks in which every open connection that has changed is written once."""


_LIGHT = light_rows(CONNECTION_ROW[1:])


def _infos(meters: Iterable[Meter]) -> list[Any]:
    return [meter.info() for meter in meters]


class Recording:
    """Writes everything that a Monitor measures into one SQLite file, tick by tick.

    Attach it: ``monitor.attach(rtmon.Recording("run.rtmon"))``. Read the file with
    :func:`rtmon.read`, also while it is written. An existing file is continued; a damaged
    one is renamed, never overwritten.

    Args:
        path: the file.
        limits: retention limits; by default single seconds for an hour, points of ten seconds for
            a day, and of a minute for 30 days.
        redaction: redaction of texts; by default none.
        clock: source of time.

    Raises:
        OptionError: an option is wrong.
    """

    tables = ("channels", *STATES)
    """What is wanted with each tick besides; see :class:`rtmon.metrics.interfaces.Sink`."""

    subject = "recording"
    """What Events about failures call it: "recording degraded", "recording recovered"."""

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
        # A ConnectionInfo costs more than to write its row: it is made to be redacted only.
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
        """Open the file for writing.

        Raises:
            OptionError: another recording writes it, or it is on a network file system.
            FileFormatError: it was written by a newer release, or is another database.
            OSError: it cannot be written.
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
        """Open the file, and a new one where it turns out to be damaged."""
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
        """Write one tick.

        Raises:
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
        """Put the file aside if it turns out to be damaged; a new one is begun with the next try.

        Raises:
            OSError: it was damaged, so that what was to be written is written again.
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
        """Choose the open connections to write: the notable ones, and some of those that wait."""
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
        """Choose the busiest and slowest of the open connections that changed."""
        many = len(tick.meters) > NOTABLE
        if many and tick.sample.seq % NOTABLE_TICKS:
            return []  # finding them among thousands would cost more than writing them
        changed = [meter for meter in tick.meters if meter.closed is None]
        return nlargest(NOTABLE, changed, key=self._notability) if many else changed

    def _notability(self, meter: Meter) -> tuple[int, int]:
        moved = meter.messages_in + meter.messages_out - self._written.get(meter.id, 0)
        return meter.send_queue or 0, moved

    def close(self, connections: Sequence[ConnectionInfo]) -> None:
        """Write the connections that are still open, and close the file: one file remains.

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
