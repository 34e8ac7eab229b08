"""The receivers of each place, grouped so that one frame serves many WebSocket connections."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any

from ..core.frame_sharing import FrameGroup, FrameGroupFactory, Written
from ..metrics.labelled_durations import LabelledDurations
from ..protocol.codecs import Codec
from .connection import Connection
from .outgoing_messages import Outgoing
from .room_channel_keys import CHAT
from .stats import ChannelStats, StatsTable

__all__ = ["Receivers", "ReceiversCache", "deliver"]

logger = logging.getLogger("rtmon.hub")


def deliver(
    connections: Iterable[Connection],
    outgoing: Outgoing,
    *,
    stats: ChannelStats | None = None,
) -> int:
    """Send a message to connections one by one; those that are closing are not counted as drops.

    Args:
        connections: the receivers; a copy is walked, so the original may change meanwhile.
        outgoing: the message.
        stats: counts deliveries and drops, those of messages that wait once it is certain.

    Returns:
        How many connections took it.
    """
    took = 0
    for connection in list(connections):
        if not connection.peer.open:
            continue
        # A connection with batches of its own collects single messages.
        parts = outgoing.parts if connection.batching else [outgoing]
        taken = [_deliver_one(connection, part, stats) for part in parts]
        took += all(taken)
    return took


def _deliver_one(connection: Connection, outgoing: Outgoing, stats: ChannelStats | None) -> bool:
    data, size = outgoing.encoded(connection.codec)
    settled = None if stats is None else partial(stats.settled, outgoing.count, size)
    try:
        taken = connection.send_encoded(
            data, policy=outgoing.policy, key=outgoing.key, settled=settled
        )
    except Exception:
        # A transport must not raise; one that does must not harm the other receivers.
        logger.exception("the transport of %r failed", connection)
        taken = False
    if settled is not None and taken is not None:
        settled(taken)
    return taken is not False


class Receivers:
    """The receivers of one place.

    WebSocket connections that can share frames form a group for each codec, where each message is
    framed once. Connections with batches of their own, and those of other transports, are sent
    each message one by one.

    Args:
        key: the place.
        stats: finds the counters of the place.
        by_type: records how long fan-outs took, by the type of the message.
        frame_group: finds what makes groups that share frames; without it, connections are sent
            each message one by one.

    Attributes:
        version: of the registry's receivers that these are; None if they have changed since.
    """

    def __init__(
        self,
        key: str,
        stats: Callable[[], ChannelStats],
        by_type: LabelledDurations,
        frame_group: Callable[[], FrameGroupFactory | None],
    ) -> None:
        self.key = key
        self.version: int | None = None
        self._stats = stats
        self._by_type = by_type
        self._frame_group = frame_group
        # Connection → the transport's connection in a group; None if it is in no group.
        self._members: dict[Connection, Any] = {}
        self._single: dict[Connection, None] = {}
        self._groups: dict[Codec, FrameGroup] = {}
        self._grouped: dict[Any, Connection] = {}
        # Of what the groups collect: they are flushed before something else is.
        self._weight, self._type = 1, ""

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._members

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._members))

    def add(self, connection: Connection) -> None:
        """Add a connection: it gets the publications from now on."""
        shared = None if connection.batching else connection.peer.connection
        group = None if shared is None else self._group(connection.codec)
        if group is None:
            self._members[connection] = None
            self._single[connection] = None
            return
        self._members[connection] = shared
        self._grouped[shared] = connection
        group.add(shared)

    def remove(self, connection: Connection) -> None:
        """Remove a connection: it gets no publication after those already delivered."""
        shared = self._members.pop(connection)
        if shared is None:
            del self._single[connection]
            return
        self._groups[connection.codec].discard(shared)
        del self._grouped[shared]

    def deliver(self, outgoing: Outgoing, *, skip: Collection[Connection] = ()) -> int:
        """Send a message to all receivers but ``skip``. Returns how many it was sent to."""
        began = time.perf_counter()
        stats = self._stats()
        stats.published += outgoing.count
        if outgoing.count != self._weight or outgoing.message.type != self._type:
            self.flush()
            self._weight, self._type = outgoing.count, outgoing.message.type
        sent = 0
        if self._single:
            single = [connection for connection in self._single if connection not in skip]
            sent = deliver(single, outgoing, stats=stats if outgoing.count else None)
        if outgoing.count and not self._groups:
            self._took(stats, time.perf_counter() - began)
        found = [self._members.get(connection) for connection in skip] if skip else ()
        skipped = [shared for shared in found if shared is not None]

        def blocked(connection: Any, _: object) -> None:
            self._blocked(connection, outgoing)

        for codec, group in list(self._groups.items()):
            message, _ = outgoing.encoded(codec)
            group.publish(message, skip=skipped, on_blocked=blocked)
            sent += len(group) - sum(shared in group for shared in skipped)
        return sent

    def flush(self) -> None:
        """Write what the groups collect until the end of the event loop's turn."""
        for group in list(self._groups.values()):
            group.flush()

    def _group(self, codec: Codec) -> FrameGroup | None:
        group = self._groups.get(codec)
        if group is None:
            make = self._frame_group()
            if make is not None:
                group = self._groups[codec] = make(on_flushed=self._flushed)
        return group

    def _flushed(self, written: Written) -> None:
        stats = self._stats()
        if not self._weight:
            return  # joins, leaves and typing indicators are not counted as publications
        stats.delivered += self._weight * written.delivered
        stats.bytes += written.bytes
        for seconds in written.waited:
            self._took(stats, seconds)

    def _took(self, stats: ChannelStats, seconds: float) -> None:
        stats.took(seconds)
        self._by_type.recorder(self._type).record(seconds)

    def _blocked(self, shared: Any, outgoing: Outgoing) -> None:
        """Leave the message to the peer's queue: its transport cannot be written to."""
        connection = self._grouped.get(shared)
        if connection is not None:
            deliver((connection,), outgoing, stats=self._stats() if outgoing.count else None)


