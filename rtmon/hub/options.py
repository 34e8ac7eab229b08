"""Options of a hub and of its channels, as frozen dataclasses. CLI options set their fields."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from ..core.backpressure import Bounds, Policy, checked_policy
from ..core.batch_buffer import Batch
from ..core.option_validation import one_of, within
from ..errors import OptionError, ProtocolError
from ..protocol import limits
from ..protocol.channel_patterns import is_pattern
from ..protocol.field_types import checked_name, explain

__all__ = ["CHANGEABLE", "ChannelOptions", "HubOptions"]

CHANGEABLE = frozenset(
    {
        "at_limit",
        "auth_timeout",
        "channels",
        "connections_per_address",
        "expiry_notice",
        "history",
        "history_age",
        "hook_timeout",
        "idle_timeout",
        "max_connections",
        "max_waiting",
        "max_waiting_age",
        "max_waiting_messages",
        "slow",
        "stalled",
    }
)
"""Fields of :class:`HubOptions` that :meth:`rtmon.hub.Hub.change` may replace. The hub reads these
fields each time it uses them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """Options of the channels that match a pattern. None means the hub's option.

    Attributes:
        history: maximum number of kept publications.
        history_age: seconds for which a publication is kept.
        subscribe: permission that a client needs to subscribe and to read the history; None if it
            needs none. To subscribe to a pattern, a client needs the permissions of all channels
            that the pattern may match.
        publish: permission that a client needs to publish; None if it needs none. The server itself
            never needs one.
        presence: permission that a client needs to request presence; None if it needs none.
        batch: options for sending publications in batches; None for no batches.
        slow: policy for slow consumers.
    """

    history: int | None = None
    history_age: float | None = None
    subscribe: str | None = None
    publish: str | None = None
    presence: str | None = None
    batch: Batch | None = None
    slow: Policy | None = None

    def __post_init__(self) -> None:
        if self.history is not None:
            within("history", self.history, 0, 1_000_000)
        if self.history_age is not None:
            within("history_age", self.history_age, 0.0, float("inf"))
        for what in ("subscribe", "publish", "presence"):
            needed: Any = getattr(self, what)
            if not isinstance(needed, str | None) or needed == "":
                raise OptionError(f"{what} is {needed!r}: name a permission, or give None.")
        batch: Any = self.batch
        if not isinstance(batch, Batch | None):
            raise OptionError(f"batch is {batch!r}: give a Batch(…), or None.")
        if self.slow is not None:
            checked_policy(self.slow)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """Options of a hub.

    Attributes:
        name: name of the server, sent in ``welcome``.
        history: maximum number of publications kept for each channel, each room and the chat; 0
            keeps none.
        history_age: seconds for which a publication is kept.
        echo: whether a client receives its own chat and room messages. A message can override this.
        announce: seconds for which joins and leaves are collected into one message.
        typing_timeout: seconds after which a typing indicator ends if the client does not repeat
            it.
        rate: sustained rate limit of one connection, in messages a second.
        burst: number of messages that a connection may send at once before the rate limit applies.
        byte_rate: sustained rate limit of one connection, in decompressed bytes a second. If a
            client sends faster, the hub reads later and refuses nothing. File chunks do not count.
        max_size: maximum size of a message from a client, in bytes. The server is started with the
            same limit.
        slow: policy for a slow consumer that has reached ``max_waiting``,
            ``max_waiting_messages`` or ``max_waiting_age``; see
            :data:`rtmon.core.backpressure.Policy`. Answers, and other messages for one client
            alone, are never dropped: above a limit, that client is disconnected.
        max_waiting: maximum number of bytes in the send queue of one connection.
        max_waiting_messages: maximum number of messages in the send queue of one connection.
        max_waiting_age: maximum time in seconds that a message waits in the send queue.
        stalled: seconds after which a receiver that reads none of its queued bytes is disconnected,
            whatever the policy.
        max_connections: maximum number of connections; further ones are closed with 1013.
        connections_per_user: maximum number of connections of one user; None for no limit. This
            option and ``user_rate`` require ``auth``, because clients of a hub without ``auth`` can
            claim any user id.
        connections_per_address: maximum number of connections from one IPv4 address or IPv6 /64
            network; None for no limit.
        at_limit: ``refuse`` refuses a connection above ``connections_per_user`` or
            ``connections_per_address`` with 1013. ``close_oldest`` instead closes the oldest
            connection with 4501.
        user_rate: sustained rate limit of all connections of one user together, in messages a
            second; None for no limit.
        user_burst: number of messages that a user may send at once before ``user_rate`` applies.
        address_rate, address_burst: like ``user_rate`` and ``user_burst``, for all connections of
            one address together. A new connection counts as a message.
        auth_timeout: seconds within which a client must authenticate, if the hub has ``auth``.
        expiry_notice: seconds before the expiry of a token at which its client is warned.
        token_in_query: whether a token in the URL is accepted (``?token=…``). URLs end up in logs.
        client_ids: whether clients choose their own ids, at ``/ws/{client_id}`` or with
            ``?client_id=…``. With ``auth``, a client may choose only ids that belong to its user.
        idle_timeout: seconds after which a client that sends nothing but heartbeats is closed with
            4502; None for no timeout. A client that only receives counts as idle.
        auth_close: close code for clients that are refused because of their token or by a hook:
            4500, or 1008 for clients that know only registered codes. 1008 also
                replaces the close code 4002 for clients that send no token in time.
        hook_timeout: seconds after which a hook or check of the application is cancelled.
        channels: pattern → :class:`ChannelOptions`. The first pattern that matches a channel
            applies.
        files: folder for received files; None refuses files.
        file_size: maximum size of a file, in bytes.
        file_quota: maximum size of all files in the folder together, in bytes.
        file_count: maximum number of files in the folder.
        file_share: fraction of ``file_quota`` and ``file_count`` that one authenticated user may
            use, above 0, up to 1.
    """

    name: str = "rtmon"
    history: int = 100
    history_age: float = 300.0
    echo: bool = True
    announce: float = 0.1
    typing_timeout: float = 5.0
    rate: float = limits.RATE
    burst: int = limits.BURST
    byte_rate: float = limits.BYTE_RATE
    max_size: int = limits.MESSAGE_SIZE
    slow: Policy = "disconnect"
    max_waiting: int = limits.WAITING_BYTES
    max_waiting_messages: int = limits.WAITING_MESSAGES
    max_waiting_age: float = limits.WAITING_AGE
    stalled: float = limits.STALLED
    max_connections: int = 100_000
    connections_per_user: int | None = None
    connections_per_address: int | None = None
    at_limit: Literal["refuse", "close_oldest"] = "refuse"
    user_rate: float | None = None
    user_burst: int = limits.BURST
    address_rate: float | None = None
    address_burst: int = limits.BURST
    auth_timeout: float = 5.0
    expiry_notice: float = 30.0
    token_in_query: bool = False
    client_ids: bool = False
    idle_timeout: float | None = None
    auth_close: Literal[4500, 1008] = 4500
    hook_timeout: float = 5.0
    channels: dict[str, ChannelOptions] = field(default_factory=dict)
    files: Path | str | None = None
    file_size: int = limits.FILE_SIZE
    file_quota: int = 10 * limits.FILE_SIZE
    file_count: int = limits.FILES_KEPT
    file_share: float = 0.5

    def __post_init__(self) -> None:
        try:
            checked_name(self.name)
        except (TypeError, ValueError) as error:
            raise OptionError(f"name is {self.name!r:.100}: {explain(error)}.") from None
        within("history", self.history, 0, 1_000_000)
        within("history_age", self.history_age, 0.0, float("inf"))
        within("announce", self.announce, 0.0, 60.0)
        within("typing_timeout", self.typing_timeout, 0.1, 3600.0)
        within("rate", self.rate, 0.1, float("inf"))
        within("burst", self.burst, 1, 1_000_000)
        within("byte_rate", self.byte_rate, 1_024, float("inf"))
        within("max_size", self.max_size, 1_024, 1 << 30)
        within("max_waiting", self.max_waiting, self.max_size, 1 << 34)
        within("max_waiting_messages", self.max_waiting_messages, 1, 1 << 30)
        within("max_waiting_age", self.max_waiting_age, 0.01, 86_400.0)
        within("stalled", self.stalled, 0.01, 86_400.0)
        checked_policy(self.slow)
        _check_channels(self.channels)
        within("max_connections", self.max_connections, 1, 10_000_000)
        for name in ("connections_per_user", "connections_per_address"):
            if getattr(self, name) is not None:
                within(name, getattr(self, name), 1, 10_000_000)
        one_of("at_limit", self.at_limit, "refuse", "close_oldest")
        for name in ("user_rate", "address_rate"):
            if getattr(self, name) is not None:
                within(name, getattr(self, name), 0.001, float("inf"))
        within("user_burst", self.user_burst, 1, 1_000_000)
        within("address_burst", self.address_burst, 1, 1_000_000)
        within("auth_timeout", self.auth_timeout, 0.01, 3600.0)
        within("expiry_notice", self.expiry_notice, 0.0, 86_400.0)
        if self.idle_timeout is not None:
            within("idle_timeout", self.idle_timeout, 0.01, float("inf"))
        one_of("auth_close", self.auth_close, 4500, 1008)
        within("hook_timeout", self.hook_timeout, 0.01, 3600.0)
        within("file_size", self.file_size, 0, 1 << 53)
        within("file_quota", self.file_quota, 0, 1 << 53)
        within("file_count", self.file_count, 0, 1 << 53)
        within("file_share", self.file_share, 0.001, 1.0)

    @property
    def bounds(self) -> Bounds:
        """Limits of one connection's send queue."""
        return Bounds(
            bytes=self.max_waiting,
            messages=self.max_waiting_messages,
            age=self.max_waiting_age,
        )

    @classmethod
    def of(cls, options: Self | None, changes: dict[str, Any]) -> Self:
        """Return a copy of options with some fields changed.

        Args:
            options: the options; None for the defaults.
            changes: field → new value.

        Raises:
            OptionError: there is no such field, or its value is invalid.
        """
        unknown = sorted(set(changes) - set(cls.__dataclass_fields__))
        if unknown:
            raise OptionError(
                f"A hub has no option {unknown[0]!r}; it has {', '.join(cls.__dataclass_fields__)}."
            )
        return replace(cls() if options is None else options, **changes)


def _check_channels(channels: Any) -> None:
    """Check the option ``channels``.

    Raises:
        OptionError: it is not a dict of valid patterns and :class:`ChannelOptions`.
    """
    if not isinstance(channels, dict):
        raise OptionError(f"channels is {channels!r}: give a dict, pattern → ChannelOptions.")
    for pattern, rule in channels.items():
        if not isinstance(pattern, str) or not isinstance(rule, ChannelOptions):
            raise OptionError(
                f"channels has {pattern!r}: {rule!r}; give patterns, as str, and ChannelOptions(…)."
            )
        try:
            is_pattern(pattern)
        except ProtocolError as error:
            # Check patterns at startup. A malformed pattern would otherwise fail each publication.
            raise OptionError(f"channels: {error.message}") from None
