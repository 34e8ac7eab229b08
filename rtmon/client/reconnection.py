"""Decide if and when a client reconnects. Pure: time is passed in.

:mod:`.connect_errors` reads the HTTP responses of failed handshakes.
"""

from __future__ import annotations

import random

from ..protocol.close import NO_TOKEN, NORMAL, TOKEN_EXPIRED, describe, may_reconnect
from . import plain_protocol
from .errors import ConnectionLost
from .options import ClientOptions
from .result_types import Change, ClientState

__all__ = ["LONGEST_WAIT", "NOT_WELCOMED", "Lifecycle"]

LONGEST_WAIT = 3_600.0
"""Upper bound, in seconds, of the delay that a server can ask for: a mistyped value does not send
them away for good."""

NOT_WELCOMED = "the server said no welcome: is it a hub? If not, give protocol='plain'."
"""The reason when a server accepts a connection and does not speak the protocol."""


class Lifecycle:
    """The state of a client, and the transitions between states.

    Attributes:
        state: of the client.
        attempts: to connect so far.
        connections: opened so far.
        failures: in a row so far.
        ended: why the client gave up; None if it did not.
    """

    def __init__(self, options: ClientOptions, rng: random.Random) -> None:
        self._backoff = options.backoff
        self._stable_after = options.stable_after
        self._rng = rng
        self._token = options.token
        # Private close codes have their meaning only between a hub and its clients.
        self._plain = options.protocol == "plain"
        self._describe = plain_protocol.described if self._plain else describe
        self._comes_back = plain_protocol.comes_back if self._plain else may_reconnect
        self._opened: float | None = None
        self._away: float | None = None
        self._downtime = 0.0
        self.state: ClientState = "connecting"
        self.attempts = self.connections = self.failures = 0
        self.ended: Change | None = None

    def downtime(self, now: float) -> float:
        """Return the total seconds without a connection since the first connection."""
        return self._downtime + (0.0 if self._away is None else now - self._away)

    def attempt(self) -> None:
        """Count an attempt to connect."""
        self.attempts += 1

    def opened(self, now: float) -> Change:
        """Handle the server's welcome, or the opening of a plain connection."""
        self.connections += 1
        self._opened = now
        self.state = "open"
        attempt, away = self.failures, self._away
        if away is None:
            return Change(what="open", state="open", attempt=attempt)
        self._downtime += now - away
        self._away = None
        return Change(what="reconnect", state="open", attempt=attempt, downtime=now - away)

    def failed(
        self, now: float, error: Exception, *, fatal: bool = False, retry_after: float | None = None
    ) -> list[Change]:
        """Handle a failed attempt to connect.

        Args:
            now: the time.
            error: the failure.
            fatal: True if a retry would fail with the same error.
            retry_after: seconds that the server asked to wait.

        Returns:
            The changes to report; the last one's ``delay`` is the time of the next attempt.
        """
        self.failures += 1
        delay = None if fatal else self._delay(retry_after)
        reason = f"{error}" or type(error).__name__
        if delay is None:
            self._end(now)
        change = Change(
            what="error",
            state=self.state,
            reason=reason,
            attempt=self.failures,
            delay=delay,
            error=error,
        )
        return [change] if delay is not None else [change, self._give_up(None, reason, error)]

    def lost(
        self,
        now: float,
        code: int,
        reason: str,
        *,
        retry: bool | None = None,
        retry_after: float | None = None,
    ) -> list[Change]:
        """Handle a connection that ended without the user's doing.

        A connection that ended before the server's welcome counts as a failed attempt.

        Args:
            now: the time.
            code: the close code.
            reason: its reason.
            retry: the server's instruction to reconnect or not; None if it gave none.
            retry_after: seconds that the server asked to wait.

        Returns:
            As :meth:`failed`.
        """
        welcomed = self._opened is not None
        if self._opened is not None:
            if now - self._opened >= self._stable_after:
                self.failures = 0
            self._opened, self._away = None, now
            self.state = "reconnecting"
        self.failures += 1
        back = self._comes_back(code) if retry is None else retry
        delay = self._delay(retry_after) if back and self._has_token(code) else None
        if not reason:
            said = self._describe(code)
            reason = said if welcomed else f"{NOT_WELCOMED} It closed with {code}, {said}"
        error = None if welcomed else ConnectionLost(reason)
        if delay is None:
            self._end(now)
        change = Change(
            what="close" if welcomed else "error",
            state=self.state,
            code=code,
            reason=reason,
            attempt=self.failures,
            delay=delay,
            error=error,
        )
        return [change] if delay is not None else [change, self._give_up(code, reason, error)]

    def closing(self) -> None:
        """Begin an explicit close."""
        if self.state != "closed":
            self.state = "closing"

    def closed(self, now: float) -> Change | None:
        """Finish an explicit close; returns None if the client was closed already."""
        if self.state == "closed":
            return None
        self._end(now)
        return Change(what="close", state="closed", code=NORMAL, reason="closed here")

    def _has_token(self, code: int) -> bool:
        """Return True if the token differs from the one that the server rejected."""
        if self._plain:
            return True
        if code == TOKEN_EXPIRED:
            return callable(self._token)
        return code != NO_TOKEN or self._token is not None

    def _delay(self, retry_after: float | None) -> float | None:
        delay = self._backoff.delay(self.failures, self._rng)
        if delay is None or retry_after is None:
            return delay
        # Added to the server's delay, which is the same for all of its clients.
        return min(max(retry_after, 0.0), LONGEST_WAIT) + delay

    def _give_up(self, code: int | None, reason: str, error: Exception | None) -> Change:
        self.ended = Change(
            what="gave_up",
            state="closed",
            code=code,
            reason=reason,
            attempt=self.failures,
            error=error,
        )
        return self.ended

    def _end(self, now: float) -> None:
        self.state = "closed"
        if self._away is not None:
            self._downtime += now - self._away
            self._away = None
