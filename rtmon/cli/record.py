"""``rtmon record``: record the measurements of a running server in one file."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ..core.child_processes import announce
from ..feeds.remote_feed import RemoteFeed
from ..metrics.redaction import Redaction
from ..views.number_format import duration, scaled
from .shared_options import Redact, TokenFile, admin_token, redaction

__all__ = ["record"]

NOTICE_SECONDS = 2.0
"""Seconds without a connection after which the command says why."""

PLAIN_SECONDS = 60.0
"""Seconds between two lines of progress if standard error is not a terminal."""


def record(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="The admin address of the server: ws://HOST:8766."),
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The recording; an existing one is continued.")
    ],
    *,
    redact: Redact = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait for the server.")
    ] = 10.0,
    token_file: TokenFile = None,
) -> None:
    """Record a running server until Ctrl-C, from its own process.

    The file contains one point per second for an hour, per ten seconds for a day and per minute for
    30 days, and events and connections. Other commands can read the file while it is written. If
    the server stops, the recorder waits for it. The file marks a restart of the server.

    \b
    Examples:
      rtmon record ws://127.0.0.1:8766 run.rtmon
      rtmon record ws://127.0.0.1:8766 run.rtmon --redact addresses=network,names=drop
      rtmon dashboard run.rtmon
      python -c "import rtmon; print(rtmon.read('run.rtmon').samples())"
    """
    with contextlib.suppress(asyncio.CancelledError), asyncio.Runner() as runner:
        feed = RemoteFeed(url, token=admin_token(token_file))
        continued = file.exists()
        runner.run(_record(feed, file, timeout, redaction(redact), continued=continued))


async def _record(
    feed: RemoteFeed, file: Path, timeout: float, redacted: Redaction, *, continued: bool
) -> None:
    from ..recording.remote_recorder import Recorder

    await feed.start()
    notice = asyncio.get_running_loop().call_later(NOTICE_SECONDS, _tell_state, feed)
    try:
        await feed.complete(timeout)
        notice.cancel()
        with _progress(file) as progress:
            recorder = Recorder(feed, file, redaction=redacted, progress=progress)
            more = " (an existing recording, which is continued)" if continued else ""
            announce(f"Recording {feed.url} to {file}{more}\nCtrl-C ends it.", file=str(file))
            try:
                await recorder.run()
            finally:
                recorder.close()
    finally:
        notice.cancel()
        await feed.aclose()


def _tell_state(feed: RemoteFeed) -> None:
    """Tell the user why the feed is not connected yet."""
    why = feed.status.detail or "no answer yet"
    typer.echo(f"rtmon: connecting to {feed.url}: {why}", err=True)


class _Line:
    """Shows progress: on a terminal in one line that is overwritten, else in a line per minute."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._problem = ""
        self._next = time.monotonic() + PLAIN_SECONDS

    def __call__(self, ticks: int, problem: str) -> None:
        state = f"nothing can be written: {problem}" if problem else self._state(ticks)
        if sys.stderr.isatty():
            typer.echo(f"\r\x1b[K{state}", err=True, nl=False)
        elif problem != self._problem or time.monotonic() >= self._next:
            self._next = time.monotonic() + PLAIN_SECONDS
            typer.echo(f"rtmon: {state}", err=True)
        self._problem = problem

    def _state(self, ticks: int) -> str:
        with contextlib.suppress(OSError):
            size, unit = scaled(self._file.stat().st_size, "B")
            return f"{ticks:,} ticks recorded ({duration(float(ticks))}), {size} {unit}"
        return f"{ticks:,} ticks recorded"


@contextlib.contextmanager
def _progress(file: Path) -> Iterator[_Line]:
    line = _Line(file)
    try:
        yield line
    finally:
        if sys.stderr.isatty():
            typer.echo("", err=True)
