"""Delivery of publications to all receivers of a channel, a room or the chat."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable
from functools import partial
from weakref import WeakValueDictionary

import msgspec

from ..core.batch_buffer import Batch
from ..core.batcher import Batcher
from ..protocol import limits
from ..protocol.catalog import Publication
from ..protocol.channel_patterns import matches
from ..protocol.data_encoding import decode_data
from ..protocol.envelope import Message
from .brokers.base import Draft, Published
from .callback_subscriptions import Callback, CallbackSubscription
from .catch_up_buffer import CatchUp
from .connection import Connection
from .connection_registry import ConnectionRegistry
from .hub_context import HubContext
from .outgoing_messages import Outgoing, OutgoingBatch
from .receiver_groups import Receivers, ReceiversCache
from .room_channel_keys import CHAT, to_message
from .stats import ChannelStats, StatsTable
from .subscriptions import Subscriptions
from .transports.base import PUBLISHERS_SHARE

__all__ = ["Broadcast"]


class Broadcast:
    """Delivers each publication to the connections and callbacks that receive it, and counts it.

    A key names a channel, a room or the public chat; see :mod:`rtmon.hub.room_channel_keys`.

    Args:
        context: the hub's shared context.
        registry: the connections, with their rooms and subscriptions.

    Attributes:
        stats: key → its counters.
        receivers: key → its connections, grouped so that a group can share frames.
        counts: id of a publication → number of connections that it was sent to. Only publications
            whose id is already in the dict are counted.
    """

    def __init__(self, context: HubContext, registry: ConnectionRegistry) -> None:
        self.stats = StatsTable(limits.CHANNELS_KEPT)
        self.receivers = ReceiversCache(self.stats, capacity=limits.CHANNELS_KEPT)
        self.counts: dict[str, int] = {}
        self._context = context
        self._registry = registry
        self._callbacks: Subscriptions[CallbackSubscription] = Subscriptions()
        self._catching_up: dict[str, list[CatchUp]] = {}
        self._batches: dict[str, Batcher[Outgoing]] = {}
        # The dict drops a lock once no publisher holds it or waits for it.
        self._publishers: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def deliver(self, key: str, published: Published) -> None:
        """Send a publication to all receivers. A receiver that fails does not affect the others.

        Args:
            key: key of the channel, the room or the chat.
            published: the publication with its position.
        """
        message, draft = to_message(published), published.draft
        rule = self._context.rule(key)
        policy = draft.slow or (rule and rule.slow) or self._context.options.slow
        outgoing = Outgoing(message, policy=policy, key=(key, draft.key))
        for held in self._catching_up.get(key, ()):
            held.add(published.offset, outgoing)
        if rule is not None and rule.batch is not None:
            self._collect(key, outgoing, rule.batch)
            sent = len(self._receivers_of(key))
        else:
            self.flush(key)  # batching may have been switched off by Hub.change
            sent = self._receivers_of(key).deliver(outgoing, skip=self._skipped(draft))
        if draft.client_id is None and draft.id in self.counts:
            self.counts[draft.id] = sent
        if isinstance(message.payload, Publication):
            for callback in list(self._callbacks.receivers(message.payload.channel)):
                callback.notify(_decoded(message.payload))

    def announce(self, key: str, message: Message, *, skip: Connection | None = None) -> None:
        """Send a message without a position to all receivers, in order with the publications.

        Such a message is not counted as a publication and not kept in the history. It is never
        dropped for slow consumers.

        Args:
            key: key of the channel, the room or the chat.
            message: the message, such as a join, a leave or a typing indicator.
            skip: a connection that does not receive the message.
        """
        skipped = () if skip is None else (skip,)
        self._receivers_of(key).deliver(Outgoing(message, count=0), skip=skipped)

    def send(self, outgoing: Outgoing, *, exclude: Iterable[str] = ()) -> int:
        """Send a message to all connections of this node, in order with chat messages.

        Args:
            outgoing: the message.
            exclude: ids of clients that do not receive it.

        Returns:
            The number of connections that it was sent to.
        """
        skipped = self._connections_of(exclude)
        return self._receivers_of(CHAT).deliver(outgoing, skip=skipped)

    def flush(self, key: str) -> None:
        """Send the publications that a channel has collected for its next batch.

        Called before the channel's receivers change.
        """
        batcher = self._batches.pop(key, None)
        if batcher is not None:
            batcher.flush()

    def flush_matching(self, pattern: str) -> None:
        """Call :meth:`flush` for each channel that matches a pattern."""
        for key in list(self._batches):
            if matches(pattern, key.removeprefix("channel:")):
                self.flush(key)

    def changed(self, key: str) -> None:
        """Update the cached receivers of a room or channel, which has gained or lost a receiver."""
        self.stats[key].subscribers = self._registry.count(key)
        self.receivers.changed(key)

    def subscribe(self, channel: str, callback: Callback) -> CallbackSubscription:
        """Subscribe a callback of the application to a channel or pattern."""
        subscription = CallbackSubscription(channel, callback, self._callbacks.drop)
        self._callbacks.add(subscription, channel)
        return subscription

    def counted(self, limit: int | None = None) -> dict[str, ChannelStats]:
        """Return the counters of all rooms and channels, by their key.

        Args:
            limit: maximum number of rooms and channels to return, those with the most deliveries
                first; None returns all.
        """
        stats = self.stats.as_dict() if limit is None else self.stats.busiest(limit)
        for key, each in stats.items():
            each.subscribers = self._registry.count(key)
        return stats

    @contextlib.asynccontextmanager
    async def wait_for_room(self, key: str) -> AsyncIterator[None]:
        """Wait until the send queues of all receivers of a channel have space for a publication.

        Only one publisher per channel (or room, or the chat) is inside the context at a time. Its
        publication must be in the queues before the next publisher measures their space.
        """
        async with self._publishers.setdefault(key, asyncio.Lock()):
            while True:
                # Frame groups collect messages until the end of the event loop's iteration. Flush
                # them first, because the collected messages are in no send queue yet.
                self._receivers_of(key).flush()
                peers = [connection.peer for connection in self._registry.receivers(key)]
                full = next((peer for peer in peers if not peer.has_room(PUBLISHERS_SHARE)), None)
                if full is None:
                    break
                await full.room()
            yield

    def begin_catch_up(self, key: str) -> CatchUp:
        """Start to hold back publications for a client that must get the history first.

        Args:
            key: key of the room, the channel or the chat.

        Returns:
            The buffer of held-back publications.
        """
        held = CatchUp()
        self._catching_up.setdefault(key, []).append(held)
        return held

    def end_catch_up(self, key: str, held: CatchUp) -> None:
        """Stop holding back publications. Call it once for each :meth:`begin_catch_up`."""
        waiting = self._catching_up[key]
        waiting.remove(held)
        if not waiting:
            del self._catching_up[key]

    def _collect(self, key: str, outgoing: Outgoing, batch: Batch) -> None:
        """Add a publication to the batch of its channel."""
        batcher = self._batches.get(key)
        if batcher is None:
            send = partial(self._deliver_batch, key)
            batcher = self._batches[key] = Batcher(send, size=batch.size, delay=batch.delay)
        batcher.add(outgoing)

    def _deliver_batch(self, key: str, collected: list[Outgoing]) -> None:
        """Send the collected publications of a channel as one or more batches."""
        self._batches.pop(key, None)  # a channel without traffic needs no batcher
        for batch in OutgoingBatch.fitting(collected):
            self._receivers_of(key).deliver(batch)

    def _skipped(self, draft: Draft) -> Collection[Connection]:
        """Return the connections that do not receive a publication, such as its publisher's."""
        if draft.echo and not draft.exclude:
            return ()
        own = () if draft.echo else (draft.client_id or "",)
        return self._connections_of((*own, *draft.exclude))

    def _connections_of(self, client_ids: Iterable[str]) -> Collection[Connection]:
        """Return the connections of those client ids that are connected to this node."""
        connections = self._registry.connections
        return {connections[each] for each in client_ids if each in connections}

    def _receivers_of(self, key: str) -> Receivers:
        """Return the current receivers of a room, of a channel or of the chat."""
        registry = self._registry
        return self.receivers.get(key, registry.receivers(key), registry.subscriptions.version)


def _decoded(publication: Publication) -> Publication:
    """Return a publication with a decoded copy of its data, which one callback may change."""
    return msgspec.structs.replace(publication, data=decode_data(publication.data))
