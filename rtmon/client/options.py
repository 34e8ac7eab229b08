"""The options of a client: identity, codec, timeouts, queues and batches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from ..core.backoff import Backoff
from ..core.batch_buffer import Batch
from ..core.option_validation import one_of, within
from ..errors import OptionError
from ..protocol import limits
from ..protocol.field_types import checked_info, checked_name, explain
from .auth_token import Token, is_token

__all__ = ["ClientOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """The options of a client; times are in seconds.

    Attributes:
        name: the client's name, shown by a hub and by a Monitor.
        user: id of the user on whose behalf the client acts.
        token: token that authenticates the client: a text, or a function or coroutine function that
            returns it. The function is called before each attempt to connect, and before the token
            that it last returned expires.
        info: public information about the client: a value of up to 2,048 bytes as JSON.
        codec: encoding of messages, ``json`` or ``msgpack``.
        protocol: ``rtmon`` for a hub. ``plain`` for any other server that takes ``{type, payload}``
            in JSON, or raw messages; such a server sends no welcome message.
        backoff: delays between attempts to reconnect, and their maximum number. With the default,
            5,000 clients are connected again within 30 s after an outage of 5 s.
        stable_after: a connection that ends earlier than this counts as a failed attempt.
        open_timeout: timeout of one attempt, until the server's welcome.
        start_timeout: timeout until the first connection is open, over all attempts; None for no
            timeout.
        close_timeout: timeout of an explicit close, for sending the queue and for the closing
            handshake.
        request_timeout: default timeout of a request.
        heartbeat_interval: time between two heartbeats, in each direction.
        heartbeat_timeout: time to wait for the answer to a heartbeat. If no data arrives in this
            time, the client cuts the connection.
        queue_size: maximum number of messages that are not sent or not acknowledged yet.
        queue_policy: what happens when the queue is full. ``wait``: the sender waits. ``refuse``:
            the sender gets a QueueFull error. ``drop_oldest``: the oldest message is dropped.
        queue_age: maximum time that a message may wait in the queue. Then the message is dropped.
        batch: how to collect sent messages into batches; None to send each message at once.
        server_batch: how the server should collect messages into batches; None for no batches.
        buffer: maximum number of messages that a subscription keeps for its reader. When it is
            full, new messages are dropped, and fetched from the server's history when the reader
            has read the others. An iteration over the client keeps the same number of messages;
            when it is full, the oldest are dropped.
    """

    name: str | None = None
    user: str | None = None
    token: Token | None = field(default=None, repr=False)
    info: Any = None
    codec: Literal["json", "msgpack"] = "json"
    protocol: Literal["rtmon", "plain"] = "rtmon"
    backoff: Backoff = field(default_factory=lambda: Backoff(base=0.5, max=15.0))
    stable_after: float = 5.0
    open_timeout: float = 10.0
    start_timeout: float | None = 30.0
    close_timeout: float = 5.0
    request_timeout: float = 10.0
    heartbeat_interval: float = 20.0
    heartbeat_timeout: float = 10.0
    queue_size: int = 1_000
    queue_policy: Literal["wait", "refuse", "drop_oldest"] = "wait"
    queue_age: float = 120.0
    batch: Batch | None = None
    server_batch: Batch | None = None
    buffer: int = 10_000

    def __post_init__(self) -> None:
        try:
            for what in ("name", "user"):
                if getattr(self, what) is not None:
                    object.__setattr__(self, what, checked_name(getattr(self, what)))
            object.__setattr__(self, "info", checked_info(self.info))
        except (TypeError, ValueError) as error:
            raise OptionError(f"name, user or info cannot be sent: {explain(error)}.") from None
        token: Any = self.token
        if not (token is None or callable(token) or is_token(token)):
            raise OptionError(
                f"token cannot be sent: give up to {limits.TOKEN_LENGTH} printable characters "
                "without spaces, or a function that returns them."
            )
        one_of("codec", self.codec, "json", "msgpack")
        one_of("protocol", self.protocol, "rtmon", "plain")
        self._check_plain()
        one_of("queue_policy", self.queue_policy, "wait", "refuse", "drop_oldest")
        for batch in ("batch", "server_batch"):
            if not isinstance(getattr(self, batch), Batch | None):
                raise OptionError(f"{batch} is {getattr(self, batch)!r}: give a Batch, or None.")
        if not isinstance(self.backoff, Backoff):
            raise OptionError(f"backoff is {self.backoff!r}: give a Backoff.")
        for name in (
            "open_timeout",
            "close_timeout",
            "request_timeout",
            "heartbeat_interval",
            "heartbeat_timeout",
            "queue_age",
        ):
            within(name, getattr(self, name), 0.001, 86_400.0)
        if self.start_timeout is not None:
            within("start_timeout", self.start_timeout, 0.001, 86_400.0)
        within("stable_after", self.stable_after, 0.0, 86_400.0)
        within("queue_size", self.queue_size, 1, 1_000_000)
        within("buffer", self.buffer, 1, 10_000_000)

    def _check_plain(self) -> None:
        """Raise OptionError for options that need a hub, if ``protocol`` is ``plain``."""
        if self.protocol != "plain":
            return
        default = ClientOptions()
        for name in ("user", "info", "codec", "server_batch"):
            if getattr(self, name) != getattr(default, name):
                raise OptionError(
                    f"{name} is for a hub: leave it out with protocol='plain', and send what your "
                    "server takes."
                )

    @classmethod
    def of(cls, options: Self | None, changes: dict[str, Any]) -> tuple[Self, dict[str, Any]]:
        """Split keyword arguments into client options and all others.

        Args:
            options: the options to start from; the defaults if None.
            changes: keyword arguments; fields of this class replace those of ``options``.

        Returns:
            The options, and the arguments that are not fields of this class.

        Raises:
            OptionError: a value is invalid.
        """
        fields = cls.__dataclass_fields__
        mine = {name: value for name, value in changes.items() if name in fields}
        rest = {name: value for name, value in changes.items() if name not in fields}
        return replace(cls() if options is None else options, **mine), rest
