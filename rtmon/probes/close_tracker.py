"""Collect the facts about how a WebSocket closes, and derive the cause from them."""

from __future__ import annotations

from dataclasses import dataclass

from ..metrics.close_causes import Cause, cause
from ..metrics.meter import Ending
from ..protocol.close import effective_code

__all__ = ["CloseTracker"]


@dataclass(slots=True)
class CloseTracker:
    """Collects the close frames of a connection, and what else shows why it ended.

    Attributes:
        initiator: the side that sent the first close frame, ``local`` or ``remote``; None if there
            was no close frame.
        code_sent: close code sent; 1005 for a close frame without a code, None if none was sent.
        reason_sent: close reason sent.
        code_received: close code received; 1005 for a close frame without a code, None if none was
            received.
        reason_received: close reason received.
        handler: ``handler failed`` or ``handler cancelled``; None if neither happened.
        unanswered_ping: True if the library closed the connection because a pong was missing.
    """

    initiator: str | None = None
    code_sent: int | None = None
    reason_sent: str | None = None
    code_received: int | None = None
    reason_received: str | None = None
    handler: Cause | None = None
    unanswered_ping: bool = False

    def ending(
        self,
        *,
        gone: bool,
        slow: bool,
        shutdown: bool = False,
        exception: BaseException | None = None,
    ) -> Ending:
        """Return how the connection ended.

        Args:
            gone: True if the peer ended or reset the TCP connection; False if this side cut it.
            slow: True if the peer read too slowly.
            shutdown: True if this server was closing.
            exception: the error that ended the TCP connection; None if there was none, or it is
                unknown.
        """
        why = cause(
            code_sent=self.code_sent,
            reason_sent=self.reason_sent,
            code_received=self.code_received,
            initiator=self.initiator,
            failed=self.handler == "handler failed",
            cancelled=self.handler == "handler cancelled",
            shutdown=shutdown,
            slow=slow,
            gone=gone,
            exception=exception,
        )
        failed = self.handler == "handler failed" and self.initiator is None
        if self.unanswered_ping:
            why = "ping timeout"
        elif self.handler is not None and (failed or why == "aborted"):
            why = self.handler  # the library did not report it to the peer in a close frame
        return Ending(
            close_code=effective_code(self.code_sent, self.code_received),
            code_sent=self.code_sent,
            reason_sent=self.reason_sent,
            code_received=self.code_received,
            reason_received=self.reason_received,
            initiator=self.initiator,
            cause=why,
        )
