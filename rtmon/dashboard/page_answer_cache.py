"""Cache of the answers to dashboard pages' requests.

Viewers that send the same request within one tick share one computed answer.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from ..errors import QueryError, RtmonError
from ..feeds.feed import Feed
from ..views.chart_range_points import points_of_range
from .channel_chart_history import ChannelHistory
from .pages import PAGES
from .replay_clock import ReplayClock

__all__ = ["AnswerCache", "Question", "question"]

logger = logging.getLogger("rtmon")

KEPT = 256
"""Maximum number of cached answers of one tick."""

MOST_POINTS = 3000
"""Maximum number of chart points that a browser can request."""

Question = tuple[str, str]
"""Cache key of a request: the page's name, and the request's parameters as sorted JSON."""


def question(page: str, asked: Mapping[str, str]) -> Question:
    """Return the cache key of a request: the page's name and the parameters."""
    return page, msgspec.json.encode(dict(sorted(asked.items()))).decode()


class AnswerCache:
    """Computes and caches the answers to requests of pages that show one feed.

    Args:
        feed: the source of the data on the pages.
        replay: the replay position if the feed is a recording; None for a live feed.
        past: the recent totals of the feed's busiest channels.
    """

    def __init__(self, feed: Feed, replay: ReplayClock | None, past: ChannelHistory) -> None:
        self._feed = feed
        self._replay = replay
        self._past = past
        self._made: dict[tuple[Question, int], asyncio.Future[bytes]] = {}
        self._moves = 0

    def forget(self) -> None:
        """Clear the cache after the feed has received new data."""
        self._made.clear()

    def move(self) -> None:
        """Clear the cache after a replay has moved to another time.

        Pending calls of :meth:`answer` discard their result and compute a new answer.
        """
        self._made.clear()
        self._moves += 1

    async def answer(self, asked: Question) -> bytes:
        """Return the answer to a request as JSON, from the cache if possible.

        If the request fails, the JSON object has the keys ``error`` and ``position``.
        """
        while True:
            latest, moves = self._feed.latest(), self._moves
            key = (asked, latest.seq if latest else 0)
            if key not in self._made:
                if len(self._made) >= KEPT:
                    self._made.clear()
                self._made[key] = asyncio.ensure_future(self._make(*asked))
            answer = await asyncio.shield(self._made[key])
            if moves == self._moves:
                return answer

    async def _make(self, page: str, asked: str) -> bytes:
        parameters = msgspec.json.decode(asked, type=dict[str, str])
        try:
            answer = await self._found(page, parameters)
        except QueryError as error:
            answer = {"error": str(error), "position": error.position}
        except RtmonError as error:
            answer = {"error": str(error), "position": None}
        except Exception:
            logger.exception("the dashboard could not answer %s", page)
            answer = {"error": "The dashboard failed; its log says why.", "position": None}
        return msgspec.json.encode({"page": page, "asked": parameters, **answer})

    async def _found(self, page: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
        if page == "range":
            return await self._range(asked)
        if page == "moments" and self._replay is not None:
            return {"moments": [asdict(each) for each in await self._replay.moments()]}
        if page == "channel-past":
            return {"epoch": self._past.epoch, "past": self._past.of(asked.get("channel", ""))}
        if page in PAGES:
            return await PAGES[page](self._feed, asked)
        raise RtmonError(f"there is no page {page!r}")

    async def _range(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        def seconds(name: str) -> float | None:
            try:
                value = float(asked[name])
            except (KeyError, ValueError):
                return None
            return value if math.isfinite(value) else None

        points = min(MOST_POINTS, max(1, int(seconds("points") or 600)))
        return await points_of_range(
            self._feed, since=seconds("since"), until=seconds("until"), points=points
        )
