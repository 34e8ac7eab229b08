"""A node's line to Redis: commands in order, what others publish, and coming back after a loss.

Two connections of redis-py, used as such: its clients reconnect and repeat commands by themselves,
and here it matters what was lost meanwhile and that nothing is done twice.
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
from .redis_address import Address
from .redis_scripts import SCRIPTS

__all__ = ["ConnectionListener", "RedisConnection", "unavailable"]

logger = logging.getLogger("rtmon.hub")

_BATCH = 500
"""Commands written at once."""

_REASON = 200
"""Characters kept of why Redis is away."""

_FULL = Backoff(base=0.1, max=5.0)
"""How long writes are held off after Redis has refused one because it is full."""

_DIGESTS = {
    name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    for name, text in SCRIPTS.items()
}
"""What Redis calls each script."""


_WRITES = {_DIGESTS[name] for name in ("publish", "tell", "join")}
"""Scripts that Redis runs only if it is not full."""


class ConnectionListener(Protocol):
    """What a line calls."""

    async def begin(self) -> None:
        """It has been connected: learn what was missed. Commands may be given already."""

    async def message(self, data: bytes) -> None:
        """Take what a node has published."""

    async def beat(self) -> None:
        """Time has passed."""

    def ended(self, reason: str) -> None:
        """It is connected no more, or could not be."""


class _Command(NamedTuple):
    """What was asked, and where the answer goes."""

    words: tuple[Any, ...]
    answer: asyncio.Future[Any]


class RedisConnection:
    """Both connections, kept up by one task.

    Args:
        address: where Redis is.
        prefix: of all keys; the database's number is put behind it, because what is published
            in one database is heard in all.
        timeout: seconds that an answer may take, and that Redis may be silent.
        interval: seconds between beats.
        backoff: how long to wait before the next attempt.
        listener: what is called.

    Attributes:
        prefix: the whole of it.
        where: the address, without user, password and options.
        linked: whether what is asked reaches Redis.
        state: ``up`` once all that was missed is known, too.
        full: holds off writes while Redis refuses them because it is full.
    """

    def __init__(
        self,
        address: Address,
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
        """Keep it up on the running loop, unless that is done already."""
        loop = asyncio.get_running_loop()
        self._closed = False
        if self._task is not None and self._task.get_loop() is loop and not self._task.done():
            return
        self.state = "new"
        self._queue.clear()
        self._wake, self._changed = asyncio.Event(), asyncio.Event()
        self._task = loop.create_task(self._run())

    def ensure(self) -> None:
        """Keep it up, unless it has been closed."""
        if not self._closed:
            self.start()

    async def aclose(self) -> None:
        """End it; what is still asked is refused."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._closed, self.linked, self.state = True, False, "away"
        self._refuse()

    async def ready(self) -> None:
        """Wait until the first attempt has succeeded or failed.

        Raises:
            ProtocolError: Redis is away, or too much waits for it.
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
        """Wait for the first attempt, and for callers that have waited longer."""
        self._entering += 1
        try:
            if self.state == "new":
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._timeout):
                        await self._changed.wait()
            else:
                await asyncio.sleep(0)  # what was published first is asked first
        finally:
            self._entering -= 1

    def unavailable(self) -> ProtocolError:
        """Return the error to raise while Redis is away; it says when to try again."""
        left = self._next_attempt - asyncio.get_running_loop().time()
        # An attempt that is under way takes longer the longer Redis has been away.
        return unavailable(max(left, self._backoff.bound(max(1, self._failures)) / 2))

    def ask(self, script: str, *arguments: Any) -> asyncio.Future[Any]:
        """Have a script run, after all that was asked before.

        What others ask for waits until the line is :meth:`ready`, which bounds how much that is;
        what the line itself lives on is never refused.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append(_Command(("EVALSHA", _DIGESTS[script], 0, *arguments), answer))
        self._wake.set()
        return answer

    async def _run(self) -> None:
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
        self._heard = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._command(commands))
            group.create_task(self._listen(messages))
            group.create_task(self._ping(messages))
            group.create_task(self._beat())

    async def _load(self, connection: Connection) -> None:
        for text in SCRIPTS.values():
            await connection.send_command("SCRIPT", "LOAD", text)
            await connection.read_response()

    # Commands

    async def _command(self, connection: Connection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
                try:
                    async with asyncio.timeout(self._timeout):
                        await self._ask(connection, batch)
                finally:
                    # What has no answer yet is asked first, or refused with all else that waits.
                    self._queue.extendleft(c for c in reversed(batch) if not c.answer.done())

    async def _ask(self, connection: Connection, batch: list[_Command]) -> None:
        packed = connection.pack_commands([command.words for command in batch])
        await connection.send_packed_command(packed, check_health=False)
        forgotten = False
        for command in batch:
            try:
                answer = await connection.read_response(disable_decoding=True)
            except NoScriptError:
                forgotten = True
            except ReadOnlyError:
                raise  # it is a replica now: another connection may find the primary
            except ResponseError as error:
                _settle(command.answer, error=self._refused(error))
            else:
                if self.full.open and command.words[1] in _WRITES:
                    self.full.succeeded()
                _settle(command.answer, answer)
        if forgotten:
            # What was not run has no answer, and is asked again.
            await self._load(connection)

    def _refused(self, error: ResponseError) -> ProtocolError:
        """Note that Redis has refused a command, such as for want of memory."""
        now = asyncio.get_running_loop().time()
        # A full memory, and a disk to which it cannot save, refuse the writes of all.
        if isinstance(error, OutOfMemoryError) or str(error).startswith("MISCONF"):
            self.full.failed(now)
        more = self._refusals.take(now)
        if more is not None:
            logger.error("Redis refuses: %s%s", str(error)[:_REASON], more)
        return unavailable(self.full.wait(now))

    def _refuse(self) -> None:
        while self._queue:
            _settle(self._queue.popleft().answer, error=self.unavailable())

    # Messages

    async def _listen(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self.linked = True
        await self._listener.begin()
        self.state = "up"
        self._changed.set()
        while True:
            for _ in range(_BATCH):
                self._heard = loop.time()
                kind, *_, data = await connection.read_response(disable_decoding=True)
                self._heard = float("inf")  # it is not silent: we are busy
                if kind == b"message":
                    await self._listener.message(data)
            self._heard = loop.time()
            await asyncio.sleep(0)  # what has arrived already is read without a pause

    async def _ping(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._timeout / 3)
            if loop.time() - self._heard > self._timeout:
                raise TimeoutError(f"nothing was heard for {self._timeout:g} seconds")
            async with asyncio.timeout(self._timeout):
                await connection.send_command("PING", check_health=False)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            if self.state == "up":
                await self._listener.beat()


def unavailable(retry_after: float = 0.0) -> ProtocolError:
    """Return the error to raise while Redis is away or full.

    Args:
        retry_after: seconds to wait at least; 0 if that is not known.
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
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)
        answer.exception()  # else asyncio warns when no caller waits any more


def _first(errors: BaseException) -> str:
    """What went wrong, in one line."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return f"{type(errors).__name__}: {errors}"[:_REASON]
