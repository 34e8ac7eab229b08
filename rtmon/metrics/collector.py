"""The class Collector, which sums up the counters of all Meters into one Sample at each tick."""

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
    """The result of one tick of a Monitor.

    Attributes:
        sample: the Sample.
        events: Events since the previous tick, in order.
        meters: Meters of the connections that changed since the previous tick. ``meter.info()``
            builds a connection's row, so that rows that nobody reads are not built.
        closed: Meters of the connections that ended since the previous tick, including those
            that also opened since then.
        snapshot: totals since the Monitor was created, as of this tick.
        labels: histogram of each label, such as a path, for the time since the previous tick.
        tables: name → records as of this tick, for the tables that an attached sink requires.
    """

    sample: Sample
    events: tuple[Event, ...]
    meters: tuple[Meter, ...]
    closed: tuple[Meter, ...]
    snapshot: Snapshot | None = None
    labels: Labels = field(default_factory=dict)
    tables: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def uncounted() -> Meter:
    """Return a Meter for a connection that no Monitor counts.

    The Meter's Ledger discards the values of histograms, which could otherwise fill the memory.
    """
    ledger = Ledger()
    ledger.stop()
    return Meter(ledger, "")


class Collector(Sources):
    """The counters, tables and history of one Monitor, without clock and I/O.

    All methods that count, and :meth:`tick`, must be called on the thread of the measured event
    loop. The methods that return tables and history may be called on any thread, and return data as
    of the last tick.

    Args:
        node: name of this server process.
        epoch: id of this epoch.
        now: monotonic seconds.
        closed_kept: maximum number of closed connections to keep.

    Attributes:
        node: name of this server process.
        epoch: id of this epoch.
        events: log to which Events since the last tick are added.
        history: the latest Samples and Events.
        lag: durations by which the event loop's timers were late.
        backlogs: detects slow consumers.
        closeups: time series of some connections.
        handlers: durations of handlers, by path.
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
        """Register a kind of probe that will report to this Collector.

        From then on, Sample columns that no registered kind of probe can measure are null.

        Args:
            probe: one of :data:`rtmon.metrics.columns.EVERY`.
        """
        self._ledgers["server"].probes.add(probe)

    def succeed(self, other: Collector) -> None:
        """Take over the hub, Socket.IO servers and kinds of probe of another Collector.

        Counters are not taken over. Used after a fork.
        """
        self.fanout, self._hub, self._socketio = other.fanout, other._hub, other._socketio
        self._gathered = other._gathered
        self._ledgers["server"].probes |= other._ledgers["server"].probes

    def meter(
        self, *, role: str = "server", transport: str = "websocket", probe: str = "websockets"
    ) -> Meter:
        """Return a Meter for a new connection.

        The connection is listed in tables only after :meth:`opened`. The totals include its
        counters from the start, so they include the bytes of failed handshakes.

        Args:
            role: ``server`` or ``client``: the end of the connection that is measured.
            transport: such as ``websocket``; see the column of this name.
            probe: kind of the probe, one of :data:`rtmon.metrics.columns.EVERY`. Columns that
                this kind cannot measure are null in the connection's row.
        """
        self._last_id += 1
        return Meter(
            self._ledgers[role], f"c{self._last_id}", role=role, transport=transport, probe=probe
        )

    def opened(self, meter: Meter, now: float, time: float) -> None:
        """Count a connection whose handshake has completed.

        Args:
            meter: Meter of the connection.
            now: monotonic seconds.
            time: Unix seconds.
        """
        meter.opened, meter.opened_time = now, time
        self._moved.append(meter)
        if meter.role == "server":
            self._server.arrived()
            self._reconnects.opened(meter.remote, now)
            meter.handler = self.handlers.recorder(meter.path)
        meter.mark()
        self.events.add("opened", time, meter=meter)

    def closed(self, meter: Meter, now: float, time: float, ending: Ending) -> None:
        """Count the end of a connection that had opened. A second call for a Meter is ignored.

        Args:
            meter: Meter of the connection.
            now: monotonic seconds.
            time: Unix seconds.
            ending: how the connection ended.
        """
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
        """Count a WebSocket handshake that failed or was refused.

        Args:
            meter: Meter of the connection.
            time: Unix seconds.
            status: HTTP status of the response; None if unknown.
            detail: description for the Event.
        """
        self._server.rejected += 1
        self.events.add("rejected", time, meter=meter, code=status, detail=detail)

    def http_request(self) -> None:
        """Count a plain HTTP request that was answered on the WebSocket port."""
        self._server.http_requests += 1

    def rtt(self, meter: Meter, seconds: float) -> None:
        """Record the round-trip time of an answered ping.

        Args:
            meter: Meter of the connection.
            seconds: the round-trip time.
        """
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
        """Build a Sample of everything since the last tick, and add it to the history.

        Args:
            now: monotonic seconds. Rates are computed from this time.
            time: Unix seconds, which label the Sample.
            cpu: CPU seconds that the process used per second.
            memory: resident memory of the process in bytes.
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
        """Discard all further values of histograms.

        Called after the last tick. Connections that are still open would otherwise fill the memory
        with values that no further tick removes.
        """
        for ledger in self._ledgers.values():
            ledger.stop()

    def _recorders(self) -> dict[str, HistogramRecorder | LabelledDurations]:
        """Column name → recorder, for the histograms of a Sample that no Ledger records."""
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
        """Add newly opened connections to the tables, and move ended ones to the closed ones.

        Returns:
            Meters of the connections that ended since the last tick.
        """
        # A dict, since a connection that opened and closed since the last tick is in the list
        # twice.
        gone: dict[str, Meter] = {}
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
        """Return the totals as of now. Call it on the measured event loop's thread.

        Args:
            now: monotonic seconds.
            time: Unix seconds.
        """
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
        """Return True if some registered kind of probe can measure a column.

        Before the first probe is registered, the result is True. Round-trip times may also come
        from a hub, which sends pings of its own.
        """
        probes = self._connections.ledger.probes
        if not probes or not probes.isdisjoint(column.probes):
            return True
        return column.name == "rtt" and bool(self._rtt.steps or self._lifetime["rtt"].counts)

    def _known(self, values: dict[str, Any]) -> dict[str, Any]:
        """Set the columns to None that no registered kind of probe can measure."""
        for column in _SOMETIMES_UNKNOWN:
            if column.name in values and not self._knows(column):
                values[column.name] = None
        return values

    def close_causes(self) -> dict[str, int]:
        """Return cause → number of the server's connections that have ended for this cause."""
        return dict(self._server.close_causes)

    def _labels_taken(self) -> Labels:
        measured = [self._rtt, self.handlers, *self.hub_durations()]
        return {key: taken for each in measured for key, taken in each.taken.items()}

    def labels(self, after: int = 0) -> list[tuple[int, Labels]]:
        """Return the number and the labelled durations of each of the last 60 ticks, oldest first.

        Args:
            after: return only ticks with a greater number.
        """
        with self._lock:
            return [(seq, labels) for seq, labels in self._labels if seq > after]

    def latencies(self) -> list[Latency]:
        """Return the table ``latencies``: percentiles over the last 60 ticks.

        Durations are grouped by path, and for a hub also by room and by message type.
        """
        return latencies(labels for _, labels in self.labels())

    def addresses(self, limit: int | None = None) -> list[AddressInfo]:
        """Return the table ``addresses``: connections by client address, as of the last tick.

        Args:
            limit: maximum number of addresses: those with the most reconnects, then the most
                open connections. None for all.
        """
        return self._reconnects.rows(self._ticked, limit)

    def published(self) -> Snapshot | None:
        """Return the totals as of the last tick; None before the first."""
        with self._lock:
            return self._published

    def connections(self) -> list[ConnectionInfo]:
        """Return the table ``connections``: open connections, then the latest closed ones.

        The list of connections is as of the last tick. The counters in the rows are current.
        """
        return [meter.info() for meter in self.meters()]

    def find(self, identity: str) -> Meter | None:
        """Return the Meter of an open or a recently closed connection; None if not found.

        Args:
            identity: id of the connection.
        """
        with self._lock:
            found = self._open.get(identity)
            if found is None:
                found = next((m for m in reversed(self._closed) if m.id == identity), None)
            return found

    def open_meters(self) -> tuple[Meter, ...]:
        """Return the Meters of the open connections."""
        with self._lock:
            return tuple(self._open.values())

    def meters(self) -> list[Meter]:
        """Return the Meters of the open connections, then of the latest closed ones."""
        with self._lock:
            return [*self._open.values(), *self._closed]
