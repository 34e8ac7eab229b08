"""The interface ``Peer``: one connection of any transport, as the hub uses it."""

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
"""Callback for a queued message. Called once, with True when the message was handed to the
transport, or with False when it was dropped."""

PUBLISHERS_SHARE = 0.5
"""Fraction of a connection's send queue that publishers with the policy ``block`` may fill. The
rest is left for answers."""


class Peer(abc.ABC):
    """One connection of a transport, as the hub uses it.

    A transport creates a Peer for each connection and passes it to :meth:`rtmon.hub.Hub.open`. It
    then awaits :meth:`~rtmon.hub.Hub.receive` for each message, in order. When the connection has
    ended, it calls :meth:`~rtmon.hub.Hub.closed` once. No method of a Peer blocks, or raises
    because of the client, because one connection must not affect others. Only :meth:`room` is
    awaited.

    A transport over a network derives from :class:`~rtmon.hub.transports.queued_peer.QueuedPeer`,
    which handles slow receivers.

    Attributes:
        transport: name of the transport.
        codec: codec of the connection's messages.
        remote: address of the client; None if unknown.
        path: path of the URL that the client connected to, without the query; None if unknown.
        binary: True if the transport can carry binary messages.
        authenticates_later: True if a client can authenticate by its first message, before its
            welcome.
        meter: counts the connection's messages and bytes; None if no probe does.
        monitor: the Monitor of the meter.
        heard_end: how the client ended the connection; None if the transport does not know.
        connection: the connection of ``websockets``; None for other transports. While it is
            writable, it may share frames with other connections (:mod:`rtmon.core.frame_sharing`).
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
        """True while the connection accepts messages; False once it is closing."""
        return True

    @property
    def closing(self) -> bool:
        """True once the hub is closing the connection. The client's further messages are ignored.

        If the client is closing the connection, this is False: its earlier messages are still
        handled.
        """
        return False

    @property
    def ending(self) -> Ending:
        """How the connection ended, as reported by its meter or else by the transport."""
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
        """Send a message, in order: a str as a text message, bytes as a binary message.

        Args:
            data: the encoded message.
            policy: what to drop if the send queue is full. Answers, and other messages that a
                client relies on, use the default and are never dropped.
            key: for the policy ``keep_latest``: a later message with the same key replaces this
                one.
            settled: for a message that has to wait in the queue: called with True when the message
                is handed to the transport, or with False when the message is dropped.

        Returns:
            True if the message was accepted. False if it was refused, because the connection is
            closed or too slow. None if it waits and ``settled`` will be called.
        """

    @abc.abstractmethod
    def close(self, code: int, reason: str) -> None:
        """Start to close the connection. Queued messages are sent first, if possible.

        Args:
            code: 1000 or another code that may be sent, such as the application's codes 4000 to
                4999.
            reason: text for people. It is cut to 123 bytes in UTF-8.

        Raises:
            OptionError: a close frame cannot carry this code or reason.
        """

    @property
    @abc.abstractmethod
    def waiting(self) -> int:
        """Number of bytes that wait to be sent."""

    def has_room(self, share: float = 1.0) -> bool:  # noqa: ARG002 (for subclasses)
        """Return whether the send queue is filled to less than ``share`` of its limits."""
        return True

    async def room(self) -> None:  # noqa: B027 (optional to override)
        """Wait until the send queue has space for publishers, or the connection ends."""

    def named(self, name: str, user: str | None) -> None:
        """Set the client's name and user id in the connections table."""
        if self.meter is not None:
            self.meter.name, self.meter.user = name, user

    def identified(self, client_id: str) -> None:
        """Set the client id in the connections table."""
        if self.meter is not None:
            self.meter.client_id = client_id

    def entered(  # noqa: B027 (only some transports keep positions)
        self, key: str, at: Position | None, *, recovered: bool | None
    ) -> None:
        """Record that the client has joined a room or subscribed, before the client is answered.

        Args:
            key: key of the room, channel or chat.
            at: position up to which the client has the publications; None for a pattern.
            recovered: True if no publication was lost since the position that the client returned
                with; None if the client had no position.
        """

    def left(self, key: str) -> None:  # noqa: B027 (optional to override)
        """Record that the client has left a room or unsubscribed."""

    def errored(self) -> None:
        """Count one ``error`` message that was sent to the client."""
        if self.meter is not None:
            self.meter.bump("errors")

    def refused(self, code: int, detail: str) -> None:
        """Report to the Monitor that the client was refused."""
        if self.monitor is not None:
            self.monitor.refused(self.meter, code=code, detail=detail)

    def measured(self, rtt: float) -> None:
        """Record a round-trip time, in seconds, of a ``ping`` message."""
        if self.meter is not None and self.monitor is not None:
            self.monitor.collector.rtt(self.meter, rtt)
