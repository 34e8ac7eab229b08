"""The data that a reader has received from a server's feed, of all epochs so far."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

from ..metrics.history import History
from ..metrics.records import ChannelInfo, ConnectionInfo, Sample, Snapshot, SocketIOInfo
from .memory_queries import Epoch, FeedMemory, ended_with_server

__all__ = ["RemoteFeedData"]

CLOSED_KEPT = 1000
"""Maximum number of closed connections kept of an epoch, the same as in a Monitor."""

EPOCHS_KEPT = 8
"""Maximum number of ended epochs kept, so that a server in a restart loop cannot fill memory."""


class RemoteFeedData:
    """Tables and history, put together from the messages of a feed; see :mod:`.wire_format`.

    Attributes:
        node: name of the server process; "" before it is known.
        epoch: the server's epoch; "" before it is known.
        interval: seconds between its ticks.
        features: the requests that the server supports.
        history: Samples and Events of the epoch.
        channels: the hub's channels.
        socketio: totals of Socket.IO servers.
        snapshot: totals as of the newest Sample.
    """

    def __init__(self) -> None:
        self.node = ""
        self.epoch = ""
        self.interval = 1.0
        self.features: frozenset[str] = frozenset()
        self.history = History()
        self.channels: list[ChannelInfo] = []
        self.socketio: list[SocketIOInfo] = []
        self.snapshot: Snapshot | None = None
        self._rows: OrderedDict[str, ConnectionInfo] = OrderedDict()
        self._staged: OrderedDict[str, ConnectionInfo] | None = None
        self._ended: deque[Epoch] = deque(maxlen=EPOCHS_KEPT)

    @property
    def connections(self) -> list[ConnectionInfo]:
        """Rows of the connections table of the epoch."""
        return list(self._rows.values())

    def memory(self) -> FeedMemory:
        """Return the data in memory for queries; call it on the receiving loop."""
        current = Epoch(
            node=self.node, epoch=self.epoch, history=self.history, connections=self.connections
        )
        return FeedMemory(
            epochs=[*self._ended, current],
            tables={"channels": self.channels, "socketio": self.socketio},
            closed=self.snapshot.closed if self.snapshot else 0,
        )

    def hello(self, message: dict[str, Any]) -> None:
        """Handle the server's ``hello``: node and epoch of the numbers that follow."""
        if message["epoch"] != self.epoch:
            self._end_epoch()
        elif message["reset"]:
            self.history = History()
        self.node, self.epoch = message["node"], message["epoch"]
        self.interval = message["interval"]
        self.features = frozenset(message.get("features", ()))
        self._staged = OrderedDict()
        self.channels, self.socketio = [], []

    def _end_epoch(self) -> None:
        latest = self.history.latest()
        if latest is not None:
            self._ended.append(
                Epoch(
                    node=self.node,
                    epoch=self.epoch,
                    history=self.history,
                    connections=ended_with_server(self.connections, latest.time),
                    ended=True,
                )
            )
        self.history = History()
        self._rows = OrderedDict()
        self.snapshot = None

    def piece(self, message: dict[str, Any]) -> bool:
        """Handle a piece of the server's history; return True if it was the last."""
        for sample in message.get("samples", ()):
            self.history.add(sample)
        known = self.history.last_event()
        self.history.extend_events(e for e in message.get("events", ()) if e.seq > known)
        if self._staged is None:
            self._staged = OrderedDict()
        _put(self._staged, message.get("connections", ()))
        self.channels += message.get("channels", ())
        self.socketio += message.get("socketio", ())
        if message["done"]:
            self._rows, self._staged = self._staged, None
            self.snapshot = message["totals"] or self.snapshot
        return bool(message["done"])

    def tick(self, message: dict[str, Any]) -> Sample:
        """Handle a tick; return its Sample."""
        sample: Sample = message["sample"]
        self.history.add(sample, message["events"])
        _put(self._rows, message["connections"])
        self.channels = message.get("channels", [])
        self.socketio = message.get("socketio", [])
        self.snapshot = message["totals"]
        return sample


def _put(rows: OrderedDict[str, ConnectionInfo], changed: list[ConnectionInfo]) -> None:
    for row in changed:
        if row.state == "closed":
            rows.pop(row.id, None)  # closed ones are kept in the order in which they ended
        rows[row.id] = row
    if len(rows) > CLOSED_KEPT:
        closed = [row.id for row in rows.values() if row.state == "closed"]
        for gone in closed[: max(0, len(closed) - CLOSED_KEPT)]:
            del rows[gone]
