"""Tells people who came and who went, a tenth of a second's worth at a time."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..core.timers import Alarm
from ..protocol import catalog, limits
from .join_leave_batch import Announcer, Change

__all__ = ["Arrivals"]


class Arrivals:
    """Announcements of all places, collected.

    Args:
        interval: seconds for which they are collected.
        tell: called with place, change, and the payload to send, in which ``user_count`` is not
            known yet.
    """

    def __init__(
        self,
        *,
        interval: float,
        tell: Callable[[str, Change, catalog.People], None],
    ) -> None:
        self._interval = interval
        self._tell = tell
        self._pending: dict[str, Announcer] = {}
        self._alarm = Alarm(self.flush)

    def add(self, place: str, change: Change, key: str, member: catalog.Member) -> None:
        """Somebody came to a place or went from it.

        Args:
            place: where.
            change: which of the two.
            key: who; the same when coming and going.
            member: how others are told.
        """
        shown = msgspec.structs.replace(member, info=None)
        self._pending.setdefault(place, Announcer()).add(change, key, shown)
        self._alarm.set(self._interval)

    def rename(self, place: str, key: str, member: catalog.Member) -> None:
        """Somebody is called otherwise; if their coming is not told yet, it will be so."""
        if place in self._pending:
            shown = msgspec.structs.replace(member, info=None)
            self._pending[place].rename(key, shown)

    def introduce(self, place: str, key: str) -> None:
        """Somebody speaks in a place: what is collected there is told first, if it is about them.

        What others wait for goes on being collected, or in a place with much talk each coming
        would be a message.
        """
        if place in self._pending and key in self._pending[place]:
            self._flush(place)

    def _flush(self, place: str) -> None:
        pending = self._pending.pop(place, None)
        if pending is None:
            return
        room = place.removeprefix("room:") if place.startswith("room:") else None
        for change, members in pending.take():
            payload = catalog.People(
                client_id=members[0].client_id,
                name=members[0].name,
                user=members[0].user,
                user_count=0,
                count=len(members),
                users=members[: limits.MEMBERS_LISTED],
                room=room,
            )
            self._tell(place, change, payload)

    def flush(self) -> None:
        """Tell all that is collected."""
        for place in list(self._pending):
            self._flush(place)
