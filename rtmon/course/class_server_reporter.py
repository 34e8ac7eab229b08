"""Report a learner's progress to the class server, in a background thread.

A notebook never waits for the class server. While the server cannot be reached, only the newest
report is kept. Older reports are not needed, because each report contains all results of the
learner.
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
"""Environment variable: URL of the class server, such as ``ws://host:8765``."""

TOKEN = "RTMON_CLASS_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable: token that authenticates the learner, if the class server requires one."""

AGAIN = 60.0
"""Seconds after which the reporter sends the same report again.

A class server that was restarted has lost the earlier reports and needs them again.
"""

_SHELL = "_rtmon_class_reporter"
"""Name of the IPython shell's attribute in which the reporter is stored.

The shell exists as long as the kernel, so a cell that runs twice uses the same reporter.
"""


def report(learner: str, results: Mapping[str, Result]) -> None:
    """Send all results of a learner to the class server at the URL in RTMON_CLASS.

    Does nothing if RTMON_CLASS is not set, or outside IPython.

    Raises:
        RtmonError: the URL or the token is not valid, or the class server cannot be reached. In
            the second case the report is sent as soon as the server can be reached.
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
    """Return the running IPython shell; None if there is none."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


class Reporter:
    """Keeps a connection to the class server, and sends the learner's newest report over it.

    Attributes:
        wanted: the arguments ``(url, learner, token)`` that this reporter was created with.
        problem: why the newest report could not be sent; empty if it was sent or is being sent.

    Args:
        url: URL of the class server.
        learner: the learner's name on the class server.
        token: authenticates the learner, if the class server requires a token.
        again: seconds after which the newest report is sent again if no newer one exists.

    Raises:
        OptionError: an argument is not valid.
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
        # A daemon thread does not keep the kernel of a notebook from exiting.
        self._thread = threading.Thread(target=self._run, name="rtmon-class-reporter", daemon=True)
        self._thread.start()

    def send(self, results: Mapping[str, Result]) -> None:
        """Send a report as soon as the class server can be reached.

        If an older report has not been sent yet, the new report replaces it.
        """
        self._newest = msgspec.to_builtins(dict(results))
        self._call(self._news.set)

    def close(self) -> None:
        """Start closing the connection to the class server, and return at once.

        May be called twice.
        """
        self._call(self._task.cancel)

    def wait_closed(self) -> None:
        """Wait until the background thread has ended. Call :meth:`close` first."""
        self._thread.join()

    def _call(self, function: Callable[[], object]) -> None:
        """Call a function in the reporter's event loop; do nothing if the loop has ended."""
        with contextlib.suppress(RuntimeError):  # raised by a closed loop
            self._loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        """Run the reporter's event loop in the background thread until the reporter ends."""
        with contextlib.suppress(asyncio.CancelledError), contextlib.closing(self._loop):
            self._loop.run_until_complete(self._task)

    async def _report(self) -> None:
        """Send each new report, and send the newest report again after each interval."""
        try:
            async with self._client as client:
                while True:
                    # On Python 3.11, wait_for() ignores a cancellation just after news has come.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._again):
                            await self._news.wait()
                    self._news.clear()
                    await self._deliver(client, self._newest)
        except RtmonError as error:
            self.problem = str(error)

    async def _deliver(self, client: Client, newest: dict[str, Any]) -> None:
        """Publish a report, and wait for the class server's acknowledgement."""
        try:
            await client.publish(CHANNEL, newest, ack=True)
        except TimeoutError:
            self._news.set()  # The class server did not answer: retry with the newest report.
        except (ProtocolError, OptionError) as error:
            self.problem = f"it was refused: {error}"
        except (ConnectionLost, MessageExpired):
            self._news.set()
        else:
            self.problem = ""

    def _failed(self, change: Change) -> None:
        """Store why the client could not connect."""
        self.problem = str(change.error or change.reason)
