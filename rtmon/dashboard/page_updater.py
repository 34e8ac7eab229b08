"""Update all pages that show one feed: one update a tick, and the rows that each page shows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from ..feeds.feed import Feed
from ..recording.recording_feed import RecordingFeed
from ..views.tick_update import TickUpdate, TickUpdateMaker
from .answer_cache import AnswerCache, Question, question
from .channel_history import ChannelHistory
from .pages import PAGES
from .replay_clock import ReplayClock

__all__ = ["PageUpdater", "Viewer"]

logger = logging.getLogger("rtmon")

PERIOD = 1.0
"""Seconds between two updates of a feed that ticks once a second or not at all."""

SHORTEST = 0.8
"""Minimum seconds between two updates, however often the feed ticks."""

LATE = 0.2
"""Seconds that a tick may be late before an update is sent without it."""

REST = 9.0
"""Pause after a page's query, in multiples of its duration: a tenth of a core at most."""

TOGETHER = 0.4
"""Seconds for which an update waits for the rows of the same tick."""


class Viewer(Protocol):
    """A viewer's page in a browser or notebook.

    Attributes:
        hidden: True if the page is out of sight: only its title can be seen.
    """

    hidden: bool

    @property
    def ready(self) -> bool:
        """True if all earlier messages have been written, and the page is in sight."""

    def send(self, text: bytes) -> None:
        """Send a message; drop it if that fails."""


@dataclass(eq=False)
class _Seat:
    """A viewer and its state.

    Attributes:
        behind: True if it needs a complete update before the next one.
        shows: the page and the parameters that it shows.
    """

    behind: bool = True
    shows: Question | None = None


@dataclass(eq=False)
class _Subscription:
    """A page with parameters that at least one viewer shows.

    Attributes:
        task: computes its answer; None if idle.
        due: time of the next query, by the page updater's clock.
    """

    task: asyncio.Task[None] | None = None
    due: float = 0.0


