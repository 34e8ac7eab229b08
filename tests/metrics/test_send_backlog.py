"""Slow connections: waiting bytes, dropped messages, and their events."""

from __future__ import annotations

import gc

from rtmon.core.backpressure import Bounds, SendQueue
from rtmon.metrics.collector import Collector
from rtmon.metrics.meter import Ending, Meter
from rtmon.metrics.send_backlog import DROPPED_SECONDS
from rtmon.testing import FakeClock


class Reader:
    """A connection with a transport that buffers bytes, and a queue of messages before it."""

    def __init__(self, *, role: str = "server") -> None:
        self.clock = FakeClock()
        self.collector = Collector(node="n", epoch="e", now=self.clock.monotonic())
        self.meter: Meter = self.collector.meter(role=role)
        self.buffered = 0
        self.queue: SendQueue[str] = SendQueue()
        self.meter.queue = lambda: self.buffered
        self.meter.held = self.queue
        self.collector.opened(self.meter, self.clock.monotonic(), self.clock.time())

    def offer(self, size: int) -> None:
        """Put a message into the client's queue, which holds five messages."""
        before = self.queue.dropped
        bounds = Bounds(messages=5)
        now = self.clock.monotonic()
        self.queue.offer("m", size, bounds=bounds, now=now, policy="drop_oldest")
        if self.queue.dropped > before:
            self.meter.bump("dropped", self.queue.dropped - before)

    def tick(self, seconds: float = 1.0) -> list[tuple[str, str | None]]:
        """Advance the clock and tick; return kind and detail of the tick's events."""
        self.clock.advance(seconds)
        tick = self.collector.tick(self.clock.monotonic(), self.clock.time())
        self.sample = tick.sample
        return [(event.kind, event.detail) for event in tick.events if event.kind != "opened"]


def test_row_and_events_count_bytes_in_the_queue_and_in_the_transport() -> None:
    """Table row and events of a slow connection count the bytes in its queue and in its
    transport, the oldest byte's age, and dropped messages.
    """
    reader = Reader()
    reader.buffered = 100
    reader.meter.wire_out = 100
    assert reader.tick() == []
    reader.offer(40)
    assert reader.tick(0.5) == []
    assert reader.meter.info().send_queue == 140
    assert reader.tick() == [("slow", "140 bytes wait, the oldest for 1.5 s")]
    for _ in range(7):
        reader.offer(40)
    assert reader.tick() == [("dropped", "3 messages, 3 in all")]
    row = reader.meter.info()
    assert (row.send_queue, row.dropped, row.queue_age) == (300, 3, 2.5)
    reader.buffered = 0
    while reader.queue:
        reader.queue.take()
    assert reader.tick() == [("recovered", "0 bytes wait, 3 messages were dropped in all")]


def test_dropped_events_are_ten_seconds_apart_and_miss_no_message() -> None:
    """Connection that drops messages continuously has a "dropped" event every ten seconds, which
    counts all messages dropped since the event before.
    """
    reader = Reader()
    said = []
    for _ in range(3 * int(DROPPED_SECONDS)):
        for _ in range(10):
            reader.offer(1)
        said += [detail for kind, detail in reader.tick() if kind == "dropped"]
    assert said == [
        "5 messages, 5 in all",
        "100 messages, 105 in all",
        "100 messages, 205 in all",
    ]


def test_drops_soon_after_a_dropped_event_are_reported_after_ten_seconds() -> None:
    """Messages dropped less than ten seconds after a connection's "dropped" event are reported in
    one event after these ten seconds, even if no further message is dropped.
    """
    reader = Reader()
    reader.meter.bump("dropped", 2)
    assert reader.tick() == [("dropped", "2 messages, 2 in all")]
    reader.meter.bump("dropped", 3)
    assert reader.tick() == []
    assert reader.tick(DROPPED_SECONDS) == [("dropped", "3 messages, 5 in all")]
    assert reader.tick(DROPPED_SECONDS) == []


def test_dropped_messages_are_reported_once_when_the_connection_closes() -> None:
    """Dropped messages that are not yet reported are reported in one event when the connection
    closes, and messages dropped after the close are reported at the next tick.
    """
    reader = Reader()
    reader.meter.bump("dropped", 2)
    assert reader.tick() == [("dropped", "2 messages, 2 in all")]
    reader.meter.bump("dropped", 3)
    assert reader.tick() == []
    now, time = reader.clock.monotonic(), reader.clock.time()
    reader.collector.closed(reader.meter, now, time, Ending(close_code=1013))
    assert [said for said in reader.tick() if said[0] == "dropped"] == [
        ("dropped", "3 messages, 5 in all")
    ]
    reader.meter.bump("dropped", 4)
    assert reader.tick() == [("dropped", "4 messages, 9 in all")]
    assert reader.tick(DROPPED_SECONDS) == []


def test_detector_keeps_no_reference_to_a_closed_connection() -> None:
    """Detector of slow connections keeps no reference to a connection that dropped messages and
    closed.
    """
    reader = Reader()
    reader.meter.bump("dropped", 1)
    reader.tick()
    now, time = reader.clock.monotonic(), reader.clock.time()
    reader.collector.closed(reader.meter, now, time, Ending(close_code=1013))
    reader.tick()
    assert reader.meter not in gc.get_referents(*vars(reader.collector.backlogs).values())


def test_queued_bytes_are_counted_while_the_transport_is_empty() -> None:
    """Table row and sample count bytes in a connection's queue while its transport is empty,
    until the bytes have left the queue.
    """
    reader = Reader()
    reader.buffered = 100
    reader.tick()
    reader.offer(40)
    reader.buffered = 0
    reader.tick(0.5)
    assert (reader.meter.info().send_queue, reader.sample.send_queue) == (40, 40)
    assert reader.meter.info().queue_age == 0.5
    reader.queue.take()
    reader.tick()
    assert (reader.meter.info().send_queue, reader.sample.send_queue) == (0, 0)
    assert reader.meter.info().queue_age is None


def test_waiting_bytes_of_a_client_connection_are_not_in_the_server_totals() -> None:
    """Connection with the role "client" whose bytes wait in the send queue is slow in its own row
    and event, but adds nothing to the server's totals.
    """
    reader = Reader(role="client")
    reader.buffered = reader.meter.wire_out = 100
    assert reader.tick() == []
    assert reader.tick(1.5) == [("slow", "100 bytes wait, the oldest for 1.5 s")]
    assert reader.meter.info().send_queue == 100
    assert (reader.sample.slow, reader.sample.send_queue) == (0, 0)
