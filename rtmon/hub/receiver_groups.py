"""The receivers of each room and channel, grouped so that many connections share one frame."""

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
    """Send a message to connections one by one. Connections that are closing are skipped.

    Args:
        connections: the receivers. They may change during the call, because a copy is used.
        outgoing: the message.
        stats: counters of deliveries and drops; None counts nothing. A queued message is counted
            later, when it is delivered or dropped.

    Returns:
        The number of connections that accepted the message.
    """
    took = 0
    for connection in list(connections):
        if not connection.peer.open:
            continue
        # A connection with batching of its own gets single messages, and makes its own batches.
        parts = outgoing.parts if connection.batching else [outgoing]
        taken = [_deliver_one(connection, part, stats) for part in parts]
        took += all(taken)
    return took


def _deliver_one(connection: Connection, outgoing: Outgoing, stats: ChannelStats | None) -> bool:
    """Send a message to one connection. Returns whether the connection accepted it."""
    data, size = outgoing.encoded(connection.codec)
    settled = None if stats is None else partial(stats.settled, outgoing.count, size)
    try:
        taken = connection.send_encoded(
            data, policy=outgoing.policy, key=outgoing.key, settled=settled
        )
    except Exception:
        # A transport must not raise. If one does, the other receivers still get the message.
        logger.exception("the transport of %r failed", connection)
        taken = False
    if settled is not None and taken is not None:
        settled(taken)
    return taken is not False


class Receivers:
    """The receivers of one room, channel or the chat.

    WebSocket connections that can share frames form one group for each codec. Each message is
    framed once for a group. Connections with batching of their own, and connections of other
    transports, get each message individually.

    Args:
        key: key of the room, the channel or the chat.
        stats: returns the counters of the key.
        by_type: records the duration of each fan-out, by message type.
        frame_group: returns the factory of groups that share frames. If it returns None, all
            connections get each message individually.

    Attributes:
        version: version of the subscriptions to which these receivers correspond; None if they must
            be updated.
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
        # Connection → the `websockets` connection that is in a group; None if it is in no group.
        self._members: dict[Connection, Any] = {}
        self._single: dict[Connection, None] = {}
        self._groups: dict[Codec, FrameGroup] = {}
        self._grouped: dict[Any, Connection] = {}
        # Publication count and message type of the messages that the groups have collected. The
        # groups are flushed before they collect messages of another kind.
        self._weight, self._type = 1, ""

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._members

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._members))

    def add(self, connection: Connection) -> None:
        """Add a connection. It receives the publications from now on."""
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
        """Remove a connection. It receives no further publications."""
        shared = self._members.pop(connection)
        if shared is None:
            del self._single[connection]
            return
        self._groups[connection.codec].discard(shared)
        del self._grouped[shared]

    def deliver(self, outgoing: Outgoing, *, skip: Collection[Connection] = ()) -> int:
        """Send a message to all receivers except ``skip``. Returns the number of receivers."""
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
        """Write the messages that the groups have collected in this iteration of the event loop."""
        for group in list(self._groups.values()):
            group.flush()

    def _group(self, codec: Codec) -> FrameGroup | None:
        """Return the group of a codec, created at first use; None if frames cannot be shared."""
        group = self._groups.get(codec)
        if group is None:
            make = self._frame_group()
            if make is not None:
                group = self._groups[codec] = make(on_flushed=self._flushed)
        return group

    def _flushed(self, written: Written) -> None:
        """Count the messages that a group has written."""
        stats = self._stats()
        if not self._weight:
            return  # joins, leaves and typing indicators are not counted as publications
        stats.delivered += self._weight * written.delivered
        stats.bytes += written.bytes
        for seconds in written.waited:
            self._took(stats, seconds)

    def _took(self, stats: ChannelStats, seconds: float) -> None:
        """Record the duration of one fan-out."""
        stats.took(seconds)
        self._by_type.recorder(self._type).record(seconds)

    def _blocked(self, shared: Any, outgoing: Outgoing) -> None:
        """Send a message through the peer's queue, because its transport is not writable."""
        connection = self._grouped.get(shared)
        if connection is not None:
            deliver((connection,), outgoing, stats=self._stats() if outgoing.count else None)


class ReceiversCache:
    """Cache of the receivers of the rooms and channels with the latest publications.

    Args:
        stats: counters of all rooms and channels.
        capacity: maximum number of rooms and channels. Above it, the least recently used is
            evicted.

    Attributes:
        frame_group: creates groups of connections that share frames; None until a transport has
            such connections.
    """

    def __init__(self, stats: StatsTable, *, capacity: int) -> None:
        self.frame_group: FrameGroupFactory | None = None
        self._stats = stats
        self._capacity = capacity
        self._receivers: dict[str, Receivers] = {}
        # Connection → cached keys, except the chat, whose receivers are all connections.
        self._places: dict[Connection, dict[str, None]] = {}

    def get(self, key: str, wanted: Collection[Connection], version: int) -> Receivers:
        """Return the up-to-date receivers of a room, of a channel or of the chat.

        Args:
            key: key of the room, the channel or the chat.
            wanted: the connections that receive its publications.
            version: changes if ``wanted`` may have changed without a call of :meth:`changed`.
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
        """Mark the receivers of a room, of a channel or of the chat as outdated."""
        if key in self._receivers:
            self._receivers[key].version = None

    def forget(self, connection: Connection) -> None:
        """Remove an ended connection from the receivers of all rooms and channels."""
        for receivers in self._holding(connection):
            receivers.remove(connection)
            if not receivers:
                del self._receivers[receivers.key]
        self._places.pop(connection, None)

    def regroup(self, connection: Connection) -> None:
        """Move a connection into or out of frame groups, after its batching has changed."""
        for receivers in self._holding(connection):
            receivers.remove(connection)
            receivers.add(connection)

    def _holding(self, connection: Connection) -> list[Receivers]:
        """Return the cached receivers that include a connection."""
        found = [self._receivers[key] for key in self._places.get(connection, ())]
        chat = self._receivers.get(CHAT)
        return [chat, *found] if chat is not None and connection in chat else found

    def _update(self, receivers: Receivers, wanted: Iterable[Connection]) -> None:
        """Add and remove connections until the receivers are exactly ``wanted``."""
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
