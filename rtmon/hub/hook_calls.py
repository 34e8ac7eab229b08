"""Calling functions of the program: bounded in time, and failures reported to the operator."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from ..core.log_rate_limit import LogLimit
from ..errors import OptionError, ProtocolError
from .context import HubContext

__all__ = ["HookCalls", "HookFailed", "HookFunction", "checked_function", "failed_answer"]

HookFunction: TypeAlias = Callable[..., Any]
"""A function or coroutine function of the program."""

logger = logging.getLogger("rtmon.hub")


class HookFailed(Exception):
    """A function of the program did not do its part: it hung, was cancelled, returned nonsense."""


class HookCalls:
    """Calls the functions that a program registered as hooks and checks.

    Args:
        context: of the hub.

    Attributes:
        failures: hook → how often it failed.
        report: called with a few words and a sentence when a hook has failed; None if the
            operator asked for no reports.
    """

    def __init__(self, context: HubContext) -> None:
        self.failures: dict[str, int] = {}
        self.report: Callable[[str, str], object] | None = None
        self._context = context
        self._limits: dict[str, LogLimit] = {}

    async def call(self, function: HookFunction, *arguments: Any) -> Any:
        """Call a function; await what it returns, for ``hook_timeout`` seconds at most.

        Raises:
            HookFailed: it took too long, or was cancelled by something else than this hub.
            Exception: what the function raises.
        """
        try:
            result = function(*arguments)
        except asyncio.CancelledError:
            raise HookFailed("it was cancelled") from None
        if not inspect.isawaitable(result):
            return result
        # A task of its own: one that ignores its cancellation must not hold up the client either.
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
        """Count a failure, log it and report it; the latter two once a minute for each function.

        Args:
            hook: the name of the hook, such as ``on_join``.
            function: the one that failed; None if none of the hook's functions was called.
            error: what it raised.
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
    """Return the error that a client is sent when a hook fails; it tells nothing of the inside."""
    return ProtocolError("internal", "The server failed at this; it has been logged.", retry=True)


def checked_function(hook: str, function: Any, parameters: str) -> HookFunction:
    """Return the function if it can be called as a hook is.

    Args:
        hook: the name of the hook.
        function: of the program.
        parameters: names of what it is called with, such as ``client, room``.

    Raises:
        OptionError: it cannot.
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
        pass  # a function in C that does not tell its parameters
    return function  # type: ignore[no-any-return]


def _name(function: HookFunction) -> str:
    """Return module and qualified name of a function, or of the class of a callable object."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return _printable(f"{named.__module__}.{named.__qualname__}")


def _words(error: Exception) -> str:
    """Describe an error in one line of safe text: it may quote a client's message."""
    text = str(error) if isinstance(error, HookFailed) else f"{type(error).__name__}: {error}"
    return _printable(text[:300])


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _retrieve(task: asyncio.Future[Any]) -> None:
    """Retrieve the exception of an abandoned task, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()
