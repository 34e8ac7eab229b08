"""One trial of a learner's code: starts and stops the code, its server and fault proxies.

The trial also records which promises the code has kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ...lab.faults import FaultProxy
from ...testing import until
from ..time_limits import patience
from .learner_code_errors import BlockedLoop, describe_error, is_learners_task
from .task_cancellation import CLEAN_UP, cancel
from .verdict import Fact, Promise, Verdict

__all__ = ["PATIENCE", "Broken", "Found", "Handler", "Trial"]

PATIENCE = 5.0
"""Seconds to wait for an operation that should be immediate.
RTMON_COURSE_PATIENCE replaces this limit if its value is larger.
"""

_SMALL_BUFFER = 32_768
"""Socket buffer size in bytes.

With small buffers, the learner's code notices soon that a client does not read.
"""

Handler = Callable[[ServerConnection], Awaitable[Any]]
Result = TypeVar("Result")


class Broken(Exception):
    """Raised when the learner's code breaks a promise. The message says what the code did."""


class Found:
    """The text that the learner sees about a kept promise. A judge can assign to ``text``."""

    def __init__(self, text: str) -> None:
        self.text = text


class Trial:
    """One run of a judge: runs the learner's code, and records which promises the code keeps.

    Tasks, servers and proxies that are started with this object are stopped when the trial ends.

    Args:
        promises: the promises to test, in this order.

    Attributes:
        patience: seconds to wait for an operation that should be immediate.
        raised: one sentence for each of the first ten exceptions of the learner's code.
        interruption: why the trial was ended early; empty if it was not ended early.

    Raises:
        OptionError: RTMON_COURSE_PATIENCE is not a number.
    """

    def __init__(self, promises: Sequence[Promise]) -> None:
        self.patience = patience(PATIENCE)
        self._waiting = list(promises)
        self._facts: list[Fact] = []
        self._stack = contextlib.AsyncExitStack()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._before = asyncio.all_tasks()
        self.raised: list[str] = []
        self.interruption = ""

    @contextlib.contextmanager
    def promise(self, promise: Promise) -> Iterator[Found]:
        """Test the next promise in a ``with`` block.

        The promise is kept if the block ends without an exception. The block raises
        :class:`Broken` if the promise is broken.
        """
        if self._waiting[0] is not promise:
            raise ValueError(f"{promise.claim!r} is not the next promise")
        found = Found(promise.expected)
        yield found
        del self._waiting[0]
        self._facts.append(Fact(promise.claim, found.text, promise.expected, holds=True))

    def broke(self, found: str) -> None:
        """Record that the current promise is broken.

        Args:
            found: a sentence about what the learner's code did.
        """
        if self._waiting:
            promise = self._waiting.pop(0)
            if self.raised and self.raised[0] not in found:
                found += f"; {self.raised[0]}"
            self._facts.append(
                Fact(promise.claim, found, promise.expected, holds=False, hint=promise.hint)
            )

    def verdict(self) -> Verdict:
        """Return the verdict: one fact for each promise, including promises not tested."""
        rest = [Fact(each.claim, "", each.expected, holds=None) for each in self._waiting]
        return Verdict((*self._facts, *rest))

    async def enter(self, context: contextlib.AbstractAsyncContextManager[Result]) -> Result:
        """Enter an async context manager, which is exited when the trial ends."""
        return await self._stack.enter_async_context(context)

    def defer(self, close: Callable[[], object]) -> None:
        """Register a function that is called when the trial ends."""
        self._stack.callback(close)

    async def until(
        self,
        condition: Callable[[], object],
        broken: str | Callable[[], str],
        *,
        within: float | None = None,
    ) -> None:
        """Wait until a condition is true.

        Args:
            condition: a function, called repeatedly until it returns a true value.
            broken: message of the exception, or a function that returns this message.
            within: time limit in seconds. If :attr:`patience` is larger, or ``within`` is None, the
                time limit is :attr:`patience`.

        Raises:
            Broken: the condition was not true within the time limit.
        """
        try:
            await until(condition, timeout=max(within or 0, self.patience))
        except TimeoutError:
            raise Broken(broken if isinstance(broken, str) else broken()) from None

    def make(self, code: Callable[..., Result], *args: Any, **options: Any) -> Result:
        """Call a function or class of the learner, and return the result.

        Raises:
            Broken: the learner's code raised an exception.
        """
        try:
            return code(*args, **options)
        except (Exception, BlockedLoop) as error:  # noqa: BLE001 - it raises anything
            raise Broken(f"`{_name(code)}` raised {describe_error(error)}") from None

    def start(self, code: Callable[..., Any], *args: Any) -> asyncio.Task[Any]:
        """Start a learner's coroutine function as a task, which is cancelled after the trial.

        Raises:
            Broken: ``code`` is no coroutine function, or the call raised an exception.
        """
        made = _awaitable(code, self.make(code, *args))

        async def run() -> Any:
            return await made

        task = asyncio.create_task(run(), name="rtmon-judged")
        self._tasks.add(task)
        return task

    async def call(self, code: Callable[..., Any], *args: Any, within: float | None = None) -> Any:
        """Run a coroutine function of the learner, and return its result.

        Args:
            code: the learner's coroutine function.
            args: arguments for the function.
            within: time limit in seconds, if the promise names one; :attr:`patience` by default.

        Raises:
            Broken: the function raised an exception, or did not return within the time limit.
        """
        task = await self._finish(code, *args, within=self.patience if within is None else within)
        if (error := _error(task)) is not None:
            raise Broken(f"`{_name(code)}` raised {describe_error(error)}")
        return task.result()

    async def error(self, code: Callable[..., Any], *args: Any) -> BaseException | None:
        """Run a coroutine function of the learner that has to raise, and return the exception.

        Returns None if the function returned without an exception.

        Raises:
            Broken: the function did not end within :attr:`patience` seconds.
        """
        return _error(await self._finish(code, *args, within=self.patience))

    async def _finish(
        self, code: Callable[..., Any], *args: Any, within: float
    ) -> asyncio.Task[Any]:
        """Run a coroutine function of the learner to its end, and return the finished task."""
        task = self.start(code, *args)
        await asyncio.wait([task], timeout=within)
        if not task.done():
            raise Broken(f"`{_name(code)}` had not returned after {within:g} s")
        self._tasks.discard(task)
        return task

    async def serve(self, handler: Handler) -> str:
        """Start a WebSocket server with the learner's handler, and return the server's URL.

        Raises:
            Broken: ``handler`` is not callable.
        """
        if not callable(handler):
            raise Broken(f"{_short(handler)} was given, where an `async def` is asked for")

        async def watched(connection: ServerConnection) -> None:
            task = cast("asyncio.Task[None]", asyncio.current_task())
            self._tasks.add(task)
            try:
                await _awaitable(handler, handler(connection))
            except ConnectionClosed:
                pass  # This is normal for a handler whose connection was cut.
            except (Exception, BlockedLoop) as error:  # noqa: BLE001 - it raises anything
                self._note(error)
                await connection.close(1011)
            finally:
                self._tasks.discard(task)

        return await self.enter(_serving(watched))

    async def listen(self, handler: Handler) -> str:
        """Start a WebSocket server with a handler of the judge, and return the server's URL."""
        return await self.enter(_serving(handler))

    def note_failure(self, task: asyncio.Task[Any], *, expected: type[Exception]) -> None:
        """Record the exception of a learner's task, unless it is of the expected type."""
        error = _error(task)
        if isinstance(error, Exception) and not isinstance(error, expected):
            self._note(error)

    def _note(self, error: BaseException) -> None:
        """Add a sentence about an exception to :attr:`raised`, up to ten sentences."""
        if len(self.raised) < 10 and not isinstance(error, BlockedLoop):
            told = f"your code raised {describe_error(error)}"
            self.raised.append(str(error) if isinstance(error, Broken) else told)

    def require_nothing_raised(self) -> None:
        """Check that no exception of the learner's code has been recorded.

        Raises:
            Broken: the learner's code has raised an exception.
        """
        if self.raised:
            raise Broken(self.raised[0])

    async def proxy(self, upstream: str, **options: Any) -> FaultProxy:
        """Start a fault proxy with small buffers in front of the server at the URL ``upstream``."""
        return await self.enter(FaultProxy(upstream, buffer=_SMALL_BUFFER, **options))

    async def end(self, scenario: asyncio.Task[None]) -> None:
        """Stop the trial.

        Cancel the scenario, close all servers and proxies, and cancel the learner's tasks that
        still run.
        """
        await cancel({scenario, *self._tasks})
        closing = asyncio.create_task(self._stack.aclose())
        await asyncio.wait([closing], timeout=4 * CLEAN_UP)
        await cancel({closing})
        await cancel(
            {task for task in asyncio.all_tasks() - self._before if is_learners_task(task)}
        )


@contextlib.asynccontextmanager
async def _serving(handler: Handler) -> AsyncIterator[str]:
    """Run a WebSocket server with small socket buffers; yields the server's URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL_BUFFER)
    options: dict[str, Any] = {"compression": None, "ping_interval": None}
    server = await serve(handler, sock=listener, close_timeout=CLEAN_UP / 2, **options)
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for connection in server.connections:
            connection.transport.abort()
        server.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), CLEAN_UP)


def _awaitable(code: Callable[..., Any], made: Any) -> Awaitable[Any]:
    """Return ``made``, the result of calling the learner's function, if it can be awaited.

    Raises:
        Broken: the result cannot be awaited, so the function is no ``async def``.
    """
    if not inspect.isawaitable(made):
        raise Broken(f"`{_name(code)}` returned {_short(made)} at once: is it an `async def`?")
    return made


def _error(task: asyncio.Task[Any]) -> BaseException | None:
    """Return the exception with which a task ended; None if it returned."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def _name(code: object) -> str:
    """Return the name of a learner's function, for error messages."""
    return getattr(code, "__name__", None) or _short(code)


def _short(value: object) -> str:
    """Return the repr of a value, truncated to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
