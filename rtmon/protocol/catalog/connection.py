"""The connection itself: introduction, token, heartbeats, batches, answers and the end."""

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
    """How many messages the server collects, or for how many seconds, before it sends them."""

    size: Annotated[int, msgspec.Meta(ge=1, le=limits.BATCH_MAX_MESSAGES)] = 10
    delay: Annotated[float, msgspec.Meta(gt=0, le=limits.BATCH_MAX_DELAY)] = 0.1


class Connect(PayloadIn, frozen=True, kw_only=True):
    """Introduces the client; may be sent again to change something.

    Attributes:
        token: authenticates the client, where the server asks for it.
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
    """Limits that a client has to keep.

    Attributes:
        message_size: bytes of a message.
        file_chunk: bytes of data in one file chunk.
        rate: messages a second, on average.
        burst: messages at once, before the rate counts.
    """

    message_size: int
    file_chunk: int
    rate: float
    burst: int


class Welcome(PayloadOut, frozen=True, kw_only=True):
    """The first message of every connection, and the answer to ``connect``.

    Attributes:
        client_id: id of the client for as long as this connection lives.
        session: a secret that makes the next connection the same sender (see ``connect``).
        user_count: connections now, this one included.
        epoch, offset: the position of the chat with everybody.
        recovered: after a reconnect with a position: true if nothing was lost.
        ttl: seconds until the client's token expires; left out if it does not.
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
    """Sends a fresh token before the current one expires."""

    token: Token


class Expiring(PayloadOut, frozen=True, kw_only=True):
    """The client's token expires soon; ``refresh`` sends another one.

    Attributes:
        ttl: seconds until then; after that the connection is closed with 4001.
    """

    ttl: float


class Disconnect(PayloadIn, frozen=True, kw_only=True):
    """Asks the server to close the connection."""

    reason: Text = ""


class Goodbye(PayloadOut, frozen=True, kw_only=True):
    """The server ends the connection; for transports without close codes.

    Attributes:
        code: close code that a WebSocket would get.
        retry: true if the client should reconnect.
        retry_after: seconds to wait at least before that; left out if it does not matter.
    """

    code: int
    reason: str
    retry: bool
    retry_after: float | None = None


class Ping(PayloadIn, frozen=True, kw_only=True):
    """Asks for a ``pong``."""

    timestamp: int | float | None = None

    def __post_init__(self) -> None:
        check_number(self.timestamp)


class Pong(Ping, frozen=True, kw_only=True):
    """Answers the server's ``ping``."""


class Time(PayloadOut, frozen=True, kw_only=True):
    """Time of a heartbeat.

    ``pong`` repeats the timestamp of the ``ping``, or has the server's if that had none.
    """

    timestamp: int | float


class BatchIn(PayloadIn, frozen=True, kw_only=True):
    """Several messages in one."""

    messages: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=limits.BATCH_MAX_MESSAGES)]


class Batch(PayloadOut, frozen=True, kw_only=True):
    """Several messages in one, in order."""

    messages: list[msgspec.Raw]


class Ack(DataOut, frozen=True, kw_only=True):
    """The server has done what a message asked for, which decides the fields that are there.

    Attributes:
        epoch, offset: the position of the publication, or where a subscription begins.
        duplicate: true if the id had been published before; the position is the first one's.
        recovered: after ``since``: true if what follows continues it without a gap.
        recoverable: false for a pattern, which has no position to return to.
        member_count: members of the room, after joining or leaving.
        rooms: the rooms left, where the client left all.
        file, received: the transfer, and how many of its bytes the server has.
        ttl: seconds until the client's token expires.
        data: result of a handler that the application added.
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
    """Asks how much the client may still send."""


class RateLimit(PayloadOut, frozen=True, kw_only=True):
    """How much the client may still send.

    Attributes:
        limit: messages that may be sent at once by who has paused.
        remaining: messages that may be sent now, this question counted.
        reset: seconds until ``limit`` may be sent again.
    """

    limit: int
    remaining: int
    reset: float


class Error(PayloadOut, frozen=True, kw_only=True):
    """The server has not done what a message asked for.

    Attributes:
        code: for programs, see docs/protocol.md.
        message: for people: what was wrong and what to do.
        retry: true if the same message may succeed later.
        retry_after: seconds to wait before that, if known.
        remaining, reset: of ``rate_limited``: as in ``rate_limit``.
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
    # The messages inside count as activity, each by itself.
    MessageType("batch", incoming=BatchIn, outgoing=Batch, heartbeat=True),
    # A client acknowledges chunks of a file, the server everything else.
    MessageType("ack", incoming=Accept, outgoing=Ack),
    MessageType("error", outgoing=Error),
)
