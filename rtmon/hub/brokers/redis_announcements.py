"""What is told through Redis, and kept while Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from ...protocol import limits
from .base import Note
from .redis_encoding import encode_note

__all__ = ["RedisAnnouncements"]


class RedisAnnouncements:
    """Tells each note once, in order; it keeps those that Redis has not confirmed.

    Past a bound the oldest goes.

    Args:
        call: runs a script.
        node: the name of this node.
    """

    def __init__(self, call: Callable[..., asyncio.Future[Any]], node: str) -> None:
        self._call = call
        self._node = node
        self._number = 0
        self._untold: dict[int, tuple[str, bytes]] = {}
        self._more = False

    def send_note(self, key: str, note: Note, *, up: bool) -> None:
        """Have something told; now, if Redis is up."""
        self._number += 1
        self._untold[self._number] = (key, encode_note(note))
        if len(self._untold) > limits.BROKER_NOTES:
            del self._untold[next(iter(self._untold))]
        if up:
            self._ask(self._number)

    def resume(self, *, most: int | None = None) -> None:
        """Tell what is not confirmed, because Redis was away or full; the oldest first.

        Args:
            most: how many to tell; None for all.
        """
        self._more = most is not None
        for number in list(self._untold)[:most]:
            self._ask(number)

    def _ask(self, number: int) -> None:
        key, body = self._untold[number]
        # Numbered, so that what Redis did without an answer is not told again.
        seen, remember = f"{self._node}#{number}", int(limits.DEDUPE_SECONDS * 1000)
        answer = self._call("tell", key, body, seen, remember)
        answer.add_done_callback(partial(self._answered, number))

    def _answered(self, number: int, answer: asyncio.Future[Any]) -> None:
        if answer.cancelled() or answer.exception() is not None:
            return
        self._untold.pop(number, None)
        if self._more:
            # One was accepted: there is room for the others.
            self.resume()
