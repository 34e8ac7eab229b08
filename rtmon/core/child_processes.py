"""Child processes that say when they are ready and never outlive the one that started them.

Two pipes join parent and child. When a child is ready it prints one line of JSON, where it can
be reached, to its standard output. Its standard input ends when the parent is gone, killed with
-9 or not, and then the child ends too.
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
"""Set in the environment of children: they report to a parent instead of a person."""

GRACE = 1.0
"""Seconds that children have to end when told to; then they are killed. With it `rtmon demo`
keeps its promise to end within two seconds."""

ORPHAN_GRACE = 0.5
"""Seconds in which a child whose parent is gone may end in good order."""


class ChildEnded(RtmonError):
    """A child process ended that should have gone on.

    Attributes:
        code: its exit code; negative if a signal ended it.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Child:
    """An rtmon command in a child process.

    Args:
        name: its name in messages, such as "the server".
        arguments: the command line after ``rtmon``.
    """

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        # -P: no file of the folder we happen to be in replaces a module. A group of its own:
        # Ctrl-C in a terminal reaches the parent alone, which then ends its children in order.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rtmon", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, _CHILD: "1"},
            process_group=0,
        )

    def ready(self) -> Mapping[str, Any]:
        """Wait until it is ready, and return the facts that it announced.

        Raises:
            ChildEnded: it ended before; why, it has said on standard error.
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
        """True while it runs."""
        return self.process.poll() is None

    def ended(self) -> ChildEnded:
        """Return an error that describes how it ended."""
        code = self.process.returncode
        how = f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        return ChildEnded(f"{self.name} (process {self.process.pid}) ended {how}", code)


def stop(children: Iterable[Child]) -> None:
    """End children, all at once: politely, and after a while by force. Idempotent."""
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
    """Announce that this process is ready: facts to a parent process, or else a text to the user.

    Returns:
        Whether it was a person.
    """
    if _CHILD in os.environ:
        print(json.dumps(facts), flush=True)  # noqa: T201 - the line that the parent waits for
        os.dup2(2, 1)  # nobody reads that pipe any more; what is printed later is for people
        return False
    if text:
        print(text, flush=True)  # noqa: T201 - to a person
    return True


def end_with_parent() -> None:
    """In a child, end when the parent is gone; elsewhere do nothing."""
    if _CHILD in os.environ:
        threading.Thread(target=_outlive_nobody, name="rtmon-parent", daemon=True).start()


def _outlive_nobody() -> None:
    # os.read, because a thread that waits in sys.stdin would hold its lock while Python exits.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_GRACE)
    os._exit(1)


class DemoSource:
    """A demo server with simulated users in processes of their own; see :func:`demo_source`.

    Attributes:
        url: the address of its admin listener.
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
        """End it. Idempotent; it ends by itself when this process does."""
        stop([self._child])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def demo_source(*, users: int = 20) -> DemoSource:
    """Start a demo server with traffic, for a dashboard that has nothing else to show.

    Returns when the server listens and the users are there.

    Args:
        users: how many users to simulate.

    Raises:
        ChildEnded: it could not be started; why, it has said on standard error.
    """
    return DemoSource(users)


def listens(url: str) -> bool:
    """Return True if a process accepts connections at the address of a URL; waits a second."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=1.0).close()
    except OSError:
        return False
    return True
