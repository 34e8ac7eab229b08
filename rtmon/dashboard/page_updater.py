"""Sends updates to all dashboard pages that show one feed.

At each tick, every page gets the same update. A page that shows a table also gets its rows.
"""

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
from .channel_chart_history import ChannelHistory
from .page_answer_cache import AnswerCache, Question, question
from .pages import PAGES
from .replay_clock import ReplayClock

__all__ = ["PageUpdater", "Viewer"]

logger = logging.getLogger("rtmon")

PERIOD = 1.0
"""Normal seconds between two updates. Pages get updates at this interval also without ticks."""

SHORTEST = 0.8
"""Minimum seconds between two updates, also if the feed ticks more often."""

LATE = 0.2
"""Seconds to wait for a late tick. Then an update without the tick's data is sent."""

REST = 9.0
"""Pause after a page's query, as a multiple of the query's duration.

With 9, the queries of one page use at most a tenth of a CPU core.
"""

TOGETHER = 0.4
"""Maximum seconds by which an update is delayed to be sent together with the tick's table rows."""


class Viewer(Protocol):
    """An open dashboard page in a browser tab or a notebook, to which updates are sent.

    Attributes:
        hidden: True if the browser tab is in the background. Such a page gets no updates, only
            the alerts for its title.
    """

    hidden: bool

    @property
    def ready(self) -> bool:
        """True if the page can get a message: it is visible, and all earlier messages are sent."""

    def send(self, text: bytes) -> None:
        """Send a message to the page. If sending fails, drop the message."""


@dataclass(eq=False)
class _Seat:
    """The page updater's state for one viewer.

    Attributes:
        behind: True if the viewer has missed an update and needs a complete one next.
        shows: the dashboard page with table rows that the viewer has open, and its parameters;
            None for a page without rows.
    """

    behind: bool = True
    shows: Question | None = None


@dataclass(eq=False)
class _Subscription:
    """State of a dashboard page with parameters that at least one viewer has open.

    Attributes:
        task: the task that computes the page's rows; None while no computation is running.
        due: time before which the rows are not computed again, by the page updater's clock.
    """

    task: asyncio.Task[None] | None = None
    due: float = 0.0


@dataclass(eq=False)
class PageUpdater:
    """Sends updates to the viewers of one feed.

    Args:
        feed: the feed to show; :meth:`run` starts the feed.
        clock: returns monotonic seconds.
        closes: True if :meth:`run` must close the feed when it is cancelled.
        own: True if the updater serves only one viewer, and stops when this viewer leaves.
        task: the task of :meth:`run`, which is cancelled if ``own`` is true.
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
        """Send an update at each tick, or every second if the feed does not tick.

        Runs until the task is cancelled.
        """
        starting = self._spawned(self.feed.start())
        news = asyncio.Event()
        end = self.feed.listen(lambda _: news.set())
        try:
            while True:
                began = self.clock()
                # Starting a feed may take long, for instance to read an hour of a recording.
                # Updates are sent meanwhile, because a page without updates reports that the server
                # is down.
                await asyncio.wait({starting}, timeout=TOGETHER)
                if starting.done():
                    starting.result()
                try:
                    await self._pass_time(began)
                    news.clear()
                    self._tick()
                except Exception:
                    logger.exception("the dashboard could not compute an update")
                await asyncio.sleep(SHORTEST)
                rest = began + PERIOD - self.clock()
                # Not wait_for(): on Python 3.11 it ignores a cancellation if news has just come.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, rest) + LATE):
                        await news.wait()
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
        # The replay pauses while no viewer has the page in a visible tab.
        seen = any(viewer.ready for viewer in self._seats)
        self._step = self._spawned(self._replay.step(now - self._stepped if seen else 0.0))
        self._stepped = now
        await asyncio.wait({self._step}, timeout=TOGETHER)

    @property
    def viewers(self) -> int:
        """Number of viewers that have joined and not left."""
        return len(self._seats)

    def join(self, viewer: Viewer) -> None:
        """Add a viewer, and send a complete update to the viewer."""
        self._seats[viewer] = _Seat()
        self._serve(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer. If ``own`` is true and no viewer is left, stop the page updater."""
        self._seats.pop(viewer, None)
        self._forget_subscriptions()
        if self.own and not self._seats and self.task is not None:
            self.task.cancel()

    def begin(self) -> None:
        """Read the feed's data once, so that :meth:`last` has data before :meth:`run` is called."""
        self._take_in()

    def last(self) -> TickUpdate:
        """Return a complete update with the data of the last tick."""
        return self._frames.whole()

    async def answer(self, page: str, asked: Mapping[str, str]) -> bytes:
        """Return the content of a dashboard page as JSON, or a JSON object with ``error``.

        Args:
            page: the dashboard page's name.
            asked: the page's URL parameters.
        """
        return await self._answers.answer(question(page, asked))

    def show(self, viewer: Viewer, page: str, asked: Mapping[str, str]) -> None:
        """Send the rows of a dashboard page to a viewer, now and with each later update.

        Args:
            viewer: the receiver.
            page: the dashboard page's name; a page without rows ends the viewer's subscription.
            asked: the page's URL parameters.
        """
        seat = self._seats.get(viewer)
        if seat is None:
            return
        seat.shows = None if page not in PAGES else question(page, asked)
        self._forget_subscriptions()
        if seat.shows is not None:
            self._subscriptions.setdefault(seat.shows, _Subscription())
            self._spawn(self._send_pane(viewer, seat.shows))

    def ask(self, viewer: Viewer, number: int, page: str, asked: Mapping[str, str]) -> None:
        """Compute the answer to one request, and send the answer to the viewer.

        Args:
            viewer: the receiver.
            number: the request's id, which the answer repeats.
            page: the dashboard page's name.
            asked: the request's parameters.
        """
        self._spawn(self._reply(viewer, number, question(page, asked)))

    def seek(self, at: float | None, turn: int) -> None:
        """Show a recording at another time. For a live feed, do nothing.

        Args:
            at: the time to show, in Unix seconds; None for the recording's end.
            turn: number of the viewer's seek request.
        """
        self._spawn(self._seek(at, turn))

    def play(self, speed: float) -> None:
        """Play a recording at a speed, or pause at speed 0. For a live feed, do nothing."""
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
        """Read the feed's new data, and return the update for the viewers."""
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
        """Send the alerts for the tab's title to hidden pages if the alerts have changed."""
        if attention != self._attention:
            self._attention = attention
            for viewer in self._seats:
                if viewer.hidden:
                    viewer.send(b'{"attention":' + attention + b"}")

    def _serve(self, viewer: Viewer, message: bytes = b"") -> None:
        """Send an update to a viewer.

        A viewer that is not ready gets nothing and is marked as behind. A viewer that is behind
        gets a complete update instead of ``message``.
        """
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
        """Compute a page's new rows, and send them together with the update of the same tick.

        If the computation takes longer than :data:`TOGETHER` seconds, the update is sent without
        the rows. The rows are sent when they are computed.
        """
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
        """Send the update of the feed's last tick, unless it was sent.

        Called before rows of this tick are sent.
        """
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
