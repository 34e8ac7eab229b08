"""Delivering publications to all connections and callbacks that get them."""

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
from ..protocol.channels import matches
from ..protocol.data import decode_data
from ..protocol.envelope import Message
from .brokers.base import Draft, Published
from .callbacks import Callback, CallbackSubscription
from .catch_up import CatchUp
from .connection import Connection
from .context import HubContext
from .encoding import Outgoing, OutgoingBatch
from .place_keys import CHAT, to_message
from .receivers import Receivers, ReceiversCache
from .registry import Registry
from .stats import ChannelStats, StatsTable
from .subscriptions import Subscriptions
from .transports.base import PUBLISHERS_SHARE

__all__ = ["Broadcast"]


class Broadcast:
    """Delivers what is published to a place to all its receivers, and counts it.

    Args:
        context: of the hub.
        registry: the connections, and the places they are in.

    Attributes:
        stats: place → its counters.
        receivers: place → its connections, grouped by the frames they can share.
        counts: id of a publication of the program → how many connections it was sent to; the
            program adds those that it wants to know.
    """

    def __init__(self, context: HubContext, registry: Registry) -> None:
        self.stats = StatsTable(limits.CHANNELS_KEPT)
        self.receivers = ReceiversCache(self.stats, capacity=limits.CHANNELS_KEPT)
        self.counts: dict[str, int] = {}
        self._context = context
        self._registry = registry
        self._callbacks: Subscriptions[CallbackSubscription] = Subscriptions()
        self._catching_up: dict[str, list[CatchUp]] = {}
        self._batches: dict[str, Batcher[Outgoing]] = {}
        # A lock lives as long as a publisher holds it or waits for it.
        self._publishers: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def deliver(self, key: str, published: Published) -> None:
        """Send a publication to all receivers; a failing receiver does not affect the others."""
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
            self.flush(key)  # collected under an earlier rule
            sent = self._receivers_of(key).deliver(outgoing, skip=self._skipped(draft))
        if draft.client_id is None and draft.id in self.counts:
            self.counts[draft.id] = sent
        if isinstance(message.payload, Publication):
            for callback in list(self._callbacks.receivers(message.payload.channel)):
                callback.notify(_decoded(message.payload))

    def announce(self, key: str, message: Message, *, skip: Connection | None = None) -> None:
        """Send the receivers of a place a message that is not a publication.

        It is sent in order with publications. It is not counted as one, has no position, is not
        kept in the history, and is never dropped for slow consumers.
        """
        skipped = () if skip is None else (skip,)
        self._receivers_of(key).deliver(Outgoing(message, count=0), skip=skipped)

    def send(self, outgoing: Outgoing, *, exclude: Iterable[str] = ()) -> int:
        """Send a message to all connections but some client ids. Returns how many it was sent to.

        It is sent in order with the chat.
        """
        skipped = self._connections_of(exclude)
        return self._receivers_of(CHAT).deliver(outgoing, skip=skipped)

    def flush(self, key: str) -> None:
        """Send the publications collected for a channel's batch, before its receivers change."""
        batcher = self._batches.pop(key, None)
        if batcher is not None:
            batcher.flush()

    def flush_matching(self, pattern: str) -> None:
        """Send the publications collected for all channels that match a pattern."""
        for key in list(self._batches):
            if matches(pattern, key.removeprefix("channel:")):
                self.flush(key)

    def changed(self, key: str) -> None:
        """Note that a place has gained or lost a receiver."""
        self.stats[key].subscribers = self._registry.count(key)
        self.receivers.changed(key)

    def subscribe(self, channel: str, callback: Callback) -> CallbackSubscription:
        """Call a function with each publication to a channel or pattern."""
        subscription = CallbackSubscription(channel, callback, self._callbacks.drop)
        self._callbacks.add(subscription, channel)
        return subscription

    def counted(self, limit: int | None = None) -> dict[str, ChannelStats]:
        """Return the counters of all places, or of the ``limit`` with the most deliveries."""
        stats = self.stats.as_dict() if limit is None else self.stats.busiest(limit)
        for key, each in stats.items():
            each.subscribers = self._registry.count(key)
        return stats

    @contextlib.asynccontextmanager
    async def wait_for_room(self, key: str) -> AsyncIterator[None]:
        """Wait until all receivers of a place have room for another publication.

        One publisher at a time holds the context: what it publishes must have arrived in the
        queues before the next publisher looks for room.
        """
        async with self._publishers.setdefault(key, asyncio.Lock()):
            while True:
                # What is collected until the end of the turn is in no queue yet.
                self._receivers_of(key).flush()
                peers = [connection.peer for connection in self._registry.receivers(key)]
                full = next((peer for peer in peers if not peer.has_room(PUBLISHERS_SHARE)), None)
                if full is None:
                    break
                await full.room()
            yield

    def begin_catch_up(self, key: str) -> CatchUp:
        """Hold back publications to a place for a client that is about to be added."""
        held = CatchUp()
        self._catching_up.setdefault(key, []).append(held)
        return held

    def end_catch_up(self, key: str, held: CatchUp) -> None:
        """Hold back no more; call it once for each :meth:`begin_catch_up`."""
        waiting = self._catching_up[key]
        waiting.remove(held)
        if not waiting:
            del self._catching_up[key]

    def _collect(self, key: str, outgoing: Outgoing, batch: Batch) -> None:
        batcher = self._batches.get(key)
        if batcher is None:
            send = partial(self._deliver_batch, key)
            batcher = self._batches[key] = Batcher(send, size=batch.size, delay=batch.delay)
        batcher.add(outgoing)

    def _deliver_batch(self, key: str, collected: list[Outgoing]) -> None:
        self._batches.pop(key, None)  # a place that is silent keeps nothing here
        for batch in OutgoingBatch.fitting(collected):
            self._receivers_of(key).deliver(batch)

    def _skipped(self, draft: Draft) -> Collection[Connection]:
        """Return the connections that do not get a publication."""
        if draft.echo and not draft.exclude:
            return ()
        own = () if draft.echo else (draft.client_id or "",)
        return self._connections_of((*own, *draft.exclude))

    def _connections_of(self, client_ids: Iterable[str]) -> Collection[Connection]:
        connections = self._registry.connections
        return {connections[each] for each in client_ids if each in connections}

    def _receivers_of(self, key: str) -> Receivers:
        registry = self._registry
        return self.receivers.get(key, registry.receivers(key), registry.subscriptions.version)


def _decoded(publication: Publication) -> Publication:
    """Return a publication for one callback, with a copy of the data that it may change."""
    return msgspec.structs.replace(publication, data=decode_data(publication.data))