@dataclass(eq=False)
class PageUpdater:
    """Sends updates to the viewers of one feed.

    Args:
        feed: the feed that they view; started here.
        clock: monotonic seconds.
        closes: True to close the feed at the end.
        own: True if it serves one viewer only, and ends with it.
    """

    feed: Feed
    clock: Callable[[], float] = time.monotonic
    closes: bool = True
    own: bool = False
    task: asyncio.Task[None] | None = None
    _seats: dict[Viewer, _Seat] = field(default_factory=dict)
    _subscriptions: dict[Question, _Subscription] = field(default_factory=dict)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _whole: bytes = b""
    _step: asyncio.Task[None] | None = None
    _stepped: float = 0.0
    _attention: bytes = b""

    def __post_init__(self) -> None:
        self._frames = TickUpdateMaker(self.feed)
        self._replay = ReplayClock(self.feed) if isinstance(self.feed, RecordingFeed) else None
        self._past = ChannelHistory()
        self._answers = AnswerCache(self.feed, self._replay, self._past)
        if self._replay is not None:
            self._frames.replay = self._replay.state

    async def run(self) -> None:
        """Send an update with each tick, and each second without one, until cancelled."""
        starting = self._spawned(self.feed.start())
        news = asyncio.Event()
        end = self.feed.listen(lambda _: news.set())
        try:
            while True:
                began = self.clock()
                # A long read, such as an hour of a recording, delays no update: a page without
                # updates assumes that the server is dead.
                await asyncio.wait({starting}, timeout=TOGETHER)
                if starting.done():
                    starting.result()
                try:
                    await self._pass_time(began)
                    news.clear()
                    self._tick()
                except Exception:
                    logger.exception("a frame of the dashboard could not be made")
                await asyncio.sleep(SHORTEST)
                rest = began + PERIOD - self.clock()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), max(0.0, rest) + LATE)
        finally:
            end()
            for task in self._tasks:
                task.cancel()
            if self.closes:
                await self.feed.aclose()

    async def _pass_time(self, now: float) -> None:
        """Advance the replay of a recording; does nothing for a live feed."""
        if self._replay is None or (self._step is not None and not self._step.done()):
            return
        # Without a visible viewer, the replay pauses.
        seen = any(viewer.ready for viewer in self._seats)
        self._step = self._spawned(self._replay.step(now - self._stepped if seen else 0.0))
        self._stepped = now
        await asyncio.wait({self._step}, timeout=TOGETHER)

    @property
    def viewers(self) -> int:
        """Number of viewers."""
        return len(self._seats)

    def join(self, viewer: Viewer) -> None:
        """Add a viewer, and send it a complete update."""
        self._seats[viewer] = _Seat()
        self._serve(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        self._seats.pop(viewer, None)
        self._forget_subscriptions()
        if self.own and not self._seats and self.task is not None:
            self.task.cancel()

    def begin(self) -> None:
        """Collect the feed's numbers before the start, for :meth:`last`."""
        self._take_in()

    def last(self) -> TickUpdate:
        """Return the last complete update."""
        return self._frames.whole()

    async def answer(self, page: str, asked: Mapping[str, str]) -> bytes:
        """Return the rows of a page as JSON, or an object with ``error``."""
        return await self._answers.answer(question(page, asked))

    def show(self, viewer: Viewer, page: str, asked: Mapping[str, str]) -> None:
        """Send a page's rows to a viewer, now and with later updates."""
        seat = self._seats.get(viewer)
        if seat is None:
            return
        seat.shows = None if page not in PAGES else question(page, asked)
        self._forget_subscriptions()
        if seat.shows is not None:
            self._subscriptions.setdefault(seat.shows, _Subscription())
            self._spawn(self._send_pane(viewer, seat.shows))

    def ask(self, viewer: Viewer, number: int, page: str, asked: Mapping[str, str]) -> None:
        """Send the answer to one request to a viewer."""
        self._spawn(self._reply(viewer, number, question(page, asked)))

    def seek(self, at: float | None, turn: int) -> None:
        """Show a recording as of a moment; does nothing for a live feed.

        Args:
            at: Unix seconds; None for the end.
            turn: number of the viewer's request.
        """
        self._spawn(self._seek(at, turn))

    def play(self, speed: float) -> None:
        """Play a recording at a speed; 0 pauses it."""
        if self._replay is not None:
            self._replay.play(speed)

    def catch_up(self, viewer: Viewer) -> None:
        """Send a complete update to a viewer that has missed updates."""
        if (seat := self._seats.get(viewer)) is not None:
            seat.behind = True
            self._serve(viewer)

    async def _seek(self, at: float | None, turn: int) -> None:
        if self._replay is None or not await self._replay.seek(at, turn):
            return
        self._take_in()
        self._answers.move()
        for viewer, seat in list(self._seats.items()):
            self.catch_up(viewer)
            if seat.shows is not None:
                self._spawn(self._send_pane(viewer, seat.shows))

    def _take_in(self) -> TickUpdate:
        """Collect and return the new numbers."""
        self._whole = b""
        if self._replay is None:
            self._past.note(self.feed)
        else:
            self._frames.replay = self._replay.state
        return self._frames.update()

    def _tick(self) -> None:
        made = self._take_in()
        frame = msgspec.json.encode(made)
        self._tell_hidden(msgspec.json.encode(made.attention))
        if self._replay is None or not self._replay.stands:
            self._answers.forget()
        message = b'{"frame":' + frame + b"}"
        started = set()
        for key, subscription in self._subscriptions.items():
            if subscription.task is None and self.clock() >= subscription.due:
                subscription.task = self._spawned(self._refresh(key, subscription, frame))
                started.add(key)
        for viewer, seat in list(self._seats.items()):
            if seat.shows not in started:
                self._serve(viewer, message)

    def _tell_hidden(self, attention: bytes) -> None:
        """Send hidden pages the alerts for their titles, when these change."""
        if attention != self._attention:
            self._attention = attention
            for viewer in self._seats:
                if viewer.hidden:
                    viewer.send(b'{"attention":' + attention + b"}")

    def _serve(self, viewer: Viewer, message: bytes = b"") -> None:
        """Send an update to a viewer: a complete one if it is behind, none if it is not ready."""
        seat = self._seats.get(viewer)
        if seat is None:
            return
        if not viewer.ready:
            seat.behind = True
        elif seat.behind:
            seat.behind = False
            if not self._whole:
                self._whole = b'{"frame":' + msgspec.json.encode(self._frames.whole()) + b"}"
            viewer.send(self._whole)
        elif message:
            viewer.send(message)

    async def _refresh(self, key: Question, subscription: _Subscription, frame: bytes) -> None:
        """Send a page's new rows with the update of the same tick, or later if they take long."""
        began = self.clock()
        answer = asyncio.ensure_future(self._answers.answer(key))
        try:
            done, _ = await asyncio.wait({answer}, timeout=TOGETHER)
            alone = b'{"frame":' + frame + b"}"
            if not done:
                self._each(key, alone)
                await asyncio.wait({answer})
            pane = answer.result()
            with_frame = b'{"frame":' + frame + b',"pane":' + pane + b"}"
            self._each(key, with_frame if done else b'{"pane":' + pane + b"}")
        finally:
            answer.cancel()
            subscription.due = self.clock() + REST * (self.clock() - began) - PERIOD
            subscription.task = None

    def _each(self, key: Question, message: bytes) -> None:
        for viewer, seat in list(self._seats.items()):
            if seat.shows == key:
                self._serve(viewer, message)

    async def _send_pane(self, viewer: Viewer, key: Question) -> None:
        pane = await self._answers.answer(key)
        seat = self._seats.get(viewer)
        if seat is not None and seat.shows == key:
            self._keep_up()
            viewer.send(b'{"pane":' + pane + b"}")

    def _keep_up(self) -> None:
        """Send the frame of a tick whose rows are sent already."""
        latest = self.feed.latest()
        if latest is not None and not self._frames.includes(latest):
            self._tick()

    async def _reply(self, viewer: Viewer, number: int, asked: Question) -> None:
        answer = await self._answers.answer(asked)
        if viewer in self._seats:
            viewer.send(b'{"answer":%d,"value":%b}' % (number, answer))

    def _forget_subscriptions(self) -> None:
        shown = {seat.shows for seat in self._seats.values()}
        for key in [key for key in self._subscriptions if key not in shown]:
            task = self._subscriptions.pop(key).task
            if task is not None:
                task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        _ = self._spawned(work)

    def _spawned(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
