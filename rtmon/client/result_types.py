"""Records that a client returns: messages, state changes, statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..protocol.catalog import Position

__all__ = ["Change", "ClientState", "ClientStats", "Message", "What"]

ClientState = Literal["connecting", "open", "reconnecting", "closing", "closed"]

What = Literal["open", "close", "error", "reconnect", "gave_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message from the server.

    Attributes:
        type: as in docs/protocol.md.
        payload: in a subscription, the published data; else the payload of the message, as a dict
            or as the type that the handler named.
        id: the message id.
        timestamp: milliseconds since 1970 by the server's clock.
        channel: the channel that it was published to.
        client_id, name: of the publisher; None if it is the server.
        position: its position in the history of its channel, its room or the chat.
        gap: True if messages before it were lost: the server's history no longer holds them, or
            an iteration over the client was too slow.
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
    """A change of a client's state, passed to callbacks.

    Attributes:
        what: the kind of callback.
        state: the new state; ``closed`` if the client will not reconnect.
        code: the close code, if a connection ended.
        reason: the reason in words.
        attempt: number of failures in a row.
        delay: seconds until the next attempt; None if there is none.
        downtime: seconds without a connection, after a reconnect.
        error: the exception, or the server's error.
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
    """Statistics of a client, never included in those of a server.

    Attributes:
        name: the client's name; None if it has none.
        url: the server's URL, without the query.
        state: of the client.
        attempts: attempts to connect, the first one included.
        reconnects: connections after the first.
        downtime: seconds without a connection since the first one, the current outage included.
        rtt: round-trip time of the last heartbeat, in seconds; None before the first.
        queued: messages that wait to be sent.
        unconfirmed: messages sent and not acknowledged.
        sent, received: messages, with heartbeats, without chunks of files.
        resent: messages sent again because the connection ended before they were confirmed.
        duplicates: messages received again, which were not delivered again.
        gaps: times that history was lost.
        dropped: messages dropped because a queue or buffer was full, or unacknowledged when the
            client was closed.
        expired: messages dropped after waiting too long.
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
