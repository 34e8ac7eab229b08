"""``ping`` messages for clients that cannot see the protocol's own pings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.timers import Alarm
from ..protocol import catalog, close, limits

if TYPE_CHECKING:
    from .connection import Session

__all__ = ["Heartbeat"]


class Heartbeat:
    """Asks a client for signs of life, and measures how long they take."""

    __slots__ = ("_alarm", "_interval", "_pings", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._interval: float | None = None
        self._alarm = Alarm(self._beat)
        self._pings: dict[str, float] = {}

    def start(self, interval: float) -> None:
        """Send a ``ping`` every so many seconds from now on."""
        self._alarm.cancel()
        self._interval = interval
        self._pings.clear()
        self._alarm.set(interval)

    def stop(self) -> None:
        """Send no more."""
        self._alarm.cancel()
        self._interval = None

    def answered(self, ping: str | None) -> None:
        """The client has sent a ``pong``, for the ``ping`` with this id."""
        sent = self._pings.pop(ping or "", None)
        if sent is not None:
            # It is alive: earlier ones that it left out do not count any more.
            self._pings.clear()
            self._session.peer.measured(self._session.hub.clock() - sent)

    def _beat(self) -> None:
        session, hub = self._session, self._session.hub
        if self._interval is None:
            return
        if len(self._pings) >= limits.PINGS_UNANSWERED:
            session.peer.close(close.NO_HEARTBEAT, "you do not answer ping messages")
            return
        message = hub.message("ping", catalog.Time(timestamp=hub.milliseconds()))
        self._pings[message.id] = hub.clock()
        session.peer.send(session.codec.encode(message))
        self._alarm.set(self._interval)
