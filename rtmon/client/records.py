"""Records that a client returns: messages, changes of its state, its numbers."""

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
        payload: of a message in a subscription, what was published; else the message's payload,
            a dict, or what the handler asked for.
        id: the message's.
        timestamp: milliseconds since 1970 by the server's clock.
        channel: where it was published.
        client_id, name: of the publisher; None if it is the server.
        position: its place in the history of its channel, its room or the chat.
        gap: something before it was lost: the server no longer has it, or an iteration over the
            client was too slow for it.
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
    """A change of a client's state; each callback gets one.

    Attributes:
        what: which of the callbacks it is for.
        state: after it; ``closed`` if the client will not try again.
        code: the close code, if a connection ended.
        reason: in words.
        attempt: failures in a row so far.
        delay: seconds until the next attempt; None if there is none.
        downtime: seconds without a connection, once it is back.
        error: what was raised, or refused by the server.
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
    """A client's own numbers, never part of any server's.

    Attributes:
        name: what it calls itself; None if it has no name of its own.
        url: where it connects to, without the query.
        state: of the client.
        attempts: to connect, the first one included.
        reconnects: connections after the first.
        downtime: seconds without a connection after the first, the current outage included.
        rtt: seconds that the last heartbeat took there and back; None before the first.
        queued: messages that wait to be sent.
        unconfirmed: messages sent that the server is not known to have.
        sent, received: messages, heartbeats included, chunks of files not.
        resent: messages sent again because the connection ended before they were confirmed.
        duplicates: messages received again, and not delivered again.
        gaps: times that history was lost.
        dropped: messages dropped because a queue or buffer was full, or the client was closed
            before they are known to have arrived.
        expired: messages dropped because they waited too long.
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
