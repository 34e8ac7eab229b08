"""The Collector: folds what the meters counted into one Sample a tick."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import round_trips
from .close_causes import NORMAL
from .columns import CONNECTION, EVERY, METER_COUNTERS, SAMPLE, Column
from .connection_series import ConnectionSeries
from .event_log import EventLog
from .histogram import EMPTY, Histogram, HistogramRecorder
from .history import History
from .hub_and_socketio_sources import Sources
from .labelled_durations import RECENT_TICKS, LabelledDurations, Labels, latencies
from .meter import Ending, Ledger, Meter
from .reconnects import Reconnects
from .records import AddressInfo, ConnectionInfo, Event, Latency, Sample, Snapshot
from .send_backlog import Backlogs
from .server_totals import LedgerTotals, ServerTotals

__all__ = ["Collector", "Tick", "uncounted"]

_SOMETIMES_UNKNOWN = tuple(
    column for column in SAMPLE if column.probes != EVERY and not column.derived
)

_UNKNOWN = {
    probe: frozenset(column.name for column in CONNECTION if probe not in column.probes)
    for probe in EVERY
}


@dataclass(frozen=True, slots=True)
class Tick:
    """The result of one tick.

    Attributes:
        sample: the Sample.
        events: the Events since the tick before, in order.
        meters: the opened connections that changed; ``meter.info()`` makes a row of one, so
            that unused rows cost nothing.
        closed: the connections that ended, including those opened in the same tick.
        snapshot: the totals of the epoch as of this tick.
        labels: durations by path, room and type since the tick before.
        tables: table → its records as of this tick, for the tables that a sink requires.
    """

    sample: Sample
    events: tuple[Event, ...]
    meters: tuple[Meter, ...]
    closed: tuple[Meter, ...]
    snapshot: Snapshot | None = None
    labels: Labels = field(default_factory=dict)
    tables: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def uncounted() -> Meter:
    """A meter for a connection that no Monitor counts: its memory is bounded."""
    ledger = Ledger()
    ledger.stop()
    return Meter(ledger, "")


class Collector(Sources):
    """The counters of one Monitor. Pure: reads no clock and does no I/O.

    Probes call :meth:`opened`, :meth:`closed` and the like on the thread of their event loop,
    and so does the owner call :meth:`tick`. :meth:`connections` and :meth:`published` may be
    called from any thread: they answer as of the last tick.

    Args:
        node: name of this server process.
        epoch: name of this epoch.
        now: monotonic seconds.
        closed_kept: how many closed connections to remember.

    Attributes:
        events: the Events of the current tick; new Events are added here.
        history: the latest Samples and Events.
        closeups: time series of some connections.
    """

    def __init__(self, *, node: str, epoch: str, now: float, closed_kept: int = 1000) -> None:
        super().__init__()
        self.node = node
        self.epoch = epoch
        self.events = EventLog()
        self.history = History()
        self.lag = HistogramRecorder()
        self.backlogs = Backlogs()
        self.closeups = ConnectionSeries(_UNKNOWN)
        self._lock = threading.Lock()
        self._started = now
        self._ticked = now
        self._seq = 0
        self._last_id = 0
        self._ledgers = {"server": Ledger(), "client": Ledger()}
        self.handlers = LabelledDurations("handler", "path")
        self._connections = LedgerTotals(self._ledgers["server"], handler=self.handlers)
        self._server = ServerTotals()
        self._open: dict[str, Meter] = {}
        self._closed: deque[Meter] = deque(maxlen=closed_kept)
        self._moved: list[Meter] = []
        self._rtt = LabelledDurations("rtt", "path")
        self._labels: deque[tuple[int, Labels]] = deque(maxlen=RECENT_TICKS)
        self._reconnects = Reconnects()
        self._lifetime = dict.fromkeys(self._recorders(), EMPTY)
        self._published: Snapshot | None = None

    def expect(self, probe: str) -> None:
        """Register a kind of probe: columns that no registered kind can know become null.

        Args:
            probe: one of :data:`rtmon.metrics.columns.EVERY`.
        """
        self._ledgers["server"].probes.add(probe)

    def succeed(self, other: Collector) -> None:
        """Take over the sources of another Collector, with all counters at 0."""
        self.fanout, self._hub, self._socketio = other.fanout, other._hub, other._socketio
        self._gathered = other._gathered
        self._ledgers["server"].probes |= other._ledgers["server"].probes

    def meter(
        self, *, role: str = "server", transport: str = "websocket", probe: str = "websockets"
    ) -> Meter:
        """Return a meter for a new connection, which is in no table until :meth:`opened`.

        Its counts before that are in the totals, too: a failed handshake has bytes.

        Args:
            role: ``server`` or ``client``: which end of the connection is measured.
            transport: how messages travel.
            probe: kind of the probe, one of :data:`rtmon.metrics.columns.EVERY`; columns that this
                kind cannot know are null in the connection's row.
        """
        self._last_id += 1
        return Meter(
            self._ledgers[role], f"c{self._last_id}", role=role, transport=transport, probe=probe
        )

    def opened(self, meter: Meter, now: float, time: float) -> None:
        """Count a completed handshake."""
        meter.opened, meter.opened_time = now, time
        self._moved.append(meter)
        if meter.role == "server":
            self._server.arrived()
            self._reconnects.opened(meter.remote, now)
            meter.handler = self.handlers.recorder(meter.path)
        meter.mark()
        self.events.add("opened", time, meter=meter)

    def closed(self, meter: Meter, now: float, time: float, ending: Ending) -> None:
        """Count the end of an opened connection. Only the first call for a meter counts."""
        if meter.opened is None or meter.closed is not None:
            return
        meter.ending = ending
        meter.closed = now
        meter.queue = meter.held = None
        meter.send_queue, meter.queue_age = 0, None
        self.backlogs.forget(meter)
        if meter.box is not None:
            if ending.cause not in NORMAL:
                meter.last_frames = meter.box.told(now)
            meter.box = None
        self._moved.append(meter)
        if meter.role == "server":
            self._server.left(ending.close_code, ending.cause)
            self._reconnects.closed(meter.remote, now)
        meter.mark()
        own, peer = ("client", "server") if meter.role == "client" else ("server", "client")
        by = {"local": f"closed by the {own}", "remote": f"closed by the {peer}"}
        reason = ending.reason_received or ending.reason_sent
        detail = by.get(ending.initiator or "", "ended without a close frame")
        if ending.cause is not None and ending.cause != "closed":
            detail = f"{ending.cause}, {detail}"
        self.events.add(
            "closed",
            time,
            meter=meter,
            code=ending.close_code,
            detail=f"{detail}: {reason}" if reason else detail,
        )

    def rejected(self, meter: Meter, time: float, *, status: int | None, detail: str) -> None:
        """Count a WebSocket handshake that failed or was refused."""
        self._server.rejected += 1
        self.events.add("rejected", time, meter=meter, code=status, detail=detail)

    def http_request(self) -> None:
        """Count a plain HTTP request that was answered on the WebSocket port."""
        self._server.http_requests += 1

    def rtt(self, meter: Meter, seconds: float) -> None:
        """Count an answered ping."""
        meter.rtt = seconds
        meter.round_trips = round_trips.added(meter.round_trips, seconds)
        meter.rtt_p99 = round_trips.quantile(meter.round_trips, 0.99)
        meter.mark()
        if meter.role == "server":
            self._rtt.recorder(meter.path).record(seconds)

    def tick(
        self,
        now: float,
        time: float,
        *,
        cpu: float | None = None,
        memory: int | None = None,
        own: float | None = None,
    ) -> Tick:
        """Make one Sample of everything since the last tick, remember and return it.

        Args:
            now: monotonic seconds, from which rates are computed.
            time: Unix seconds, the label of the Sample.
            cpu: CPU seconds of the process per second of time.
            memory: resident bytes of the process.
            own: duration of the previous tick in seconds.
        """
        self.gather()
        for ledger in self._ledgers.values():
            ledger.fold()
        self._look_for_slow_ones(now, time)
        dirty: list[Meter] = []
        for ledger in self._ledgers.values():
            dirty += ledger.dirty
            ledger.dirty = []
        for meter in dirty:
            meter.dirty = False
        with self._lock:
            gone = self._move()
            self._seq += 1
            elapsed, self._ticked = now - self._ticked, now
            times = {name: recorder.take() for name, recorder in self._recorders().items()}
            self.end_tick()
            for name, gained in times.items():
                if gained.counts:
                    self._lifetime[name] = Histogram.merged((self._lifetime[name], gained))
            values = {
                "slow": self.backlogs.slow,
                "send_queue": self.backlogs.waiting(),
                "queue_age": self.backlogs.oldest(),
                **times,
                **self._server.take(),
                **self._connections.take(),
            }
            sample = Sample(
                node=self.node,
                epoch=self.epoch,
                seq=self._seq,
                time=time,
                elapsed=max(0.0, elapsed),
                **self._known(values),
                cpu=cpu,
                memory=memory,
                own=own,
            )
            labels = self._labels_taken()
            self._labels.append((self._seq, labels))
            self._published = self._snapshot(now, sample)
        self.closeups.tick(
            sample.seq,
            now=now,
            time=time,
            elapsed=sample.elapsed,
            open_now=self._open,
            changed=dirty,
        )
        events = self.events.take(time)
        self.history.add(sample, events)
        changed = tuple([meter for meter in dirty if meter.opened is not None])
        return Tick(sample, events, changed, gone, self._published, labels)

    def stop(self) -> None:
        """Stop: there are no more ticks, so keep nothing that live connections would add to."""
        for ledger in self._ledgers.values():
            ledger.stop()

    def _recorders(self) -> dict[str, HistogramRecorder | LabelledDurations]:
        """Histograms of a Sample that are not counted message by message."""
        return {"rtt": self._rtt, "fanout": self.fanout, "lag": self.lag}

    def _look_for_slow_ones(self, now: float, time: float) -> None:
        moved = [meter for ledger in self._ledgers.values() for meter in ledger.dirty]
        slow, recovered = self.backlogs.look(moved, now)
        for meter in slow:
            detail = f"{meter.send_queue:,} bytes wait, the oldest for {meter.queue_age:.1f} s"
            self.events.add("slow", time, meter=meter, detail=detail)
        for meter in recovered:
            detail = f"{meter.send_queue:,} bytes wait"
            if meter.dropped:
                detail += f", {meter.dropped:,} messages were dropped in all"
            self.events.add("recovered", time, meter=meter, detail=detail)
        for meter, count in self.backlogs.dropped(moved, now):
            detail = f"{count:,} messages, {meter.dropped:,} in all"
            self.events.add("dropped", time, meter=meter, detail=detail)

    def _move(self) -> tuple[Meter, ...]:
        """Update the tables to this tick; returns the connections that ended."""
        gone: dict[str, Meter] = {}  # one opened and closed within a tick is listed twice
        for meter in self._moved:
            if meter.closed is None:
                self._open[meter.id] = meter
            else:
                self._open.pop(meter.id, None)
                gone[meter.id] = meter
        self._moved = []
        self._closed.extend(gone.values())
        return tuple(gone.values())

    def _snapshot(self, now: float, sample: Sample) -> Snapshot:
        totals: dict[str, Any] = {
            **self._lifetime,
            **self._server.current(),
            **self._connections.current(),
        }
        return Snapshot(
            node=self.node,
            epoch=self.epoch,
            seq=sample.seq,
            time=sample.time,
            uptime=now - self._started,
            rates={
                name: rate for name in METER_COUNTERS if (rate := sample.rate(name)) is not None
            },
            **self._known(totals),
        )

    def snapshot(self, now: float, time: float) -> Snapshot:
        """Return the current totals; to be called on the probes' thread."""
        self.gather()
        last = self.history.latest() or Sample(
            node=self.node, epoch=self.epoch, seq=0, time=time, elapsed=0.0
        )
        current = self._snapshot(now, replace(last, time=time))
        merged = {
            name: Histogram.merged((self._lifetime[name], recorder.peek()))
            for name, recorder in self._recorders().items()
        }
        return replace(current, **self._known(merged))

    def _knows(self, column: Column) -> bool:
        """Return True if a registered probe can know a column; before the first probe, all can.

        Round trips are known to a hub too, whose clients answer pings of its own.
        """
        probes = self._connections.ledger.probes
        if not probes or not probes.isdisjoint(column.probes):
            return True
        return column.name == "rtt" and bool(self._rtt.steps or self._lifetime["rtt"].counts)

    def _known(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return null for columns that no probe here can know."""
        for column in _SOMETIMES_UNKNOWN:
            if column.name in values and not self._knows(column):
                values[column.name] = None
        return values

    def close_causes(self) -> dict[str, int]:
        """Return cause → current number of the server's connections that ended with it."""
        return dict(self._server.close_causes)

    def _labels_taken(self) -> Labels:
        measured = [self._rtt, self.handlers, *self.hub_durations()]
        return {key: taken for each in measured for key, taken in each.taken.items()}

    def labels(self, after: int = 0) -> list[tuple[int, Labels]]:
        """Durations by label of each of the last ticks, oldest first, and the ticks' numbers.

        Args:
            after: leave out ticks up to this number.
        """
        with self._lock:
            return [(seq, labels) for seq, labels in self._labels if seq > after]

    def latencies(self) -> list[Latency]:
        """Percentiles of the last minute by path, and of the hub by room and type."""
        return latencies(labels for _, labels in self.labels())

    def addresses(self, limit: int | None = None) -> list[AddressInfo]:
        """Connections by the address that they come from, as of the last tick.

        Args:
            limit: return only so many, those with the most reconnects and open connections.
        """
        return self._reconnects.rows(self._ticked, limit)

    def published(self) -> Snapshot | None:
        """Totals as of the last tick, None before the first."""
        with self._lock:
            return self._published

    def connections(self) -> list[ConnectionInfo]:
        """The open connections and the latest closed ones.

        The list is as of the last tick, the counts are current: on the probes' thread, right after
        a tick, both agree.
        """
        return [meter.info() for meter in self.meters()]

    def find(self, identity: str) -> Meter | None:
        """Return the meter of a connection that is open or remembered."""
        with self._lock:
            found = self._open.get(identity)
            if found is None:
                found = next((m for m in reversed(self._closed) if m.id == identity), None)
            return found

    def open_meters(self) -> tuple[Meter, ...]:
        """Meters of the open connections."""
        with self._lock:
            return tuple(self._open.values())

    def meters(self) -> list[Meter]:
        """Meters of the same connections."""
        with self._lock:
            return [*self._open.values(), *self._closed]
