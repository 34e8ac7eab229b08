"""Pass each tick of a Monitor to its sinks and listeners."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import MonitorError
from .sink_thread import Attachment, Owner

if TYPE_CHECKING:
    from ..metrics.collector import Collector, Tick
    from ..metrics.monitor_interfaces import Sink

__all__ = ["TickOutputs"]

logger = logging.getLogger("rtmon")

CHANNELS = 200
"""Maximum number of channels in a tick's tables: the channels with the most deliveries."""

ADDRESSES = 200
"""Maximum number of addresses in a tick's tables: the addresses with the most reconnects."""


class TickOutputs:
    """The attached sinks and the listeners of one Monitor."""

    def __init__(self) -> None:
        self._attachments: dict[Sink, Attachment] = {}
        self._listeners: dict[object, Callable[[Tick], None]] = {}

    def attach(self, sink: Sink, owner: Owner, collector: Collector) -> Attachment:
        """Open a sink, and start a thread on which the sink writes.

        Args:
            sink: the sink.
            owner: the Monitor, to which the sink's failures are reported.
            collector: the Monitor's Collector.

        Raises:
            MonitorError: the sink is already attached.
            Exception: ``sink.open`` raised it.
        """
        if sink in self._attachments:
            raise MonitorError(f"{sink!r} is attached to this Monitor already")
        sink.open(collector.node, collector.epoch)
        attachment = self._attachments[sink] = Attachment(sink, weakref.ref(owner))
        return attachment

    def __contains__(self, sink: Sink) -> bool:
        return sink in self._attachments

    def remove(self, sink: Sink) -> Attachment | None:
        """Remove a sink without closing it.

        Returns:
            The sink's attachment, which the caller must finish; None if it was not attached.
        """
        return self._attachments.pop(sink, None)

    def listen(self, listener: Callable[[Tick], None]) -> Callable[[], None]:
        """Call ``listener`` at every tick.

        Returns:
            A function that removes the listener.
        """
        key = object()
        self._listeners[key] = listener

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    @property
    def listening(self) -> bool:
        """True if at least one listener is registered."""
        return bool(self._listeners)

    @property
    def failing(self) -> int:
        """Number of sinks that fail temporarily and are retried."""
        return sum(each.problem is not None for each in self._attachments.values())

    @property
    def waiting(self) -> int:
        """Number of ticks queued for the slowest sink."""
        return max((each.waiting for each in self._attachments.values()), default=0)

    def hand_on(self, tick: Tick, collector: Collector) -> list[Attachment]:
        """Pass a tick to all sinks and listeners, and remove sinks that have failed permanently.

        Returns:
            The attachments of the removed sinks.
        """
        failed = []
        tick = self._with_tables(tick, collector)
        for attachment in list(self._attachments.values()):
            if attachment.fresh:
                attachment.fresh = False
                attachment.offer(replace(tick, meters=collector.open_meters()))
            else:
                attachment.offer(tick)
            attachment.report()
            if attachment.failed is not None:
                self.remove(attachment.sink)
                failed.append(attachment)
        for listener in list(self._listeners.values()):
            try:
                listener(tick)
            except Exception:  # A listener's exception must not stop the ticks.
                logger.exception("a listener of the Monitor failed")
        return failed

    def _with_tables(self, tick: Tick, collector: Collector) -> Tick:
        wanted = {name for sink in self._attachments for name in getattr(sink, "tables", ())}
        tables: dict[str, Sequence[Any]] = {}
        if "channels" in wanted:
            tables["channels"] = collector.channels(CHANNELS)
        if "socketio" in wanted:
            tables["socketio"] = collector.socketio()
        if "addresses" in wanted:
            tables["addresses"] = collector.addresses(ADDRESSES)
        return replace(tick, tables=tables) if tables else tick

    def finish(self, collector: Collector) -> None:
        """Close all sinks, after they have written their queued ticks. Remove all listeners."""
        while self._attachments:
            _, attachment = self._attachments.popitem()
            attachment.finish(collector.connections())
        self._listeners.clear()

    def abandon(self) -> list[Sink]:
        """Remove all sinks and listeners without closing the sinks.

        Returns:
            The removed sinks.
        """
        sinks = list(self._attachments)
        self._attachments.clear()
        self._listeners.clear()
        return sinks
