"""Sender of joins, leaves and other unstored messages, which waits while Redis is unreachable."""

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
    """Sends each message once, in order. Messages that Redis has not confirmed are kept.

    If more than :data:`rtmon.protocol.limits.BROKER_NOTES` are kept, the oldest is dropped.

    Args:
        call: runs a Lua script in Redis.
        node: name of this node.
    """

    def __init__(self, call: Callable[..., asyncio.Future[Any]], node: str) -> None:
        self._call = call
        self._node = node
        self._number = 0
        self._untold: dict[int, tuple[str, bytes]] = {}
        self._more = False

    def send_note(self, key: str, note: Note, *, up: bool) -> None:
        """Send a message now, or when Redis can be reached again.

        Args:
            key: key of the channel.
            note: the message.
            up: True if Redis can be reached.
        """
        self._number += 1
        self._untold[self._number] = (key, encode_note(note))
        if len(self._untold) > limits.BROKER_NOTES:
            del self._untold[next(iter(self._untold))]
        if up:
            self._ask(self._number)

    def resume(self, *, most: int | None = None) -> None:
        """Send the unconfirmed messages again, oldest first, after Redis was unreachable or full.

        Args:
            most: maximum number to send now; None for all.
        """
        self._more = most is not None
        for number in list(self._untold)[:most]:
            self._ask(number)

    def _ask(self, number: int) -> None:
        """Send the kept message with this number to Redis."""
        key, body = self._untold[number]
        # Redis stores the number. So a message that is sent again, because it was not confirmed, is
        # not delivered twice.
        seen, remember = f"{self._node}#{number}", int(limits.DEDUPE_SECONDS * 1000)
        answer = self._call("tell", key, body, seen, remember)
        answer.add_done_callback(partial(self._answered, number))

    def _answered(self, number: int, answer: asyncio.Future[Any]) -> None:
        """Remove a message that Redis has confirmed."""
        if answer.cancelled() or answer.exception() is not None:
            return
        self._untold.pop(number, None)
        if self._more:
            # Redis has accepted a message, so it is not full any more: send all other messages.
            self.resume()
