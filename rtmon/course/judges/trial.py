"""A trial of the learner's code: a server for it, users with links that break, and a time limit."""

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
"""Seconds to wait for an operation that should be immediate; RTMON_COURSE_PATIENCE if more."""

_SMALL_BUFFER = 32_768
"""Bytes that the kernel keeps for a connection: a reader that does not read is felt early."""

Handler = Callable[[ServerConnection], Awaitable[Any]]
Result = TypeVar("Result")


class Broken(Exception):
    """A promise is broken; the message describes how."""


class Found:
    """The text about a kept promise; assign to :attr:`text`."""

    def __init__(self, text: str) -> None:
        self.text = text


class Trial:
    """The resources of a scenario; everything it starts ends with the trial.

    Attributes:
        patience: seconds to wait for an operation that should be immediate.
        raised: sentences about the first errors of the learner's code.
        interruption: why the trial was ended early; empty if it was not.

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
        """Try the next promise: it is kept unless the block raises :class:`Broken`."""
        if self._waiting[0] is not promise:
            raise ValueError(f"{promise.claim!r} is not the next promise")
        found = Found(promise.expected)
        yield found
        del self._waiting[0]
        self._facts.append(Fact(promise.claim, found.text, promise.expected, holds=True))

    def broke(self, found: str) -> None:
        """Note that the promise that is being tried is broken."""
        if self._waiting:
            promise = self._waiting.pop(0)
            if self.raised and self.raised[0] not in found:
                found += f"; {self.raised[0]}"
            self._facts.append(
                Fact(promise.claim, found, promise.expected, holds=False, hint=promise.hint)
            )

    def verdict(self) -> Verdict:
        """Return the findings, and the promises that were not tried."""
        rest = [Fact(each.claim, "", each.expected, holds=None) for each in self._waiting]
        return Verdict((*self._facts, *rest))

    async def enter(self, context: contextlib.AbstractAsyncContextManager[Result]) -> Result:
        """Enter a context that ends with the trial."""
        return await self._stack.enter_async_context(context)

    def defer(self, close: Callable[[], object]) -> None:
        """Call a function when the trial ends."""
        self._stack.callback(close)

    async def until(
        self,
        condition: Callable[[], object],
        broken: str | Callable[[], str],
        *,
        within: float | None = None,
    ) -> None:
        """Wait until a condition holds.

        Args:
            condition: asked again and again.
            broken: what has happened if it does not come to hold.
            within: seconds, at least; :attr:`patience` by default.

        Raises:
            Broken: it did not come to hold in time.
        """
        try:
            await until(condition, timeout=max(within or 0, self.patience))
        except TimeoutError:
            raise Broken(broken if isinstance(broken, str) else broken()) from None

    def make(self, code: Callable[..., Result], *args: Any, **options: Any) -> Result:
        """Call a function or class of the learner.

        Raises:
            Broken: it raised.
        """
        try:
            return code(*args, **options)
        except (Exception, BlockedLoop) as error:  # noqa: BLE001 - it raises anything
            raise Broken(f"`{_name(code)}` raised {describe_error(error)}") from None

    def start(self, code: Callable[..., Any], *args: Any) -> asyncio.Task[Any]:
        """Start a coroutine function of the learner as a task, which ends with the trial.

        Raises:
            Broken: it is no coroutine function, or raised at once.
        """
        made = _awaitable(code, self.make(code, *args))

        async def run() -> Any:
            return await made

        task = asyncio.create_task(run(), name="rtmon-judged")
        self._tasks.add(task)
        return task

    async def call(self, code: Callable[..., Any], *args: Any, within: float | None = None) -> Any:
        """Await a coroutine function of the learner, and return its result.

        Args:
            code: the function.
            args: its arguments.
            within: seconds, where these are part of what is promised; else :attr:`patience`.

        Raises:
            Broken: it raised, or did not return within so many seconds.
        """
        task = await self._finish(code, *args, within=self.patience if within is None else within)
        if (error := _error(task)) is not None:
            raise Broken(f"`{_name(code)}` raised {describe_error(error)}")
        return task.result()

    async def error(self, code: Callable[..., Any], *args: Any) -> BaseException | None:
        """Await a coroutine function of the learner, and return the error that it raised, if any.

        Raises:
            Broken: it did not return in time.
        """
        return _error(await self._finish(code, *args, within=self.patience))

    async def _finish(
        self, code: Callable[..., Any], *args: Any, within: float
    ) -> asyncio.Task[Any]:
        task = self.start(code, *args)
        await asyncio.wait([task], timeout=within)
        if not task.done():
            raise Broken(f"`{_name(code)}` had not returned after {within:g} s")
        self._tasks.discard(task)
        return task

    async def serve(self, handler: Handler) -> str:
        """Serve a handler of the learner with ``websockets``, and return the URL.

        Raises:
            Broken: it is no function.
        """
        if not callable(handler):
            raise Broken(f"{_short(handler)} was given, where an `async def` is asked for")

        async def watched(connection: ServerConnection) -> None:
            task = cast("asyncio.Task[None]", asyncio.current_task())
            self._tasks.add(task)
            try:
                await _awaitable(handler, handler(connection))
            except ConnectionClosed:
                pass  # as for every server, when a link is cut
            except (Exception, BlockedLoop) as error:  # noqa: BLE001 - it raises anything
                self._note(error)
                await connection.close(1011)
            finally:
                self._tasks.discard(task)

        return await self.enter(_serving(watched))

    async def listen(self, handler: Handler) -> str:
        """Serve a handler of the judge's own with ``websockets``, and return the URL."""
        return await self.enter(_serving(handler))

    def note_failure(self, task: asyncio.Task[Any], *, expected: type[Exception]) -> None:
        """Record an unexpected exception of a task of the learner."""
        error = _error(task)
        if isinstance(error, Exception) and not isinstance(error, expected):
            self._note(error)

    def _note(self, error: BaseException) -> None:
        if len(self.raised) < 10 and not isinstance(error, BlockedLoop):
            told = f"your code raised {describe_error(error)}"
            self.raised.append(str(error) if isinstance(error, Broken) else told)

    def require_nothing_raised(self) -> None:
        """Break the promise if the learner's code has raised.

        Raises:
            Broken: it has.
        """
        if self.raised:
            raise Broken(self.raised[0])

    async def proxy(self, upstream: str, **options: Any) -> FaultProxy:
        """Start a fault proxy with small buffers."""
        return await self.enter(FaultProxy(upstream, buffer=_SMALL_BUFFER, **options))

    async def end(self, scenario: asyncio.Task[None]) -> None:
        """End everything: the scenario, what it has started, and tasks that the learner left."""
        await cancel({scenario, *self._tasks})
        closing = asyncio.create_task(self._stack.aclose())
        await asyncio.wait([closing], timeout=4 * CLEAN_UP)
        await cancel({closing})
        await cancel(
            {task for task in asyncio.all_tasks() - self._before if is_learners_task(task)}
        )


@contextlib.asynccontextmanager
async def _serving(handler: Handler) -> AsyncIterator[str]:
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
    """Return the result of the learner's function.

    Raises:
        Broken: it cannot be awaited.
    """
    if not inspect.isawaitable(made):
        raise Broken(f"`{_name(code)}` returned {_short(made)} at once: is it an `async def`?")
    return made


def _error(task: asyncio.Task[Any]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def _name(code: object) -> str:
    return getattr(code, "__name__", None) or _short(code)


def _short(value: object) -> str:
    """Describe a value, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
