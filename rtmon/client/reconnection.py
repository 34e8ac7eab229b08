"""Decide if and when a client reconnects. No I/O; time is passed in.

HTTP responses of failed handshakes are evaluated in :mod:`.connect_error_classification`.
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
"""Maximum delay, in seconds, that a server can ask a client to wait. So a wrong value in a server's
configuration cannot keep its clients away for good."""

NOT_WELCOMED = "the server said no welcome: is it a hub? If not, give protocol='plain'."
"""Error text for a server that accepts the connection but sends no welcome message of a hub."""


class Lifecycle:
    """The connection state of a client, and its transitions.

    Attributes:
        state: the current state.
        attempts: number of attempts to connect so far.
        connections: number of connections opened so far.
        failures: number of failures in a row.
        ended: the change with which the client stopped reconnecting; None if it did not.
    """

    def __init__(self, options: ClientOptions, rng: random.Random) -> None:
        self._backoff = options.backoff
        self._stable_after = options.stable_after
        self._rng = rng
        self._token = options.token
        # The hub's own close codes may mean something else on other servers.
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
        """Return the total seconds without a connection, counted from the first connection on."""
        return self._downtime + (0.0 if self._away is None else now - self._away)

    def attempt(self) -> None:
        """Count an attempt to connect."""
        self.attempts += 1

    def opened(self, now: float) -> Change:
        """Handle the server's welcome, or for ``protocol="plain"`` the opening of a connection."""
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
            now: monotonic seconds.
            error: the exception that the attempt raised.
            fatal: True if another attempt would fail with the same error.
            retry_after: seconds that the server asked to wait; None if it did not.

        Returns:
            The state changes to report. ``delay`` of the last change is the time until the next
            attempt, in seconds; None if there will be no attempt.
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
        """Handle the loss of a connection that the user did not close.

        A connection that ended before the server's welcome counts as a failed attempt.

        Args:
            now: monotonic seconds.
            code: the close code.
            reason: the close reason.
            retry: False if the server asked the client not to reconnect, True if it allowed it;
                None if it sent neither.
            retry_after: seconds that the server asked to wait; None if it did not.

        Returns:
            The state changes to report, as for :meth:`failed`.
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
        """Enter the state ``closing``: the user closes the client."""
        if self.state != "closed":
            self.state = "closing"

    def closed(self, now: float) -> Change | None:
        """Enter the state ``closed``. Returns the change to report; None if already closed."""
        if self.state == "closed":
            return None
        self._end(now)
        return Change(what="close", state="closed", code=NORMAL, reason="closed here")

    def _has_token(self, code: int) -> bool:
        """Return False if the server rejected the token and the client cannot get another token.

        A client whose token is a function can get another one. ``code`` is the close code.
        """
        if self._plain:
            return True
        if code == TOKEN_EXPIRED:
            return callable(self._token)
        return code != NO_TOKEN or self._token is not None

    def _delay(self, retry_after: float | None) -> float | None:
        delay = self._backoff.delay(self.failures, self._rng)
        if delay is None or retry_after is None:
            return delay
        # The server sends the same delay to all of its clients. Add the backoff, so that they do
        # not all reconnect at the same time.
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
