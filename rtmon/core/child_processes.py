"""Child processes that report when they are ready, and end when their parent ends.

Two pipes connect parent and child. When the child is ready, it writes one line of JSON to its
standard output, with the addresses on which it listens. The child's standard input ends when the
parent ends, even after ``kill -9``; then the child ends, too.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from ..errors import RtmonError

__all__ = [
    "Child",
    "ChildEnded",
    "DemoSource",
    "announce",
    "demo_source",
    "end_with_parent",
    "listens",
    "stop",
]

_CHILD = "RTMON_CHILD"
"""Environment variable that marks a child process: the child reports to its parent process, not to
a user."""

GRACE = 1.0
"""Seconds that child processes have to end after SIGTERM; then they are killed. So `rtmon demo`
always ends within two seconds."""

ORPHAN_GRACE = 0.5
"""Seconds that a child process has to end by itself after its parent has ended."""


class ChildEnded(RtmonError):
    """A child process ended that was expected to run.

    Attributes:
        code: the child's exit code; the negative signal number if a signal ended the child.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Child:
    """An rtmon command in a child process.

    Args:
        name: name of the child in messages, such as "the server".
        arguments: the command line after ``rtmon``.
    """

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        # With -P, a file in the current folder cannot replace a module of the same name.
        # The child gets its own process group. Ctrl-C in a terminal then reaches only the parent,
        # which terminates its children in order.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rtmon", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, _CHILD: "1"},
            process_group=0,
        )

    def ready(self) -> Mapping[str, Any]:
        """Wait until the child is ready, and return the facts that it announced.

        Raises:
            ChildEnded: the child ended before it was ready. Its standard error has the reason.
        """
        assert self.process.stdout is not None  # noqa: S101 - for the type checker
        with self.process.stdout as announcement:
            line = announcement.readline()
        if not line:
            self.process.wait()
            raise self.ended()
        facts: Mapping[str, Any] = json.loads(line)
        return facts

    def running(self) -> bool:
        """Return True while the child process runs."""
        return self.process.poll() is None

    def ended(self) -> ChildEnded:
        """Return an exception that describes how the child process ended."""
        code = self.process.returncode
        how = f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        return ChildEnded(f"{self.name} (process {self.process.pid}) ended {how}", code)


def stop(children: Iterable[Child]) -> None:
    """Terminate child processes: SIGTERM to all, then SIGKILL to those that do not end in time.

    May be called twice.
    """
    children = list(children)
    for child in children:
        child.process.terminate()
    deadline = time.monotonic() + GRACE
    for child in children:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        for pipe in (child.process.stdin, child.process.stdout):
            if pipe is not None:
                pipe.close()


def announce(text: str, **facts: str | int | None) -> bool:
    """Announce that this process is ready: to its parent process, if it has one, else to the user.

    Args:
        text: printed for the user; nothing is printed if it is empty.
        facts: sent to the parent process as a line of JSON.

    Returns:
        True if there is no parent process to report to.
    """
    if _CHILD in os.environ:
        print(json.dumps(facts), flush=True)  # noqa: T201 - the line that the parent waits for
        os.dup2(2, 1)  # the parent reads one line only; print later output to standard error
        return False
    if text:
        print(text, flush=True)  # noqa: T201 - for the user
    return True


def end_with_parent() -> None:
    """End this process when its parent process ends. Does nothing without a parent process."""
    if _CHILD in os.environ:
        threading.Thread(target=_outlive_nobody, name="rtmon-parent", daemon=True).start()


def _outlive_nobody() -> None:
    # sys.stdin.read() would hold a lock while Python exits; os.read() does not.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_GRACE)
    os._exit(1)


class DemoSource:
    """A demo server with simulated users, in child processes; see :func:`demo_source`.

    Attributes:
        url: address of the demo server's admin listener.
    """

    def __init__(self, users: int) -> None:
        self._child = Child(
            "the demo", "demo", "--no-dashboard", "--port=0", "--admin-port=0", f"--users={users}"
        )
        try:
            self.url = str(self._child.ready()["admin"])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the demo server. May be called twice. The server also ends when this process ends."""
        stop([self._child])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def demo_source(*, users: int = 20) -> DemoSource:
    """Start a demo server with traffic, for a dashboard without another source.

    Returns when the server accepts connections and the simulated users are connected.

    Args:
        users: number of simulated users.

    Raises:
        ChildEnded: the server could not be started; its standard error has the reason.
    """
    return DemoSource(users)


def listens(url: str) -> bool:
    """Return True if a process accepts TCP connections at the host and port of a URL.

    Waits for one second at most.
    """
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=1.0).close()
    except OSError:
        return False
    return True
