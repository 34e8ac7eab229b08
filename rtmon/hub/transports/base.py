"""What a transport hands to the hub for each connection."""

from __future__ import annotations

import abc
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeAlias

from ...core.backpressure import Policy
from ...metrics.records import Ending
from ...protocol.catalog import Position
from ...protocol.codecs import Codec

if TYPE_CHECKING:
    from ...metrics.meter import Meter

__all__ = ["PUBLISHERS_SHARE", "Peer", "Settled"]

Settled: TypeAlias = Callable[[bool], object]
"""Called once: with True when a message that waited was handed to the transport, with False when
it was given up."""

PUBLISHERS_SHARE = 0.5
"""Of what may wait for a connection, how much publishers that wait for room may fill: in a queue
that they keep full there would be no room for answers."""


class Peer(abc.ABC):
    """One connection, as the hub sees it.

    A transport makes a Peer for each connection, gives it to :meth:`rtmon.hub.Hub.open`, then
    awaits :meth:`~rtmon.hub.Hub.receive` for each message, in order, and calls
    :meth:`~rtmon.hub.Hub.closed` once when the connection has ended. None of the methods here
    blocks, or raises for what the peer does: a failing peer must not affect others. Only
    :meth:`room` may be awaited.

    A transport that carries bytes over a network derives from
    :class:`~rtmon.hub.transports.queued_peer.QueuedPeer`, which handles slow receivers.

    Attributes:
        transport: the transport's name.
        codec: what the connection speaks.
        remote: address of the other end; None if there is none to know.
        path: path of the client's address, without its query; None if there is none.
        binary: whether the transport can carry binary messages.
        authenticates_later: whether a client can authenticate in its first message, before its
            welcome.
        meter: what counts the connection; None if nothing does.
        monitor: the Monitor of the meter.
        heard_end: how the client ended the connection, if the transport was told.
        connection: of ``websockets``, if the transport is that: while it can be written to, it may
            be sent frames that others are sent too (:mod:`rtmon.core.frame_sharing`).
    """

    transport: str
    codec: Codec
    remote: str | None = None
    path: str | None = None
    binary: bool = True
    authenticates_later: bool = True
    meter: Meter | None = None
    monitor: Any = None
    heard_end: Ending | None = None
    connection: Any = None

    @property
    def open(self) -> bool:
        """Whether messages are taken: not once the connection has begun to end."""
        return True

    @property
    def closing(self) -> bool:
        """True once the hub is closing the connection; further input is ignored.

        Input that arrived before the client itself closed is not.
        """
        return False

    @property
    def ending(self) -> Ending:
        """How the connection ended: as its meter has it, else as far as the transport knows."""
        if self.meter is not None and self.meter.ending is not None:
            return self.meter.ending
        return self.heard_end or Ending()

    @abc.abstractmethod
    def send(
        self,
        data: str | bytes,
        *,
        policy: Policy = "disconnect",
        key: Hashable = None,
        settled: Settled | None = None,
    ) -> bool | None:
        """Send a message in order; text or binary by its type.

        Args:
            data: the message.
            policy: what is given up if too much waits for this connection. Answers and all else
                that a client relies on goes with the default, and is never dropped.
            key: for ``keep_latest``: what the message is the latest of.
            settled: what to call later, if it is not certain yet what becomes of the message.

        Returns:
            True if it was taken, False if not, because the connection is closed or too slow;
            None if it waits, and ``settled`` will say.
        """

    @abc.abstractmethod
    def close(self, code: int, reason: str) -> None:
        """Begin to end the connection; what was sent before goes out first if it can.

        Args:
            code: 1000 or another code that may be sent, such as 4000 to 4999 of the program's own.
            reason: for people; what is beyond 123 bytes in UTF-8 is cut off.

        Raises:
            OptionError: no close frame can say this.
        """

    @property
    @abc.abstractmethod
    def waiting(self) -> int:
        """Bytes that wait to leave."""

    def has_room(self, share: float = 1.0) -> bool:  # noqa: ARG002 (of a hook)
        """Whether less than a share of what may wait for this connection does."""
        return True

    async def room(self) -> None:  # noqa: B027 (a hook)
        """Wait until there is room for publishers, or the connection ends."""

    def named(self, name: str, user: str | None) -> None:
        """Show the client's name and user id in the connections table."""
        if self.meter is not None:
            self.meter.name, self.meter.user = name, user

    def identified(self, client_id: str) -> None:
        """Show the client's id in the connections table."""
        if self.meter is not None:
            self.meter.client_id = client_id

    def entered(  # noqa: B027 (a hook: for transports that keep their clients' positions)
        self, key: str, at: Position | None, *, recovered: bool | None
    ) -> None:
        """The client is in a place, before it is told so.

        Args:
            key: the place, as the hub names it.
            at: what it has of the place ends here; None for a pattern, which has no position.
            recovered: whether nothing was lost since it was there; None if it did not say.
        """

    def left(self, key: str) -> None:  # noqa: B027 (a hook)
        """The client is no longer in a place."""

    def errored(self) -> None:
        """A message of this client was answered with an error."""
        if self.meter is not None:
            self.meter.bump("errors")

    def refused(self, code: int, detail: str) -> None:
        """The client is not let in."""
        if self.monitor is not None:
            self.monitor.refused(self.meter, code=code, detail=detail)

    def measured(self, rtt: float) -> None:
        """A ``ping`` message was answered, after so many seconds."""
        if self.meter is not None and self.monitor is not None:
            self.monitor.collector.rtt(self.meter, rtt)
