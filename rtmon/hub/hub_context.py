"""What all parts of a hub share: options, clocks, ids, messages, the broker, background tasks."""

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
    """Makes the server's messages, with ids and timestamps.

    Args:
        node: prefix of the ids, different for each node.
        wall: Unix seconds.
    """

    __slots__ = ("_ids", "_node", "_wall")

    def __init__(self, node: str, wall: Callable[[], float]) -> None:
        self._node = node
        self._wall = wall
        self._ids = itertools.count(1)

    def new_id(self) -> str:
        """Return an id that no other message of this node has."""
        return f"{self._node}-{next(self._ids):x}"

    def milliseconds(self) -> int:
        """Return the server's time as messages carry it: milliseconds since the Unix epoch."""
        return int(self._wall() * 1000)

    def message(self, kind: str, payload: Any, *, reply_to: str | None = None) -> Message:
        """Build a message of the server.

        Args:
            kind: the message type.
            payload: of that type.
            reply_to: the id of the message that this one answers.
        """
        return Message(
            id=self.new_id(),
            type=kind,
            timestamp=self.milliseconds(),
            payload=payload,
            reply_to=reply_to,
        )

    def error(self, error: ProtocolError, *, reply_to: str | None = None) -> Message:
        """Build the message that tells a client of an error."""
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
            kind: the message type it is delivered as.
            own_id: the publisher's id for it; a new id if None.
            fields: further fields of :class:`~rtmon.hub.brokers.base.Draft`.
        """
        return Draft(type=kind, id=own_id or self.new_id(), timestamp=self.milliseconds(), **fields)


class BackgroundTasks:
    """Tasks that run beside the connections, and end before the hub does."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Wait until all tasks have ended."""
        await asyncio.gather(*self._tasks)


@dataclass(slots=True, kw_only=True, eq=False)
class HubContext:
    """What the parts of a hub share.

    Attributes:
        options: the hub's options; replaced by :meth:`rtmon.hub.Hub.change`.
        broker: publishes, keeps histories and presence.
        clock: monotonic seconds.
        wall: Unix seconds.
        node: id of this hub among those that share its broker.
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
        """Return the options of a channel; None for rooms, the chat, and all other channels."""
        if not key.startswith("channel:"):
            return None
        name = key.removeprefix("channel:")
        rules = self.options.channels
        return next((rule for pattern, rule in rules.items() if matches(pattern, name)), None)

    def slow_policy(self, key: str, asked: Policy | None = None) -> Policy:
        """Return the policy for slow consumers of a place.

        Args:
            key: the place.
            asked: the policy of a single publication; None for the place's.
        """
        if asked is not None:
            return asked
        rule = self.rule(key)
        return (rule and rule.slow) or self.options.slow

    def history_bounds(self, key: str) -> tuple[int, float]:
        """Return how many publications of a place are kept, and for how many seconds."""
        rule = self.rule(key)
        size = None if rule is None else rule.history
        age = None if rule is None else rule.history_age
        return (
            self.options.history if size is None else size,
            self.options.history_age if age is None else age,
        )
