"""A feed of a simulated server with realistic numbers."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import replace

from rtmon.feeds import memory_queries
from rtmon.feeds.feed import Answer, ConnectionPage, ConnectionQuery, Feed, FeedStatus, select
from rtmon.feeds.queries import Capabilities, Query
from rtmon.metrics.histogram import Histogram, HistogramRecorder
from rtmon.metrics.history import History
from rtmon.metrics.records import (
    ChannelInfo,
    ConnectionInfo,
    Event,
    Sample,
    Snapshot,
    SocketIOInfo,
)

NAMES = ("ada", "grace", "alan", "edsger", "barbara", "tim", "radia", "vint", "leslie", "margaret")


class SyntheticFeed(Feed):
    """Feed of a simulated server with ``users`` chatting users.

    Args:
        ago: Seconds of history at the begin.
        users: Approximate number of open connections.
        start: Unix time in seconds at which the history ends; None for now.
        live: True to advance with the wall clock; False to advance only by :meth:`step`.
    """

    def __init__(
        self, *, ago: int = 300, users: int = 217, start: float | None = None, live: bool = False
    ) -> None:
        self._random = random.Random(7)
        self._live = live
        self._time = (time.time() if start is None else start) - ago
        self._samples: list[Sample] = []
        self._events: list[Event] = []
        self._rows: list[ConnectionInfo] = []
        self._users = users
        self.epoch = "e1"
        self.totals: dict[str, int] = {}
        self.codes: dict[int, int] = {}
        self.rtt = Histogram()
        self.state = FeedStatus(state="live", source="ws://127.0.0.1:8766", node="web-1")
        for _ in range(ago):
            self.step()

    def restart(self) -> None:
        """Restart the simulated server with a new epoch and empty history."""
        self.epoch += "'"
        self._samples, self._events, self._rows = [], [], []
        self.totals, self.codes, self.rtt = {}, {}, Histogram()

    def step(self, **forced: object) -> Sample:
        """Advance by one second; ``forced`` replaces values of the new sample."""
        rng, seq = self._random, len(self._samples) + 1
        self._time += 1
        wave = 1 + 0.35 * math.sin(self._time / 38)
        open_ = round(self._users * (0.9 + 0.1 * wave)) + rng.randrange(-3, 4) if self._users else 0
        rtts = HistogramRecorder()
        for _ in range(open_ // 4):
            rtts.record(abs(rng.lognormvariate(-6.0, 0.8)))
        lags = HistogramRecorder()
        for _ in range(10):
            lags.record(abs(rng.lognormvariate(-7.5, 0.9)))
        incoming = int(open_ * 8 * wave * rng.uniform(0.9, 1.1))
        code = rng.choices((1000, 1001, 1006, 1008, 1009, 1011), (40, 20, 8, 1, 2, 1))[0]
        ended = 1 if rng.random() < 0.5 and open_ else 0
        values: dict[str, object] = {
            "open": open_,
            "peak": open_,
            "opened": ended + (open_ if seq == 1 else 0),
            "closed": ended,
            "messages_in": incoming,
            "messages_out": int(incoming * 2.7),
            "bytes_in": incoming * 190,
            "bytes_out": int(incoming * 2.7 * 440),
            "wire_in": incoming * 196,
            "wire_out": int(incoming * 2.7 * 444),
            "errors": rng.choices((0, 1, 2, 5), (70, 6, 3, 1))[0] if open_ else 0,
            "rtt": rtts.take(),
            "lag": lags.take(),
            "cpu": 0.22 * wave * rng.uniform(0.9, 1.1),
            "close_codes": {code: ended} if ended else {},
        }
        sample = Sample(
            node="web-1",
            epoch=self.epoch,
            seq=seq,
            time=self._time,
            elapsed=1.0,
            **(values | forced),
        )
        self._samples.append(sample)
        for name in (
            "opened",
            "closed",
            "rejected",
            "messages_in",
            "messages_out",
            "bytes_in",
            "bytes_out",
            "wire_in",
            "wire_out",
            "errors",
        ):
            self.totals[name] = self.totals.get(name, 0) + (getattr(sample, name) or 0)
        for each, count in sample.close_codes.items():
            self.codes[each] = self.codes.get(each, 0) + count
            self._event("closed", each, "closed by the client")
            self._event("opened", None, None)
        if sample.errors:
            self._event("error", None, "unknown message type 'shout'")
        self.rtt = Histogram.merged((self.rtt, sample.rtt))
        self._move(sample)
        return sample

    def _event(self, kind: str, code: int | None, detail: str | None) -> None:
        name = self._random.choice(NAMES)
        self._events.append(
            Event(
                seq=len(self._events) + 1,
                time=self._time,
                kind=kind,
                connection="c7",
                name=name,
                code=code,
                detail=detail,
            )
        )

    def _move(self, sample: Sample) -> None:
        rng = self._random
        while len(self._rows) < sample.open:
            number = len(self._rows) + 1
            self.add(
                ConnectionInfo(
                    id=f"c{number}",
                    name=f"{NAMES[number % 10]}-{number}",
                    remote=f"10.0.0.{number % 250}:{40000 + number}",
                    path=rng.choice(("/chat", "/echo", "/pubsub")),
                    opened=self._time - rng.random() * 900,
                )
            )
        for index, row in enumerate(self._rows):
            many = rng.randrange(4)
            self._rows[index] = replace(
                row,
                messages_in=(row.messages_in or 0) + many,
                messages_out=(row.messages_out or 0) + many * 3,
                bytes_in=(row.bytes_in or 0) + many * 190,
                bytes_out=(row.bytes_out or 0) + many * 1320,
                rtt=abs(rng.lognormvariate(-6.0, 0.8)),
            )

    def add(self, row: ConnectionInfo) -> None:
        """Add a row to the connections table."""
        self._rows.append(row)

    def _advance(self) -> None:
        while self._live and self._time + 1 <= time.time() and self.state.state == "live":
            self.step()

    async def start(self) -> None:
        """Do nothing: the simulated server always runs."""

    async def aclose(self) -> None:
        self.state = replace(self.state, state="closed")

    @property
    def status(self) -> FeedStatus:
        self._advance()
        return self.state

    def now(self) -> float:
        return max(self._time, time.time()) if self._live else self._time

    def latest(self) -> Sample | None:
        return self._samples[-1] if self._samples else None

    def snapshot(self) -> Snapshot | None:
        if not self._samples:
            return None
        last = self._samples[-1]
        return Snapshot(
            node="web-1",
            epoch=self.epoch,
            seq=last.seq,
            time=last.time,
            uptime=float(last.seq),
            open=last.open,
            peak=last.open,
            rtt=self.rtt,
            close_codes=dict(self.codes),
            **self.totals,
        )

    def samples(self, since: int = 0) -> list[Sample]:
        return self._samples[since:]

    def events(self, since: int = 0) -> list[Event]:
        return self._events[since:]

    def channels(self) -> list[ChannelInfo]:
        return []

    def socketio(self) -> list[SocketIOInfo]:
        return []

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(live=self._live)

    def listen(self, listener: Callable[[Sample], None]) -> Callable[[], None]:
        return lambda: None

    async def answer(self, query: Query) -> Answer:
        history = History()
        for sample in self._samples:
            history.add(sample)
        history.extend_events(self._events)
        epoch = memory_queries.Epoch(
            node="web-1", epoch=self.epoch, history=history, connections=self._rows
        )
        return memory_queries.answer(query, memory_queries.FeedMemory(epochs=[epoch]))

    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        return select(self._rows, query)
