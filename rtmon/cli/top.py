"""``rtmon top``: show a running server live in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ..feeds.feed import Feed
from ..feeds.paused_feed import PausedFeed
from ..feeds.remote_feed import RemoteFeed
from ..views.chart_points import Timeline
from ..views.data_freshness import FreshnessTracker
from .shared_options import TokenFile, admin_token, refuse_idle

if TYPE_CHECKING:
    from rich.console import Console

    from ..terminal.key_bindings import KeyChoices

__all__ = ["top"]

_FIRST = 5.0
"""Seconds to wait for the server's first tick."""

LOOKS = 0.1
"""Seconds between two checks whether the screen must be drawn again."""


def top(
    context: typer.Context,
    url: Annotated[
        str,
        typer.Argument(
            envvar="RTMON_URL", metavar="URL", help="The admin address of the server to watch."
        ),
    ] = "ws://127.0.0.1:8766",
    *,
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column that connections are sorted by at first.")
    ] = "opened",
    once: Annotated[
        bool, typer.Option("--once", help="Print one screen and exit; default without a terminal.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Maximum wait for the server, --once.")
    ] = 10.0,
    token_file: TokenFile = None,
) -> None:
    """Show a running server live in the terminal.

    The screen shows rates, connections and events, updated once per second. Keys: q quits, s and r
    change the order of the connections, o shows closed connections, / searches, p pauses.

    \b
    Examples:
      rtmon top
      rtmon top ws://127.0.0.1:8766 --sort messages_in
      rtmon top --once
    """
    from rich.console import Console

    from ..terminal.key_bindings import SORTS, KeyChoices

    if sort not in SORTS:
        raise typer.BadParameter(f"{sort!r} is none of {', '.join(SORTS)}", param_hint="'--sort'")
    feed = RemoteFeed(url, token=admin_token(token_file))
    choices, console = KeyChoices(sort=sort), Console(highlight=False)
    if once or not console.is_terminal or not sys.stdin.isatty():
        asyncio.run(_print(feed, choices, console, timeout))
    else:
        refuse_idle(context, "timeout", because="without --once: it waits for as long as you look")
        asyncio.run(_watch(feed, choices, console))


async def _print(feed: RemoteFeed, choices: KeyChoices, console: Console, timeout: float) -> None:
    """Print one screen and return.

    Raises:
        FeedError: the server does not answer in time.
    """
    from ..terminal.screen import draw

    await feed.start()
    try:
        await feed.complete(timeout)
        with contextlib.suppress(TimeoutError):  # without a Sample, the screen is still correct
            async with asyncio.timeout(_FIRST):
                # Poll, because a feed has no asyncio.Event to wait for.
                while feed.latest() is None:  # noqa: ASYNC110
                    await asyncio.sleep(LOOKS)
        timeline = Timeline()
        timeline.extend(feed.samples())
        width, height = console.size
        freshness = FreshnessTracker().assess(feed)
        console.print(draw(feed, freshness, choices, timeline, width=width, height=height))
    finally:
        await feed.aclose()


async def _watch(feed: Feed, choices: KeyChoices, console: Console) -> None:
    """Redraw the screen at each new tick or pressed key, until the user quits."""
    from rich.live import Live

    from ..terminal.screen import draw

    tracker, timeline = FreshnessTracker(), Timeline()
    reading: Feed = feed
    drawn: object = None
    await feed.start()
    try:
        with (
            _typed(choices),
            Live(console=console, screen=True, auto_refresh=False) as live,
        ):
            while not choices.done:
                if choices.paused is (reading is feed):
                    reading = PausedFeed(feed) if choices.paused else feed
                paused_at = reading.now() if choices.paused else None
                freshness = tracker.assess(feed, paused_at=paused_at)
                state = (reading.now() // 1, repr(choices), console.size, freshness)
                if state != drawn:
                    drawn = state
                    latest = reading.latest()
                    timeline.follow(None if latest is None else latest.epoch)
                    timeline.extend(reading.samples(timeline.seq))
                    width, height = console.size
                    screen = draw(reading, freshness, choices, timeline, width=width, height=height)
                    live.update(screen, refresh=True)
                await asyncio.sleep(LOOKS)
    finally:
        await feed.aclose()


@contextlib.contextmanager
def _typed(choices: KeyChoices) -> Iterator[None]:
    """Apply pressed keys to the display settings, on systems that report single key presses."""
    try:
        import termios
        import tty
    except ImportError:  # Windows: Ctrl-C ends it
        yield
        return
    from ..terminal.key_bindings import keys

    loop, fd = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        typed = os.read(fd, 1024)
        if not typed:
            choices.done = True
        for key in keys(typed.decode(errors="ignore")):
            choices.press(key)

    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    loop.add_reader(fd, read)
    try:
        yield
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
