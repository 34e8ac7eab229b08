"""Call a user's callbacks in order, from a queue. So a slow callback never blocks reading."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec

from .result_types import Change, Message

__all__ = ["Callbacks"]

logger = logging.getLogger("rtmon.client")

_QUEUED = 10_000
"""Maximum number of queued calls. When the queue is full, the oldest call is dropped."""


@dataclass(frozen=True, slots=True)
class _Handler:
    call: Callable[[Any], Any]
    payload: Any


class Callbacks:
    """The callbacks that a user registered, and a queue of their calls.

    Functions and coroutine functions are called one at a time, in the order of the events: the
    callback for a message is called after the ``open`` callback of its connection. Exceptions that
    callbacks raise are logged.

    Attributes:
        dropped: number of calls dropped because the queue was full.
    """

    def __init__(self) -> None:
        self._messages: dict[str, list[_Handler]] = {}
        self._changes: dict[str, list[Callable[[Change], Any]]] = {}
        self._queue: deque[tuple[Callable[[Any], Any], Any]] = deque()
        self._wake = asyncio.Event()
        self._ended = False
        self.dropped = 0

    def on_message(self, kind: str, payload: Any, call: Callable[[Message], Any]) -> None:
        """Register a callback for messages of a type.

        Args:
            kind: the message type; ``*`` for all types.
            payload: type to convert the payload to; None to pass it as it was decoded.
            call: called with the message.
        """
        self._messages.setdefault(kind, []).append(_Handler(call, payload))

    def on_change(self, what: str, call: Callable[[Change], Any]) -> None:
        """Register a callback for a kind of state change, such as ``reconnect``."""
        self._changes.setdefault(what, []).append(call)

    def message(self, message: Message) -> int:
        """Queue the callbacks for a message. Returns the number of older calls dropped."""
        dropped = self.dropped
        for kind in (message.type, "*"):
            for handler in self._messages.get(kind, ()):
                self.add(partial(_call, handler), message)
        return self.dropped - dropped

    def change(self, change: Change) -> None:
        """Queue the callbacks for a state change."""
        for call in self._changes.get(change.what, ()):
            self.add(call, change)

    def add(self, call: Callable[[Any], Any], argument: Any) -> bool:
        """Queue one call. Returns True if the oldest queued call was dropped to make space."""
        full = len(self._queue) >= _QUEUED
        if full:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append((call, argument))
        self._wake.set()
        return full

    async def run(self) -> None:
        """Make the queued calls, until :meth:`end` was called and the queue is empty."""
        while self._queue or not self._ended:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            call, argument = self._queue.popleft()
            try:
                result = call(argument)
                if inspect.isawaitable(result):
                    await result
            except asyncio.CancelledError:
                # If only something that the callback awaited was cancelled, go on. If this task was
                # cancelled, stop.
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                logger.exception("a callback failed")
            except Exception:
                logger.exception("a callback failed")

    def end(self) -> None:
        """End :meth:`run` when all calls that are queued now have been made."""
        self._ended = True
        self._wake.set()


def _call(handler: _Handler, message: Message) -> Any:
    if handler.payload is None:
        return handler.call(message)
    payload = msgspec.convert(message.payload, handler.payload, strict=False)
    return handler.call(replace(message, payload=payload))
