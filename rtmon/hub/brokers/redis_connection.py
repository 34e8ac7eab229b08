"""A node's line to Redis: commands in order, what others publish, and coming back after a loss.

Two connections of redis-py, used as such: its clients reconnect and repeat commands by themselves,
and here it matters what was lost meanwhile and that nothing is done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, NamedTuple, Protocol

from ...core.backoff import Backoff
from ...errors import MissingExtra, OptionError, ProtocolError
from ...protocol import limits
from .redis_scripts import SCRIPTS

try:
    from redis.asyncio import Connection, ConnectionPool
    from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError
except ImportError:
    raise MissingExtra("The Redis broker", "redis", "redis") from None

__all__ = ["ConnectionListener", "RedisConnection", "unavailable"]

logger = logging.getLogger("rtmon.hub")

_BATCH = 500
"""Commands written at once."""

_REASON = 200
"""Characters kept of why Redis is away."""

_DIGESTS = {
    name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    for name, text in SCRIPTS.items()
}
"""What Redis calls each script."""


class ConnectionListener(Protocol):
    """What a line calls."""

    async def begin(self) -> None:
        """It has been connected: learn what was missed. Commands may be given already."""

    async def message(self, data: bytes) -> None:
        """Somebody published this."""

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
        url: ``redis://``, ``rediss://`` or ``unix://``, as redis-py takes it.
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

    Raises:
        OptionError: the address is none.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        timeout: float,
        interval: float,
        backoff: Backoff,
        listener: ConnectionListener,
    ) -> None:
        try:
            self._pool = ConnectionPool.from_url(url, protocol=2, decode_responses=False)
        except (ValueError, TypeError):
            # The address may hold a password: it is not repeated.
            raise OptionError(
                "The address of Redis is none: give redis://host:6379/0, rediss:// for TLS, or "
                "unix:///path."
            ) from None
        known = self._pool.connection_kwargs
        if known["protocol"] != 2 or known["decode_responses"]:
            raise OptionError(
                "The address of Redis has options that say how to speak with it: leave out "
                "protocol and decode_responses."
            )
        known["socket_timeout"] = None  # how long an answer may take is watched here
        host, port = known.get("host", "localhost"), known.get("port", 6379)
        self.where: str = known.get("path") or f"{host}:{port}"
        self.linked = False
        self.state: Literal["new", "up", "away"] = "new"
        self.prefix = f"{prefix}:{known.get('db') or 0}:"
        self._timeout, self._interval = timeout, interval
        self._backoff, self._listener = backoff, listener
        self._queue: deque[_Command] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._heard = 0.0
        self._closed = False

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
        if self.state == "new":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await self._changed.wait()
        if self.state != "up":
            raise unavailable()
        if len(self._queue) >= limits.BROKER_QUEUE:
            raise ProtocolError(
                "overloaded", "More is published than Redis takes: wait a little.", retry=True
            )

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
        failures = 0
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
            failures = 1 if self.state == "up" else failures + 1
            self.linked, self.state = False, "away"
            self._refuse()
            self._listener.ended(reason)
            self._changed.set()
            await asyncio.sleep(self._backoff.delay(failures, random.Random()) or 0.0)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Connection, Connection]]:
        make: Callable[[], Connection] = self._pool.make_connection
        commands, messages = make(), make()
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
                raise  # it is a replica now: another connection may find who leads
            except ResponseError as error:
                # Such as being out of memory; where it was asked does not matter.
                logger.error("Redis refuses: %s", str(error)[:_REASON])  # noqa: TRY400
                _settle(command.answer, error=unavailable())
            else:
                _settle(command.answer, answer)
        if forgotten:
            # What was not run has no answer, and is asked again.
            await self._load(connection)

    def _refuse(self) -> None:
        while self._queue:
            _settle(self._queue.popleft().answer, error=unavailable())

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


def unavailable() -> ProtocolError:
    """What is raised while Redis is away."""
    return ProtocolError(
        "unavailable",
        "The servers cannot reach each other for now: send this again later, with the same id.",
        retry=True,
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
        answer.exception()  # whoever waits is told; if nobody does any more, nobody need complain


def _first(errors: BaseException) -> str:
    """What went wrong, in one line."""
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return f"{type(errors).__name__}: {errors}"[:_REASON]
