"""Report a learner's progress to the class server, on a background thread.

A notebook never waits for the server. While the server is unreachable, only the newest report is
kept, because each report holds all results of the learner.
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
from .progress_file import CHANNEL, Result

__all__ = ["Reporter", "report"]

CLASS = "RTMON_CLASS"
"""Environment variable: the class server's address, ``ws://host:8765``."""

TOKEN = "RTMON_CLASS_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable: token that authenticates the learner, if the server requires one."""

AGAIN = 60.0
"""Seconds after which an unchanged report is sent again, in case the class server was restarted."""

_SHELL = "_rtmon_class_reporter"
"""Attribute of the IPython shell that holds the reporter, so that all cells share one."""


def report(learner: str, results: Mapping[str, Result]) -> None:
    """Send all results of a learner to the class server. Does nothing if RTMON_CLASS is not set.

    Raises:
        RtmonError: the address or the token is invalid; or the server is unreachable, and the
            report will be sent later.
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
        wanted: the arguments of this reporter.
        problem: why the newest report could not be sent; "" if there was no error.

    Args:
        url: address of the class server.
        learner: the learner's name on the class server.
        token: token that authenticates the learner, if the server requires one.
        again: seconds after which an unchanged report is sent again.

    Raises:
        OptionError: an argument is invalid.
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
        """Send a report as soon as the server is connected, instead of a report that waits."""
        self._newest = msgspec.to_builtins(dict(results))
        self._call(self._news.set)

    def close(self) -> None:
        """Start to close the connection, without waiting for its end. May be called twice."""
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
