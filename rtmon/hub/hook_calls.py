"""Calls of the application's hooks and checks, with a timeout and reports of failures."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from ..core.log_rate_limit import LogLimit
from ..errors import OptionError, ProtocolError
from .hub_context import HubContext

__all__ = ["HookCalls", "HookFailed", "HookFunction", "checked_function", "failed_answer"]

HookFunction: TypeAlias = Callable[..., Any]
"""A function or coroutine function of the application that is registered as a hook or check."""

logger = logging.getLogger("rtmon.hub")


class HookFailed(Exception):
    """A hook or check of the application timed out, was cancelled or returned an invalid value."""


class HookCalls:
    """Calls the functions that the application registered as hooks and checks.

    Args:
        context: the hub's shared context.

    Attributes:
        failures: hook → number of its failures.
        report: called with a short title and a sentence when a hook has failed; None if nothing is
            to be reported.
    """

    def __init__(self, context: HubContext) -> None:
        self.failures: dict[str, int] = {}
        self.report: Callable[[str, str], object] | None = None
        self._context = context
        self._limits: dict[str, LogLimit] = {}

    async def call(self, function: HookFunction, *arguments: Any) -> Any:
        """Call a function and await its result, for at most ``hook_timeout`` seconds.

        Args:
            function: a function or coroutine function of the application.
            arguments: positional arguments of the call.

        Raises:
            HookFailed: the call timed out, or was cancelled by something other than this hub.
            Exception: any exception that the function raises.
        """
        try:
            result = function(*arguments)
        except asyncio.CancelledError:
            raise HookFailed("it was cancelled") from None
        if not inspect.isawaitable(result):
            return result
        # Run the function as a separate task. If the function ignores its cancellation, the hub can
        # still go on with the client's next message.
        task = asyncio.ensure_future(result)
        task.add_done_callback(_retrieve)
        timeout = self._context.options.hook_timeout
        try:
            await asyncio.wait({task}, timeout=timeout)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            task.cancel()
            raise HookFailed(f"it took longer than {timeout:g} s")
        if task.cancelled():
            raise HookFailed("it was cancelled")
        return task.result()

    def failed(self, hook: str, function: HookFunction | None, error: Exception) -> None:
        """Count a failure of a hook. Log and report it at most once a minute for each function.

        Args:
            hook: the name of the hook, such as ``on_join``.
            function: the function that failed; None if no function of the hook was called.
            error: the exception.
        """
        self.failures[hook] = self.failures.get(hook, 0) + 1
        where = hook if function is None else f"{hook} ({_name(function)})"
        more = self._limits.setdefault(where, LogLimit()).take(self._context.clock())
        if more is None:
            return
        raised = None if isinstance(error, HookFailed) else error
        logger.error("%s failed: %s%s", where, _words(error), more, exc_info=raised)
        if self.report is not None:
            try:
                self.report("hook failed", f"{where}: {_words(error)}{more}")
            except Exception:
                logger.exception("the report of a failed hook failed")


def failed_answer() -> ProtocolError:
    """Return the error that a client is sent when a hook fails. It reveals no internal details."""
    return ProtocolError(
        "internal", "The server failed to handle this message. The error was logged.", retry=True
    )


def checked_function(hook: str, function: Any, parameters: str) -> HookFunction:
    """Check that a function can be called with a hook's parameters. Returns the function.

    Args:
        hook: the name of the hook.
        function: the function of the application.
        parameters: the hook's parameter names, such as ``client, room``.

    Raises:
        OptionError: the object is not callable, or does not accept these parameters.
    """
    if not callable(function):
        raise OptionError(
            f"{hook} is a decorator of a function, without parentheses: @hub.{hook}, not "
            f"{function!r:.100}."
        )
    try:
        inspect.signature(function).bind(*parameters.split(", "))
    except TypeError:
        raise OptionError(f"A function for {hook} is called with ({parameters}).") from None
    except ValueError:
        pass  # a C function has no signature to check
    return function  # type: ignore[no-any-return]


def _name(function: HookFunction) -> str:
    """Return module and qualified name of a function, or of a callable object's class."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return _printable(f"{named.__module__}.{named.__qualname__}")


def _words(error: Exception) -> str:
    """Describe an error in one line of printable text. The error may quote a client's message."""
    text = str(error) if isinstance(error, HookFailed) else f"{type(error).__name__}: {error}"
    return _printable(text[:300])


def _printable(text: str) -> str:
    """Replace characters that are not printable by spaces."""
    return "".join(each if each.isprintable() else " " for each in text)


def _retrieve(task: asyncio.Future[Any]) -> None:
    """Retrieve the exception of an abandoned task, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()
