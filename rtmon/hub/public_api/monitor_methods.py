"""What a Monitor reads of a hub."""

from __future__ import annotations

from ...metrics.labelled_durations import LabelledDurations
from ...metrics.meter import Meter
from ...metrics.records import ChannelInfo
from ..hub_assembly import HubAssembly
from ..stats import ChannelStats

__all__ = ["MonitorMethods"]


class MonitorMethods:
    """Counters and durations of a hub, live."""

    _parts: HubAssembly

    def channel_stats(self) -> dict[str, ChannelStats]:
        """Channel → its counters, live.

        Names begin with ``channel:`` or ``room:``; the chat with everybody is ``chat``.
        """
        return self._parts.broadcast.counted()

    @property
    def fanout(self) -> LabelledDurations:
        """Duration of each fan-out by room, for a Monitor."""
        return self._parts.broadcast.stats.fanout

    @property
    def by_type(self) -> list[LabelledDurations]:
        """Durations of handling each message, and of each fan-out, by type, for a Monitor."""
        return [self._parts.dispatcher.handling, self._parts.broadcast.stats.fanout_by_type]

    def channels(self, limit: int | None = None) -> list[ChannelInfo]:
        """Return the same counters as :meth:`channel_stats`, as records.

        Args:
            limit: return only so many, those with the most deliveries.
        """
        counted = self._parts.broadcast.counted(limit)
        return [stats.info(channel) for channel, stats in counted.items()]

    def places_of(self, meter: Meter) -> list[str] | None:
        """Return the channels and rooms that a connection is in, by its meter, for a Monitor.

        None if the connection is not one of this hub's, or has gone. May be called on any thread.
        """
        for connection in list(self._parts.registry.connections.values()):
            if connection.peer.meter is meter:
                return self._parts.registry.places(connection)
        return None

    def members_of(self, place: str) -> list[Meter]:
        """Return the meters of the connections that get what is published to a place.

        May be called on any thread.
        """
        meters = (connection.peer.meter for connection in self._parts.registry.members(place))
        return [meter for meter in meters if meter is not None]

    def channel_series(self) -> list[ChannelInfo]:
        """Return the counters of the first channels, and of all others together as ``other``.

        Their number is bounded, whatever clients subscribe to, and no counter ever falls.
        """
        self._parts.broadcast.counted()
        return self._parts.broadcast.stats.series()
