"""Send updates to all dashboard pages of one feed.

Each tick of the feed sends one update, together with the rows of the page that a viewer shows.
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
from .answer_cache import AnswerCache, Question, question
from .channel_chart_history import ChannelHistory
from .pages import PAGES
from .replay_clock import ReplayClock

__all__ = ["PageUpdater", "Viewer"]

logger = logging.getLogger("rtmon")

PERIOD = 1.0
"""Seconds between two updates if the feed does not tick more often."""

SHORTEST = 0.8
"""Minimum seconds between two updates of a feed that ticks more often."""

LATE = 0.2
"""Seconds that a tick may be late before an update is sent without a new tick."""

REST = 9.0
"""Pause between two queries of a page, in multiples of the query's duration.

A slow query thus uses at most a tenth of a CPU core.
"""

TOGETHER = 0.4
"""Seconds for which an update waits for a page's rows of the same tick, to send them together."""


class Viewer(Protocol):
    """Interface of a viewer: a dashboard page that is open in a browser or notebook.

    Attributes:
        hidden: True if the page is out of sight, for example in a background tab. Such a page
            only gets the alerts for its title.
    """

    hidden: bool

    @property
    def ready(self) -> bool:
        """True if all earlier messages were written, and the page is in sight."""

    def send(self, text: bytes) -> None:
        """Send a message to the page. Drop the message if the page has disconnected."""


@dataclass(eq=False)
class _Seat:
    """State of one viewer.

    Attributes:
        behind: True if the viewer has missed an update, so that it needs a complete one next.
        shows: the page, with its parameters, that the viewer shows; None without rows.
    """

    behind: bool = True
    shows: Question | None = None


@dataclass(eq=False)
class _Subscription:
    """A page, with its parameters, that at least one viewer shows.

    Attributes:
        task: the running task that computes the page's rows; None if no task is running.
        due: earliest time of the page's next query, in seconds of the page updater's clock.
    """

    task: asyncio.Task[None] | None = None
    due: float = 0.0


@dataclass(eq=False)
class PageUpdater:
    """Sends updates of one feed to its viewers.

    Args:
        feed: the feed to show; :meth:`run` starts the feed.
        clock: returns monotonic seconds.
        closes: True if :meth:`run` closes the feed when it ends.
        own: True if the updater has a single viewer, and ends when that viewer leaves.
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
        """Send an update at each tick, or each second if there is no tick, until cancelled."""
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
        """Advance the replay position of a recording. Does nothing for a live feed."""
        if self._replay is None or (self._step is not None and not self._step.done()):
            return
        # Without a visible viewer, the replay pauses.
        seen = any(viewer.ready for viewer in self._seats)
        self._step = self._spawned(self._replay.step(now - self._stepped if seen else 0.0))
        self._stepped = now
        await asyncio.wait({self._step}, timeout=TOGETHER)

    @property
    def viewers(self) -> int:
        """Number of pages that receive updates."""
        return len(self._seats)

    def join(self, viewer: Viewer) -> None:
        """Add a viewer, and send a complete update to the viewer."""
        self._seats[viewer] = _Seat()
        self._serve(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer whose page has closed. The updater of a single viewer then ends."""
        self._seats.pop(viewer, None)
        self._forget_subscriptions()
        if self.own and not self._seats and self.task is not None:
            self.task.cancel()

    def begin(self) -> None:
        """Collect the feed's numbers before :meth:`run`, so that :meth:`last` can return them."""
        self._take_in()

    def last(self) -> TickUpdate:
        """Return a complete update with all numbers collected so far."""
        return self._frames.whole()

    async def answer(self, page: str, asked: Mapping[str, str]) -> bytes:
        """Return the rows of a page as JSON, or a JSON object with ``error`` if that fails."""
        return await self._answers.answer(question(page, asked))

    def show(self, viewer: Viewer, page: str, asked: Mapping[str, str]) -> None:
        """Send the rows of a page to a viewer, now and with each later update."""
        seat = self._seats.get(viewer)
        if seat is None:
            return
        seat.shows = None if page not in PAGES else question(page, asked)
        self._forget_subscriptions()
        if seat.shows is not None:
            self._subscriptions.setdefault(seat.shows, _Subscription())
            self._spawn(self._send_pane(viewer, seat.shows))

    def ask(self, viewer: Viewer, number: int, page: str, asked: Mapping[str, str]) -> None:
        """Answer one request of a viewer.

        Args:
            viewer: the viewer that has sent the request.
            number: the request's id, which the answer repeats.
            page: the requested page.
            asked: the page's URL parameters.
        """
        self._spawn(self._reply(viewer, number, question(page, asked)))

    def seek(self, at: float | None, turn: int) -> None:
        """Move the replay of a recording to a moment. Does nothing for a live feed.

        Args:
            at: the moment in Unix seconds; None for the end of the recording.
            turn: number of the viewer's request, which later updates repeat.
        """
        self._spawn(self._seek(at, turn))

    def play(self, speed: float) -> None:
        """Play a recording at ``speed`` times real time; 0 pauses. Ignored for a live feed."""
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
        """Collect the feed's new numbers, and return them as an update."""
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
        """Send the alerts that page titles show to all hidden pages, if the alerts have changed."""
        if attention != self._attention:
            self._attention = attention
            for viewer in self._seats:
                if viewer.hidden:
                    viewer.send(b'{"attention":' + attention + b"}")

    def _serve(self, viewer: Viewer, message: bytes = b"") -> None:
        """Send an update to a viewer.

        A viewer that has missed updates gets a complete update. A viewer that is not ready gets
        none, and is marked as behind.
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
        """Compute a page's new rows, and send them with the update of the same tick.

        If the query takes longer than :data:`TOGETHER`, the update is sent without the rows, and
        the rows follow in a message of their own.
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
        """Send the update of the latest tick, unless it was sent.

        Rows as of this tick are about to be sent, and must not be newer than the charts.
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
