"""Methods of ``Hub`` by which a Monitor reads counters, durations and memberships."""

from __future__ import annotations

from ...metrics.labelled_durations import LabelledDurations
from ...metrics.meter import Meter
from ...metrics.records import ChannelInfo
from ..hub_assembly import HubAssembly
from ..stats import ChannelStats

__all__ = ["MonitorMethods"]


class MonitorMethods:
    """Live counters and durations of a hub."""

    _parts: HubAssembly

    def channel_stats(self) -> dict[str, ChannelStats]:
        """Return the live counters of all channels and rooms and of the chat, by their key.

        A key is ``channel:NAME``, ``room:NAME``, or ``chat`` for the public chat.
        """
        return self._parts.broadcast.counted()

    @property
    def fanout(self) -> LabelledDurations:
        """Duration of each fan-out, by channel or room."""
        return self._parts.broadcast.stats.fanout

    @property
    def by_type(self) -> list[LabelledDurations]:
        """Two tables of durations by message type: of handling a message, and of a fan-out."""
        return [self._parts.dispatcher.handling, self._parts.broadcast.stats.fanout_by_type]

    def channels(self, limit: int | None = None) -> list[ChannelInfo]:
        """Return the counters of :meth:`channel_stats` as records.

        Args:
            limit: maximum number of records to return, those with the most deliveries first; None
                returns all.
        """
        counted = self._parts.broadcast.counted(limit)
        return [stats.info(channel) for channel, stats in counted.items()]

    def places_of(self, meter: Meter) -> list[str] | None:
        """Return the rooms and channels of the connection that a meter counts, as keys.

        Returns None if the meter counts no connection of this hub, or the connection has ended. May
        be called on any thread.
        """
        for connection in list(self._parts.registry.connections.values()):
            if connection.peer.meter is meter:
                return self._parts.registry.places(connection)
        return None

    def members_of(self, place: str) -> list[Meter]:
        """Return the meters of the connections that receive what is published to a room or channel.

        May be called on any thread.

        Args:
            place: key of the room, the channel or the chat.
        """
        meters = (connection.peer.meter for connection in self._parts.registry.members(place))
        return [meter for meter in meters if meter is not None]

    def channel_series(self) -> list[ChannelInfo]:
        """Return the counters of the rooms and channels that were used first, and of all others.

        All others are summed into one record with the name ``other``. So the number of records
        is bounded, however many channels clients subscribe to. No counter ever falls.
        """
        self._parts.broadcast.counted()
        return self._parts.broadcast.stats.series()