class ReceiversCache:
    """Place → its receivers, for the places with the latest publications.

    Args:
        stats: counters of all places.
        capacity: places to keep; past it the one longest unused is dropped.

    Attributes:
        frame_group: makes groups of connections that share frames; None until a transport has
            such connections.
    """

    def __init__(self, stats: StatsTable, *, capacity: int) -> None:
        self.frame_group: FrameGroupFactory | None = None
        self._stats = stats
        self._capacity = capacity
        self._receivers: dict[str, Receivers] = {}
        # Connection → cached places other than the chat, which has all connections.
        self._places: dict[Connection, dict[str, None]] = {}

    def get(self, key: str, wanted: Collection[Connection], version: int) -> Receivers:
        """Return the receivers of a place, brought up to date.

        Args:
            key: the place.
            wanted: the connections that get publications to it.
            version: changes when ``wanted`` may have changed without a call of :meth:`changed`.
        """
        receivers = self._receivers.pop(key, None)
        if receivers is None:
            receivers = Receivers(
                key, lambda: self._stats[key], self._stats.fanout_by_type, lambda: self.frame_group
            )
        if receivers.version != version:
            receivers.version = version
            self._update(receivers, wanted)
        if receivers:
            self._receivers[key] = receivers
            if len(self._receivers) > self._capacity:
                self._update(self._receivers.pop(next(iter(self._receivers))), ())
        return receivers

    def changed(self, key: str) -> None:
        """Note that the receivers of a place have changed."""
        if key in self._receivers:
            self._receivers[key].version = None

    def forget(self, connection: Connection) -> None:
        """Remove a connection that has ended from all places."""
        for receivers in self._holding(connection):
            receivers.remove(connection)
            if not receivers:
                del self._receivers[receivers.key]
        self._places.pop(connection, None)

    def regroup(self, connection: Connection) -> None:
        """Move a connection into or out of the groups, after its batching has changed."""
        for receivers in self._holding(connection):
            receivers.remove(connection)
            receivers.add(connection)

    def _holding(self, connection: Connection) -> list[Receivers]:
        found = [self._receivers[key] for key in self._places.get(connection, ())]
        chat = self._receivers.get(CHAT)
        return [chat, *found] if chat is not None and connection in chat else found

    def _update(self, receivers: Receivers, wanted: Iterable[Connection]) -> None:
        wanted = dict.fromkeys(wanted)
        for connection in receivers:
            if connection not in wanted:
                receivers.remove(connection)
                places = self._places.get(connection, {})
                places.pop(receivers.key, None)
                if not places:
                    self._places.pop(connection, None)
        for connection in wanted:
            if connection not in receivers:
                receivers.add(connection)
                if receivers.key != CHAT:
                    self._places.setdefault(connection, {})[receivers.key] = None
