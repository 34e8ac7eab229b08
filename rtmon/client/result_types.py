"""Data classes that a client returns or passes to callbacks: messages, changes, statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..protocol.catalog import Position

__all__ = ["Change", "ClientState", "ClientStats", "Message", "What"]

ClientState = Literal["connecting", "open", "reconnecting", "closing", "closed"]

What = Literal["open", "close", "error", "reconnect", "gave_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that a client has received from the server.

    Attributes:
        type: the message type, see docs/protocol.md.
        payload: in a subscription, the published data. Elsewhere the payload of the message, as a
            dict, or as the type that the handler was registered with.
        id: the message id.
        timestamp: milliseconds since 1970 by the server's clock.
        channel: the channel to which the message was published.
        client_id: client id of the publisher; None if the server published the message.
        name: name of the publisher; None if the server published the message.
        position: position in the history of the channel, of the room or of the chat.
        gap: True if messages before this one were lost: the server's history no longer holds them,
            or an iteration over the client was too slow.
    """

    type: str
    payload: Any
    id: str | None = None
    timestamp: int | float | None = None
    channel: str | None = None
    client_id: str | None = None
    name: str | None = None
    position: Position | None = None
    gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of a client's state, which callbacks get.

    Attributes:
        what: the kind of change, such as ``reconnect``.
        state: the new state; ``closed`` if the client will not reconnect.
        code: the close code, if a connection ended.
        reason: the reason, for people to read.
        attempt: number of failures in a row.
        delay: seconds until the next attempt to connect; None if there is none.
        downtime: for a reconnect, seconds without a connection.
        error: the exception, or the server's error; None if there is none.
    """

    what: What
    state: ClientState
    code: int | None = None
    reason: str = ""
    attempt: int = 0
    delay: float | None = None
    downtime: float | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStats:
    """Statistics of a client. They are never included in those of a server.

    Attributes:
        name: the client's name; None if it has none.
        url: the server's URL, without the query.
        state: the client's state.
        attempts: number of attempts to connect, including the first.
        reconnects: number of connections after the first.
        downtime: seconds without a connection since the first one, including the current outage.
        rtt: round-trip time of the last heartbeat, in seconds; None before the first.
        queued: number of messages that wait to be sent.
        unconfirmed: number of messages that were sent and not acknowledged yet.
        sent: number of messages sent, with heartbeats, without chunks of files.
        received: number of messages received, with heartbeats, without chunks of files.
        resent: number of messages sent again, because the connection ended before the server
            acknowledged them.
        duplicates: number of messages received again; they were not delivered again.
        gaps: how often messages were lost.
        dropped: number of messages dropped because a queue or buffer was full, or not acknowledged
            when the client was closed.
        expired: number of messages dropped after waiting too long.
    """

    name: str | None
    url: str
    state: ClientState
    attempts: int
    reconnects: int
    downtime: float
    rtt: float | None
    queued: int
    unconfirmed: int
    sent: int
    received: int
    resent: int
    duplicates: int
    gaps: int
    dropped: int
    expired: int
