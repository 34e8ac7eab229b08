"""Report a learner's progress to the class server, on a thread of its own.

A notebook never waits for it: while the server is away the newest report waits, and older ones
are forgotten, since each holds all that the learner has done.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..client import Change, Client, ConnectionLost, MessageExpired, connect
from ..errors import OptionError, ProtocolError, RtmonError
from .progress_files import CHANNEL, Result

__all__ = ["Reporter", "report"]

CLASS = "RTMON_CLASS"
"""Environment variable: the class server's address, ``ws://host:8765``."""

TOKEN = "RTMON_CLASS_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable: token that authenticates the learner, if the server requires one."""

AGAIN = 60.0
"""Seconds after which the same report is sent again, for a class server that was restarted."""

_SHELL = "_rtmon_class_reporter"
"""The reporter lives on the IPython shell, which outlives a cell that is run twice."""


def report(learner: str, results: Mapping[str, Result]) -> None:
    """Report all that a learner has done to the server in RTMON_CLASS; nothing without one.

    Raises:
        RtmonError: the address or the token cannot be right, or the server is not reached; this
            report is sent when it is.
    """
    shell = _shell()
    url = os.environ.get(CLASS)
    if not url or shell is None:
        return
    wanted = (url, learner, os.environ.get(TOKEN))
    reporter: Reporter | None = vars(shell).get(_SHELL)
    if reporter is None or reporter.wanted != wanted:
        if reporter is not None:
            reporter.close()
        reporter = Reporter(*wanted)
        vars(shell)[_SHELL] = reporter
    reporter.send(results)
    if reporter.problem:
        raise RtmonError(f"{CLASS}={url}: {reporter.problem}")


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


class Reporter:
    """Keeps a connection to the class server, and sends the newest report over it.

    Attributes:
        wanted: the arguments it was made with.
        problem: why the newest report has not been sent; empty if it is under way or sent.

    Args:
        url: of the class server.
        learner: the learner's name there.
        token: authenticates the learner, if the server asks for it.
        again: seconds after which the same report is sent again.

    Raises:
        OptionError: an argument cannot be right.
    """

    def __init__(
        self, url: str, learner: str, token: str | None = None, *, again: float = AGAIN
    ) -> None:
        self.wanted = (url, learner, token)
        self.problem = ""
        self._again = again
        self._client = connect(
            url,
            name=learner,
            token=token,
            start_timeout=None,
            queue_size=1,
            queue_policy="drop_oldest",
            close_timeout=1.0,
        )
        self._client.on_error(self._failed)
        self._client.on_gave_up(self._failed)
        self._newest: dict[str, Any] = {}
        self._news = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._report())
        # A daemon: a notebook's kernel ends without waiting for it.
        self._thread = threading.Thread(target=self._run, name="rtmon-class-reporter", daemon=True)
        self._thread.start()

    def send(self, results: Mapping[str, Result]) -> None:
        """Send a report as soon as the server is there; one that still waits is replaced."""
        self._newest = msgspec.to_builtins(dict(results))
        self._call(self._news.set)

    def close(self) -> None:
        """End the connection, and do not wait for that. Idempotent."""
        self._call(self._task.cancel)

    def wait_closed(self) -> None:
        """Wait until the thread has ended, after :meth:`close`."""
        self._thread.join()

    def _call(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has given up
            self._loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError), contextlib.closing(self._loop):
            self._loop.run_until_complete(self._task)

    async def _report(self) -> None:
        try:
            async with self._client as client:
                while True:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), self._again)
                    self._news.clear()
                    await self._deliver(client, self._newest)
        except RtmonError as error:
            self.problem = str(error)

    async def _deliver(self, client: Client, newest: dict[str, Any]) -> None:
        try:
            await client.publish(CHANNEL, newest, ack=True)
        except TimeoutError:
            self._news.set()  # the server is away: retry with the newest report
        except (ProtocolError, OptionError) as error:
            self.problem = f"it was refused: {error}"
        except (ConnectionLost, MessageExpired):
            self._news.set()
        else:
            self.problem = ""

    def _failed(self, change: Change) -> None:
        self.problem = str(change.error or change.reason)
