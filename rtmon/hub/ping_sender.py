"""Sender of ``ping`` messages to clients that cannot see WebSocket ping frames."""

from __future__ import annotations

from ..core.reusable_timer import Timer
from ..protocol import catalog, close, limits
from .hub_context import HubContext
from .transports.base import Peer

__all__ = ["PingSender"]


class PingSender:
    """Sends ``ping`` messages to one client, and measures the round-trip times.

    If several pings in a row are unanswered, it closes the connection.

    Args:
        context: the hub's shared context.
        peer: the transport's side of the client's connection.
    """

    __slots__ = ("_context", "_interval", "_peer", "_sent", "_timer")

    def __init__(self, context: HubContext, peer: Peer) -> None:
        self._context = context
        self._peer = peer
        self._interval: float | None = None
        self._timer = Timer(self._beat)
        self._sent: dict[str, float] = {}

    def start(self, interval: float) -> None:
        """Send a ``ping`` every ``interval`` seconds from now on."""
        self._timer.cancel()
        self._interval = interval
        self._sent.clear()
        self._timer.set(interval)

    def stop(self) -> None:
        """Stop sending pings."""
        self._timer.cancel()
        self._interval = None

    def answered(self, ping: str | None) -> None:
        """Record the client's ``pong``.

        Args:
            ping: id of the ``ping`` that the client answers; None if the ``pong`` names none.
        """
        sent = self._sent.pop(ping or "", None)
        if sent is not None:
            # The client is alive: earlier pings that it left unanswered no longer count.
            self._sent.clear()
            self._peer.measured(self._context.clock() - sent)

    def _beat(self) -> None:
        """Send the next ``ping``, or close the connection if too many pings are unanswered."""
        if self._interval is None:
            return
        if len(self._sent) >= limits.PINGS_UNANSWERED:
            self._peer.close(close.NO_HEARTBEAT, "you do not answer ping messages")
            return
        messages = self._context.messages
        message = messages.message("ping", catalog.Time(timestamp=messages.milliseconds()))
        self._sent[message.id] = self._context.clock()
        self._peer.send(self._peer.codec.encode(message))
        self._timer.set(self._interval)
