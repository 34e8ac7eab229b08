"""How long a client may stay: while its token holds, and while it says something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.timers import Alarm
from ...protocol import catalog, close
from .authentication import left

if TYPE_CHECKING:
    from ..connection import Session

__all__ = ["Stay"]

_LOOKS = 60.0
"""Longest time between two looks, in seconds: a wall clock may be set, and a machine may sleep."""

_SOON = 0.001


class Stay:
    """Warns and ends a connection whose token expires, and ends one that is idle.

    Args:
        session: whose. Its ``identity`` and ``active`` may change at any time.
    """

    __slots__ = ("_alarm", "_session", "_told")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._alarm = Alarm(self.look)
        self._told: float | None = None

    def begin(self) -> None:
        """Somebody has come, or shown another token."""
        self.look()

    def end(self) -> None:
        """They are gone."""
        self._alarm.cancel()

    def look(self) -> None:
        """Look what time it is, and set the alarm for the next look, if there is need for one."""
        session = self._session
        if not session.open:
            return
        expiring, idle = self._expiring(), self._idle()
        due = min((each for each in (expiring, idle) if each is not None), default=None)
        if due is not None and session.peer.open:
            self._alarm.set(min(max(due, _SOON), _LOOKS))

    def _expiring(self) -> float | None:
        session, hub = self._session, self._session.hub
        ttl = left(session.identity, hub.wall())
        if session.identity is None or ttl is None:
            return None
        if ttl <= 0:
            session.peer.close(close.TOKEN_EXPIRED, "your token has expired: come with a fresh one")
            return None
        notice = hub.options.expiry_notice
        if ttl > notice:
            return ttl - notice
        if self._told != session.identity.expires:
            self._told = session.identity.expires
            session.send("token_expiring", catalog.Expiring(ttl=ttl), at_once=True)
        return ttl

    def _idle(self) -> float | None:
        session, hub = self._session, self._session.hub
        timeout = hub.options.idle_timeout
        if timeout is None:
            return None
        rest = session.active + timeout - hub.clock()
        if rest > 0:
            return rest
        session.peer.close(close.IDLE, f"you said nothing for {timeout:g} s")
        return None
