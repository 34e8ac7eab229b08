"""The data that a remote feed has received from a server: history and tables of each epoch."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

from ..metrics.history import History
from ..metrics.records import ChannelInfo, ConnectionInfo, Sample, Snapshot, SocketIOInfo
from .memory_queries import Epoch, FeedMemory, ended_with_server

__all__ = ["RemoteFeedData"]

CLOSED_KEPT = 1000
"""Maximum number of closed connections kept for each epoch; a Monitor's default is the same."""

EPOCHS_KEPT = 8
"""Maximum number of ended epochs kept.

A server that restarts again and again begins many epochs, which must not fill the memory.
"""


class RemoteFeedData:
    """The data of a remote feed, built from the server's messages; see :mod:`.wire_format`.

    Attributes:
        node: name of the server process; "" before the server's ``hello``.
        epoch: the server's current epoch; "" before the server's ``hello``.
        interval: seconds between ticks of the server.
        features: names of the requests that the server supports.
        history: Samples and Events of the current epoch.
        channels: rows of the channels table as of the newest tick.
        socketio: rows of the socketio table as of the newest tick.
        snapshot: the server's totals as of the newest Sample; None before the first.
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
        """Rows of the connections table of the current epoch."""
        return list(self._rows.values())

    def memory(self) -> FeedMemory:
        """Return the data as input of :mod:`.memory_queries`.

        Call it on the event loop that receives the server's messages.
        """
        current = Epoch(
            node=self.node, epoch=self.epoch, history=self.history, connections=self.connections
        )
        return FeedMemory(
            epochs=[*self._ended, current],
            tables={"channels": self.channels, "socketio": self.socketio},
            closed=self.snapshot.closed if self.snapshot else 0,
        )

    def hello(self, message: dict[str, Any]) -> None:
        """Process the server's ``hello``, which names the node and epoch of the data that follows.

        If the server has begun a new epoch, the data of the previous epoch is kept as ended.
        """
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
        """Add one ``history`` message of the server. Return True if it was the last one."""
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
        """Add one ``tick`` message of the server, and return the tick's Sample."""
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
            # Move the row to the end, so that closed connections are in the order of their ends.
            rows.pop(row.id, None)
        rows[row.id] = row
    if len(rows) > CLOSED_KEPT:
        closed = [row.id for row in rows.values() if row.state == "closed"]
        for gone in closed[: max(0, len(closed) - CLOSED_KEPT)]:
            del rows[gone]
