"""Context object shared by all parts of a hub: options, clocks, ids, broker, background tasks."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from ..core.backpressure import Policy
from ..errors import ProtocolError
from ..protocol import catalog, limits
from ..protocol.channel_patterns import matches
from ..protocol.envelope import Message
from .brokers.base import Broker, Draft
from .options import ChannelOptions, HubOptions

__all__ = ["BackgroundTasks", "HubContext", "MessageBuilder"]


class MessageBuilder:
    """Builds the server's messages, with ids and timestamps.

    Args:
        node: id of this node, used as a prefix of message ids so that they differ between nodes.
        wall: returns the time in Unix seconds.
    """

    __slots__ = ("_ids", "_node", "_wall")

    def __init__(self, node: str, wall: Callable[[], float]) -> None:
        self._node = node
        self._wall = wall
        self._ids = itertools.count(1)

    def new_id(self) -> str:
        """Return a new message id, which no other message of any node has."""
        return f"{self._node}-{next(self._ids):x}"

    def milliseconds(self) -> int:
        """Return the server's time in milliseconds since the Unix epoch, as messages carry it."""
        return int(self._wall() * 1000)

    def message(self, kind: str, payload: Any, *, reply_to: str | None = None) -> Message:
        """Build a message from the server.

        Args:
            kind: the message type.
            payload: the payload struct of that type.
            reply_to: id of the client's message that this message answers.
        """
        return Message(
            id=self.new_id(),
            type=kind,
            timestamp=self.milliseconds(),
            payload=payload,
            reply_to=reply_to,
        )

    def error(self, error: ProtocolError, *, reply_to: str | None = None) -> Message:
        """Build the ``error`` message that answers a client."""
        payload = catalog.Error(
            code=error.code[: limits.TYPE_LENGTH],
            message=error.message[: limits.TEXT_LENGTH],
            retry=error.retry,
            retry_after=error.retry_after,
            remaining=error.remaining,
            reset=error.reset,
        )
        return self.message("error", payload, reply_to=reply_to)

    def draft(self, kind: str, *, own_id: str | None = None, **fields: Any) -> Draft:
        """Build a publication that has no position yet.

        Args:
            kind: the message type with which clients receive it.
            own_id: message id chosen by the publisher; None for a new id.
            fields: further fields of :class:`~rtmon.hub.brokers.base.Draft`.
        """
        return Draft(type=kind, id=own_id or self.new_id(), timestamp=self.milliseconds(), **fields)


class BackgroundTasks:
    """Background tasks of a hub. The hub waits for them before it closes."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a background task."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Wait until all background tasks have ended."""
        await asyncio.gather(*self._tasks)


@dataclass(slots=True, kw_only=True, eq=False)
class HubContext:
    """Objects that all parts of a hub share.

    Attributes:
        options: the hub's options. :meth:`rtmon.hub.Hub.change` replaces them.
        broker: carries publications, keeps histories and presence.
        clock: returns monotonic seconds.
        wall: returns Unix seconds.
        node: id of this hub among the hubs that share its broker.
        messages: builds the server's messages.
        tasks: background tasks.
    """

    options: HubOptions
    broker: Broker
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    node: str = field(default_factory=lambda: secrets.token_hex(4))
    messages: MessageBuilder = field(init=False)
    tasks: BackgroundTasks = field(default_factory=BackgroundTasks)

    def __post_init__(self) -> None:
        self.messages = MessageBuilder(self.node, self.wall)

    def rule(self, key: str) -> ChannelOptions | None:
        """Return the options of a channel: those of the first pattern that matches it.

        Return None for a channel without options, for rooms and for the chat.
        """
        if not key.startswith("channel:"):
            return None
        name = key.removeprefix("channel:")
        rules = self.options.channels
        return next((rule for pattern, rule in rules.items() if matches(pattern, name)), None)

    def slow_policy(self, key: str, asked: Policy | None = None) -> Policy:
        """Return the policy for slow consumers of a channel, a room or the chat.

        Args:
            key: key of the channel, the room or the chat.
            asked: policy of a single publication; None if the publication has none.
        """
        if asked is not None:
            return asked
        rule = self.rule(key)
        return (rule and rule.slow) or self.options.slow

    def history_bounds(self, key: str) -> tuple[int, float]:
        """Return the maximum number and the maximum age, in seconds, of kept publications."""
        rule = self.rule(key)
        size = None if rule is None else rule.history
        age = None if rule is None else rule.history_age
        return (
            self.options.history if size is None else size,
            self.options.history_age if age is None else age,
        )
