"""How a WebSocket closes, from the close frames that a probe has seen."""

from __future__ import annotations

from dataclasses import dataclass

from ..metrics.close_causes import Cause, cause
from ..metrics.meter import Ending
from ..protocol.close import effective_code

__all__ = ["CloseTracker"]


@dataclass(slots=True)
class CloseTracker:
    """What is known of the end of a connection.

    Attributes:
        initiator: the side that sent the first close frame: ``local``, ``remote``, or None.
        code_sent: 1005 for a close frame without a code; None if none was sent.
        reason_sent: close reason sent.
        code_received: the same of the peer's close frame.
        reason_received: close reason received.
        handler: ``handler failed`` or ``handler cancelled``; None if it was neither.
        unanswered_ping: True if the library closed for want of a pong.
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
            gone: True if the peer's end of TCP ended or was reset, rather than this one cut.
            slow: True if the peer read too slowly.
            shutdown: True if this server was closing.
            exception: what ended the TCP connection; None if there was none, or it is not told.
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
            why = self.handler  # of which the library said nothing to the peer
        return Ending(
            close_code=effective_code(self.code_sent, self.code_received),
            code_sent=self.code_sent,
            reason_sent=self.reason_sent,
            code_received=self.code_received,
            reason_received=self.reason_received,
            initiator=self.initiator,
            cause=why,
        )
