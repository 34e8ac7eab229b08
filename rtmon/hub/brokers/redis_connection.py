"""A node's connection to Redis: ordered commands, messages of other nodes, and reconnecting.

This module uses two low-level connections of redis-py. The clients of redis-py would reconnect and
repeat commands by themselves. The broker, however, must know which messages were lost, and must not
run a command twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import math
import random
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Literal, NamedTuple, Protocol

from redis.asyncio import Connection
from redis.exceptions import (
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from ...core.backoff import Backoff
from ...core.circuit_breaker import CircuitBreaker
from ...core.log_rate_limit import LogLimit
from ...errors import ProtocolError
from ...protocol import limits
from .redis_address import RedisAddress
from .redis_scripts import SCRIPTS

__all__ = ["ConnectionListener", "RedisConnection", "unavailable"]

logger = logging.getLogger("rtmon.hub")

_BATCH = 500
"""Maximum number of commands written at once, or of messages read before other tasks run."""

_REASON = 200
"""Maximum number of characters of an error text from Redis that is repeated."""

_FULL = Backoff(base=0.1, max=5.0)
"""Delays before the next write, after Redis has refused a write because it is full."""

_DIGESTS = {
    name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    for name, text in SCRIPTS.items()
}
"""Script name → SHA-1 digest by which Redis runs the script."""


_WRITES = {_DIGESTS[name] for name in ("publish", "tell", "join")}
"""Digests of scripts that Redis refuses while its memory is full."""


class ConnectionListener(Protocol):
    """Callbacks of a :class:`RedisConnection`."""

    async def begin(self) -> None:
        """Called when the connection is established, to catch up. Commands can already be sent."""

    async def message(self, data: bytes) -> None:
        """Called with each message that a node has published."""

    async def beat(self) -> None:
        """Called periodically while connected."""

    def ended(self, reason: str) -> None:
        """Called when the connection has ended or could not be established."""


class _Command(NamedTuple):
    """A command for Redis, and the future that receives its reply."""

    words: tuple[Any, ...]
    answer: asyncio.Future[Any]


class RedisConnection:
    """The two connections of a node to Redis: one for commands, one for messages.

    One task keeps them open.

    Args:
        address: address of the Redis server.
        prefix: prefix of all keys. The database number is appended, because Redis delivers PUBLISH
            to the subscribers of all databases.
        timeout: seconds that a reply may take, and that Redis may be silent.
        interval: seconds between calls of the listener's ``beat``.
        backoff: delays between attempts to connect.
        listener: receives messages and changes of the state.

    Attributes:
        prefix: prefix of all keys, including the database number.
        where: address without user, password and options.
        linked: True if commands can reach Redis.
        state: ``new`` before the first attempt; ``up`` once connected and caught up; else ``away``.
        full: circuit breaker that blocks writes while Redis is full or cannot save to disk.
    """

    def __init__(
        self,
        address: RedisAddress,
        *,
        prefix: str,
        timeout: float,
        interval: float,
        backoff: Backoff,
        listener: ConnectionListener,
    ) -> None:
        self._address = address
        self.where = address.where
        self.linked = False
        self.state: Literal["new", "up", "away"] = "new"
        self.prefix = f"{prefix}:{address.database}:"
        self.full = CircuitBreaker(_FULL)
        self._timeout, self._interval = timeout, interval
        self._backoff, self._listener = backoff, listener
        self._queue: deque[_Command] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._heard = 0.0
        self._closed = False
        self._entering = 0
        self._failures = 0
        self._next_attempt = 0.0
        self._refusals = LogLimit()

    def start(self) -> None:
        """Start the task that keeps both connections open, unless that task is running."""
        loop = asyncio.get_running_loop()
        self._closed = False
        if self._task is not None and self._task.get_loop() is loop and not self._task.done():
            return
        self.state = "new"
        self._queue.clear()
        self._wake, self._changed = asyncio.Event(), asyncio.Event()
        self._task = loop.create_task(self._run())

    def ensure(self) -> None:
        """Call :meth:`start`, unless the connection was closed."""
        if not self._closed:
            self.start()

    async def aclose(self) -> None:
        """Close the connection. Commands without a reply fail."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._closed, self.linked, self.state = True, False, "away"
        self._refuse()

    async def ready(self) -> None:
        """Wait until the first attempt to connect has ended. Return if commands may be queued.

        Raises:
            ProtocolError: Redis cannot be reached (``unavailable``), or the queue is full because
                commands are added faster than Redis executes them (``overloaded``).
        """
        self.ensure()
        if self.state == "new" or self._entering:
            await self._enter()
        if self.state != "up":
            raise self.unavailable()
        if len(self._queue) >= limits.BROKER_QUEUE:
            raise ProtocolError(
                "overloaded", "More is published than Redis takes: wait a little.", retry=True
            )

    async def _enter(self) -> None:
        """Wait for the first attempt to connect, and let callers that came earlier go first."""
        self._entering += 1
        try:
            if self.state == "new":
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._timeout):
                        await self._changed.wait()
            else:
                # Let callers that came earlier continue first, so that publications keep their
                # order.
                await asyncio.sleep(0)
        finally:
            self._entering -= 1

    def unavailable(self) -> ProtocolError:
        """Return the error to raise while Redis cannot be reached, with the time until a retry."""
        left = self._next_attempt - asyncio.get_running_loop().time()
        # While an attempt is running, estimate its end by the current backoff delay.
        return unavailable(max(left, self._backoff.bound(max(1, self._failures)) / 2))

    def ask(self, script: str, *arguments: Any) -> asyncio.Future[Any]:
        """Run a script after all commands queued before. Returns a future of its reply.

        This method never refuses a command, so that commands which maintain the connection always
        run. Other callers await :meth:`ready` first, which raises an error if the queue is full.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append(_Command(("EVALSHA", _DIGESTS[script], 0, *arguments), answer))
        self._wake.set()
        return answer

    async def _run(self) -> None:
        """Connect, serve until the connection ends, wait, and repeat."""
        self._failures = 0
        while True:
            reason = "the connection ended"
            try:
                async with self._connected() as (commands, messages):
                    await self._serve(commands, messages)
            except* (RedisError, OSError, ProtocolError) as errors:
                reason = _first(errors)
            except* Exception as errors:
                logger.exception("the line to Redis failed")
                reason = _first(errors)
            self._failures = 1 if self.state == "up" else self._failures + 1
            delay = self._backoff.delay(self._failures, random.Random()) or 0.0
            self._next_attempt = asyncio.get_running_loop().time() + delay
            self.linked, self.state = False, "away"
            self._refuse()
            self._listener.ended(reason)
            self._changed.set()
            await asyncio.sleep(delay)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Connection, Connection]]:
        """Open both connections: load the scripts on one, subscribe to messages on the other."""
        commands, messages = self._address.connection(), self._address.connection()
        try:
            async with asyncio.timeout(self._timeout):
                await commands.connect()  # type: ignore[no-untyped-call]
                await self._load(commands)
                await messages.connect()  # type: ignore[no-untyped-call]
                await messages.send_command("SUBSCRIBE", f"{self.prefix}all")
                await messages.read_response()
            yield commands, messages
        finally:
            for connection in (commands, messages):
                await connection.disconnect(nowait=True)

    async def _serve(self, commands: Connection, messages: Connection) -> None:
        """Run the tasks that use both connections, until one of them fails."""
        self._heard = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._command(commands))
            group.create_task(self._listen(messages))
            group.create_task(self._ping(messages))
            group.create_task(self._beat())

    async def _load(self, connection: Connection) -> None:
        """Load all scripts into Redis."""
        for text in SCRIPTS.values():
            await connection.send_command("SCRIPT", "LOAD", text)
            await connection.read_response()

    # Commands

    async def _command(self, connection: Connection) -> None:
        """Send queued commands in batches."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
                try:
                    async with asyncio.timeout(self._timeout):
                        await self._ask(connection, batch)
                finally:
                    # Commands without a reply return to the front of the queue. They are sent
                    # again, or fail with all other queued commands if the connection has ended.
                    self._queue.extendleft(c for c in reversed(batch) if not c.answer.done())

    async def _ask(self, connection: Connection, batch: list[_Command]) -> None:
        """Send a batch of commands, and read their replies."""
        packed = connection.pack_commands([command.words for command in batch])
        await connection.send_packed_command(packed, check_health=False)
        forgotten = False
        for command in batch:
            try:
                answer = await connection.read_response(disable_decoding=True)
            except NoScriptError:
                forgotten = True
            except ReadOnlyError:
                raise  # after a failover, a new connection may find the primary
            except ResponseError as error:
                _settle(command.answer, error=self._refused(error))
            else:
                if self.full.open and command.words[1] in _WRITES:
                    self.full.succeeded()
                _settle(command.answer, answer)
        if forgotten:
            # Commands whose script was unknown have no reply, and are sent again.
            await self._load(connection)

    def _refused(self, error: ResponseError) -> ProtocolError:
        """Return the error for a command that Redis has refused, and log the reason."""
        now = asyncio.get_running_loop().time()
        # With full memory, or if it cannot save to disk, Redis refuses all writes.
        if isinstance(error, OutOfMemoryError) or str(error).startswith("MISCONF"):
            self.full.failed(now)
        more = self._refusals.take(now)
        if more is not None:
            logger.error("Redis refuses: %s%s", str(error)[:_REASON], more)
        return unavailable(self.full.wait(now))

    def _refuse(self) -> None:
        """Fail all queued commands."""
        while self._queue:
            _settle(self._queue.popleft().answer, error=self.unavailable())

    # Messages

    async def _listen(self, connection: Connection) -> None:
        """Call the listener's ``begin``, then pass it each message that a node publishes."""
        loop = asyncio.get_running_loop()
        self.linked = True
        await self._listener.begin()
        self.state = "up"
        self._changed.set()
        while True:
            for _ in range(_BATCH):
                self._heard = loop.time()
                kind, *_, data = await connection.read_response(disable_decoding=True)
                self._heard = float("inf")  # this node is busy, so Redis does not count as silent
                if kind == b"message":
                    await self._listener.message(data)
            self._heard = loop.time()
            # Let other tasks run, because reading messages from the buffer does not suspend.
            await asyncio.sleep(0)

    async def _ping(self, connection: Connection) -> None:
        """Ping Redis periodically. Raise TimeoutError if Redis sends nothing in time."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._timeout / 3)
            if loop.time() - self._heard > self._timeout:
                raise TimeoutError(f"nothing was heard for {self._timeout:g} seconds")
            async with asyncio.timeout(self._timeout):
                await connection.send_command("PING", check_health=False)

    async def _beat(self) -> None:
        """Call the listener's ``beat`` periodically."""
        while True:
            await asyncio.sleep(self._interval)
            if self.state == "up":
                await self._listener.beat()


def unavailable(retry_after: float = 0.0) -> ProtocolError:
    """Return the error to raise while Redis cannot be reached or is full.

    Args:
        retry_after: minimum seconds before a retry; 0 if unknown.
    """
    return ProtocolError(
        "unavailable",
        "The servers cannot reach each other for now: send this again later, with the "
        "same id if it has one.",
        retry=True,
        retry_after=math.ceil(retry_after * 1000) / 1000 or None,
    )


def _settle(
    answer: asyncio.Future[Any], value: Any = None, *, error: Exception | None = None
) -> None:
    """Set the result or the exception of a future that is not done."""
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)
        answer.exception()  # else asyncio warns if no caller waits for it


def _first(errors: BaseException) -> str:
    """Return the first exception of a group as one line of text."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return f"{type(errors).__name__}: {errors}"[:_REASON]
