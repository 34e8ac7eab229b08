"""Message types about a connection: connect, tokens, heartbeats, batches, answers, disconnect."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from .. import limits
from ..data_encoding import check_number
from ..field_types import Id, Name, Text, Token, checked_info
from ..message_type import MessageType
from ..payload_bases import DataOut, PayloadIn, PayloadOut
from .files import Accept

__all__ = [
    "Ack",
    "Batch",
    "BatchIn",
    "BatchSpec",
    "Connect",
    "Disconnect",
    "Error",
    "Expiring",
    "Goodbye",
    "Limits",
    "Ping",
    "Pong",
    "RateLimit",
    "RateLimitIn",
    "Refresh",
    "Time",
    "Welcome",
]


class BatchSpec(PayloadIn, frozen=True, kw_only=True):
    """Batching that a client asks for.

    Attributes:
        size: number of messages after which the server sends a batch.
        delay: seconds after which the server sends a batch that is not full.
    """

    size: Annotated[int, msgspec.Meta(ge=1, le=limits.BATCH_MAX_MESSAGES)] = 10
    delay: Annotated[float, msgspec.Meta(gt=0, le=limits.BATCH_MAX_DELAY)] = 0.1


class Connect(PayloadIn, frozen=True, kw_only=True):
    """Introduces the client. A client may send it again to change some of the fields.

    Attributes:
        token: authenticates the client, if the server requires authentication.
        name: display name of the client.
        user: user id that the client claims; ignored if the server authenticates clients.
        info: description of the client, shown to other clients in presence replies.
        session: the ``session`` of an earlier welcome. It makes the client count as the same sender
            as before.
        batch: whether, or how, the server collects messages into batches.
        heartbeat: seconds between ``ping`` messages from the server; omitted for no pings.
    """

    token: Token | None = None
    name: Name | None = None
    user: Name | None = None
    info: Any = None
    session: Id | None = None
    batch: BatchSpec | bool | None = None
    heartbeat: (
        Annotated[float, msgspec.Meta(ge=limits.HEARTBEAT_MIN, le=limits.HEARTBEAT_MAX)] | None
    ) = None

    def __post_init__(self) -> None:
        checked_info(self.info)
        check_number(self.heartbeat)


class Limits(PayloadOut, frozen=True, kw_only=True):
    """Limits that the server sets for the client's messages.

    Attributes:
        message_size: maximum size of a message in bytes.
        file_chunk: maximum bytes of data in one file chunk.
        rate: sustained rate limit in messages a second.
        burst: number of messages that may be sent at once before the rate limit applies.
    """

    message_size: int
    file_chunk: int
    rate: float
    burst: int


class Welcome(PayloadOut, frozen=True, kw_only=True):
    """The first message on every connection, and the answer to ``connect``.

    Attributes:
        client_id: id of the client, valid as long as this connection.
        session: a secret. The client sends it in the next connection's ``connect``, to count as
            the same sender.
        user_count: number of connections now, including this one.
        epoch, offset: the current position of the public chat.
        recovered: after a reconnect with a position, true if no publication was lost.
        ttl: seconds until the client's token expires; omitted if it does not expire.
    """

    client_id: str
    name: str
    session: str
    user_count: int
    protocol: str
    server: str
    epoch: str
    offset: int
    limits: Limits
    user: str | None = None
    recovered: bool | None = None
    ttl: float | None = None


class Refresh(PayloadIn, frozen=True, kw_only=True):
    """Sends a fresh token before the current token expires."""

    token: Token


class Expiring(PayloadOut, frozen=True, kw_only=True):
    """The client's token expires soon. The client should send a fresh token in ``refresh``.

    Attributes:
        ttl: seconds until the token expires. Then the server closes the connection with 4001.
    """

    ttl: float


class Disconnect(PayloadIn, frozen=True, kw_only=True):
    """Asks the server to close the connection."""

    reason: Text = ""


class Goodbye(PayloadOut, frozen=True, kw_only=True):
    """The server is closing the connection. Sent over transports that have no close codes.

    Attributes:
        code: the close code that a WebSocket would get.
        reason: the close reason, for people.
        retry: true if the client should reconnect.
        retry_after: seconds to wait before reconnecting; omitted if there is no minimum.
    """

    code: int
    reason: str
    retry: bool
    retry_after: float | None = None


class Ping(PayloadIn, frozen=True, kw_only=True):
    """Asks the server for a ``pong``."""

    timestamp: int | float | None = None

    def __post_init__(self) -> None:
        check_number(self.timestamp)


class Pong(Ping, frozen=True, kw_only=True):
    """Answers a ``ping`` of the server."""


class Time(PayloadOut, frozen=True, kw_only=True):
    """Timestamp in a ``ping`` or ``pong`` from the server.

    ``pong`` repeats the timestamp of the client's ``ping``. If the ``ping`` had no timestamp,
    ``pong`` has the server's time.
    """

    timestamp: int | float


class BatchIn(PayloadIn, frozen=True, kw_only=True):
    """Several messages from a client in one message."""

    messages: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=limits.BATCH_MAX_MESSAGES)]


class Batch(PayloadOut, frozen=True, kw_only=True):
    """Several messages from the server in one message, in order."""

    messages: list[msgspec.Raw]


class Ack(DataOut, frozen=True, kw_only=True):
    """The server has done what a client's message requested.

    The request decides which fields are present.

    Attributes:
        epoch, offset: position of the publication, or position at which a subscription begins.
        duplicate: true if this id was published before. ``epoch`` and ``offset`` are then the
            position of the first publication.
        recovered: if the request had ``since``, true if the following publications continue from
            there without a gap.
        recoverable: false for a pattern, because a pattern has no position.
        member_count: number of members of the room after joining or leaving.
        rooms: the rooms that the client left, if it left all rooms.
        file, received: id of the file transfer, and how many of its bytes the server has.
        ttl: seconds until the client's token expires.
        data: result of a handler that the application registered.
    """

    epoch: str | None = None
    offset: int | None = None
    duplicate: bool | None = None
    recovered: bool | None = None
    recoverable: bool | None = None
    channel: str | None = None
    room: str | None = None
    rooms: list[str] | None = None
    member_count: int | None = None
    file: str | None = None
    received: int | None = None
    chunk: int | None = None
    ttl: float | None = None


class RateLimitIn(PayloadIn, frozen=True, kw_only=True):
    """Asks how many messages the client may still send."""


class RateLimit(PayloadOut, frozen=True, kw_only=True):
    """The client's remaining message budget.

    Attributes:
        limit: number of messages that a client may send at once after a pause.
        remaining: number of messages that the client may send now, after this request.
        reset: seconds until ``limit`` messages may be sent again.
    """

    limit: int
    remaining: int
    reset: float


class Error(PayloadOut, frozen=True, kw_only=True):
    """The server has not done what a client's message requested.

    Attributes:
        code: error code for programs, see docs/protocol.md.
        message: explanation for people: the problem and what to do.
        retry: true if the same message may succeed later.
        retry_after: seconds to wait before retrying, if known.
        remaining, reset: for ``rate_limited`` only, as in ``rate_limit``.
    """

    code: str
    message: str
    retry: bool
    retry_after: float | None = None
    remaining: int | None = None
    reset: float | None = None


MESSAGE_TYPES: Final = (
    MessageType("welcome", outgoing=Welcome, unsolicited=True),
    MessageType("connect", incoming=Connect, reply="welcome"),
    MessageType("token_expiring", outgoing=Expiring, unsolicited=True),
    MessageType("refresh", incoming=Refresh, reply="ack"),
    MessageType(
        "rate_limit",
        incoming=RateLimitIn,
        outgoing=RateLimit,
        reply="rate_limit",
        repeatable=True,
    ),
    MessageType("disconnect", incoming=Disconnect, outgoing=Goodbye, unsolicited=True),
    MessageType("ping", incoming=Ping, outgoing=Time, reply="pong", heartbeat=True),
    MessageType("pong", incoming=Pong, outgoing=Time, heartbeat=True),
    # A batch itself is no activity. Each message in it counts by its own type.
    MessageType("batch", incoming=BatchIn, outgoing=Batch, heartbeat=True),
    # Clients acknowledge file chunks only. The server acknowledges all other messages.
    MessageType("ack", incoming=Accept, outgoing=Ack),
    MessageType("error", outgoing=Error),
)
