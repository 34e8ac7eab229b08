"""Pass ticks to sinks and listeners."""

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
"""Maximum number of channels passed to a sink with a tick: those with the most deliveries."""

ADDRESSES = 200
"""Maximum number of addresses passed to a sink with a tick: those with the most reconnects."""


class TickOutputs:
    """The sinks and listeners of one Monitor."""

    def __init__(self) -> None:
        self._attachments: dict[Sink, Attachment] = {}
        self._listeners: dict[object, Callable[[Tick], None]] = {}

    def attach(self, sink: Sink, owner: Owner, collector: Collector) -> Attachment:
        """Open a sink and give it a thread of its own.

        Raises:
            MonitorError: the sink is attached already.
        """
        if sink in self._attachments:
            raise MonitorError(f"{sink!r} is attached to this Monitor already")
        sink.open(collector.node, collector.epoch)
        attachment = self._attachments[sink] = Attachment(sink, weakref.ref(owner))
        return attachment

    def __contains__(self, sink: Sink) -> bool:
        return sink in self._attachments

    def remove(self, sink: Sink) -> Attachment | None:
        """Remove a sink; returns its attachment, which is not closed yet."""
        return self._attachments.pop(sink, None)

    def listen(self, listener: Callable[[Tick], None]) -> Callable[[], None]:
        """Call a function with every tick; returns a function that unsubscribes it."""
        key = object()
        self._listeners[key] = listener

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    @property
    def listening(self) -> bool:
        """True if there is any listener."""
        return bool(self._listeners)

    @property
    def failing(self) -> int:
        """Number of sinks that fail at present and are retried."""
        return sum(each.problem is not None for each in self._attachments.values())

    @property
    def waiting(self) -> int:
        """Number of ticks queued for the slowest sink."""
        return max((each.waiting for each in self._attachments.values()), default=0)

    def hand_on(self, tick: Tick, collector: Collector) -> list[Attachment]:
        """Pass a tick to all sinks and listeners; returns the failed sinks, now removed."""
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
            except Exception:  # a listener must not stop the ticks
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
        """Close all sinks and remove all listeners."""
        while self._attachments:
            _, attachment = self._attachments.popitem()
            attachment.finish(collector.connections())
        self._listeners.clear()

    def abandon(self) -> list[Sink]:
        """Remove all sinks and listeners without closing them; returns the sinks."""
        sinks = list(self._attachments)
        self._attachments.clear()
        self._listeners.clear()
        return sinks
