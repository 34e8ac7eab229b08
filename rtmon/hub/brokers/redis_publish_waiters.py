"""Publishers that wait until this node has delivered their publication."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from ...errors import ProtocolError

__all__ = ["PublishWaiters"]


class PublishWaiters:
    """Wakes each publisher once the node has delivered its publication.

    Args:
        unavailable: returns the error for waiting publishers when Redis becomes unreachable.
    """

    def __init__(self, unavailable: Callable[[], ProtocolError]) -> None:
        self._unavailable = unavailable
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = 0

    async def reach(self, seq: int) -> None:
        """Wait until this node has delivered ``seq`` publications.

        Raises:
            ProtocolError: Redis has become unreachable.
        """
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._waiting, (seq, self._number, reached))
        await reached

    def advance(self, seq: int) -> None:
        """Wake the publishers whose publication is among the first ``seq``."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= seq:
            reached = heapq.heappop(waiting)[-1]
            if not reached.done():
                reached.set_result(None)

    def fail(self) -> None:
        """Fail all waiting publishers, because Redis has become unreachable."""
        waiting, self._waiting = self._waiting, []
        for *_, reached in waiting:
            if not reached.done():
                reached.set_exception(self._unavailable())
                reached.exception()
