"""Options of a hub and of its channels: frozen records, to which CLI options map field by field."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from ..core.backpressure import Bounds, Policy, checked_policy
from ..core.batch_buffer import Batch
from ..core.option_validation import one_of, within
from ..errors import OptionError, ProtocolError
from ..protocol import limits
from ..protocol.channels import is_pattern
from ..protocol.values import checked_name, explain

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
"""Fields of :class:`HubOptions` that can change while a hub runs, as each use reads them anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """Options of some channels; None takes the hub's.

    Attributes:
        history: publications kept.
        history_age: seconds for which they are kept.
        subscribe: the permission that clients need to subscribe and to read the history; None for
            none. To subscribe to a pattern, a client needs it for all channels it may match.
        publish: the permission that clients need to publish; the server itself needs none.
        presence: the permission that clients need to ask for presence.
        batch: send what is published in batches.
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
        name: what the server calls itself in ``welcome``.
        history: publications kept per channel, room and for the chat; 0 keeps none.
        history_age: seconds for which they are kept.
        echo: whether a client gets its own chat and room messages; a message can say otherwise.
        announce: seconds for which joins and leaves are collected into one message.
        typing_timeout: seconds after which a client that does not repeat it stops typing.
        rate: messages a second that one connection may send, lastingly.
        burst: messages that it may send at once before the rate applies.
        byte_rate: bytes a second, inflated, that one connection may send lastingly. The hub reads
            what is above it later, and refuses nothing; file chunks do not count.
        max_size: bytes of the largest accepted message; the server is started with the same.
        slow: policy for a slow consumer that has reached one of the bounds below; see
            :data:`rtmon.core.backpressure.Policy`. Answers, and all else that belongs to one
            client alone, is never dropped: past a bound, that client is disconnected.
        max_waiting: bytes that may wait for one receiver.
        max_waiting_messages: messages that may wait for one receiver.
        max_waiting_age: seconds that a message may wait.
        stalled: seconds for which a receiver may take nothing at all of what waits for it; then
            its connection is cut, whatever the policy.
        max_connections: connections at once; further ones are closed with 1013.
        connections_per_user: connections at once of one user; None for any number. It needs
            ``auth``, as ``user_rate`` does: without it, any client can claim to be any user.
        connections_per_address: connections at once of one IPv4 address or IPv6 /64 network; None
            for any number.
        at_limit: ``refuse`` refuses a connection above these two limits with 1013;
            ``close_oldest`` closes the oldest one with 4501 instead.
        user_rate: messages a second that all connections of one user may send together, lastingly;
            None for no such bound.
        user_burst: messages that they may send at once before the rate applies.
        address_rate, address_burst: the same for one address; a new connection counts as a message.
        auth_timeout: seconds in which a client must authenticate, if the hub has ``auth``.
        expiry_notice: seconds before the expiry of a token at which its client is warned.
        token_in_query: whether a token is taken from the address, too (``?token=…``), which ends
            up in logs.
        client_ids: whether clients choose their own ids, at ``/ws/{client_id}`` or with
            ``?client_id=…``; with ``auth`` only such as belong to the user.
        idle_timeout: seconds in which a client must say something, heartbeats aside, or is closed
            with 4502; None for ever. A client that only receives is idle, too.
        auth_close: close code of clients that are not let in, for want of a token that is taken or
            by a hook: 4500, or 1008 for clients that know the registered codes only, which then
            stands for 4002, too.
        hook_timeout: seconds that a hook or check of the program may take; then it is cancelled.
        channels: pattern → :class:`ChannelOptions`; the first that matches a channel counts.
        files: folder that receives files; None refuses them.
        file_size: bytes of the largest accepted file.
        file_quota: bytes of all files in the folder together.
        file_count: files in the folder.
        file_share: part of both that one authenticated user may take, above 0, up to 1.
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
        """Bounds of what may wait for one receiver."""
        return Bounds(
            bytes=self.max_waiting,
            messages=self.max_waiting_messages,
            age=self.max_waiting_age,
        )

    @classmethod
    def of(cls, options: Self | None, changes: dict[str, Any]) -> Self:
        """Return these options with some fields changed.

        Raises:
            OptionError: there is no such field, or its value makes no sense.
        """
        unknown = sorted(set(changes) - set(cls.__dataclass_fields__))
        if unknown:
            raise OptionError(
                f"A hub has no option {unknown[0]!r}; it has {', '.join(cls.__dataclass_fields__)}."
            )
        return replace(cls() if options is None else options, **changes)


def _check_channels(channels: Any) -> None:
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
            # Checked here, so that a malformed pattern does not fail each publication.
            raise OptionError(f"channels: {error.message}") from None
