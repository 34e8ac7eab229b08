"""Open the feed of a served dashboard: of the server in ``RTMON_URL``, or of a demo server."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

from ..core.child_processes import demo_source, listens
from ..errors import FeedError
from ..feeds import Feed, open_feed
from .panel_processes import is_one_of_several

__all__ = ["URL_VARIABLE", "demo_notice", "from_environment"]

URL_VARIABLE = "RTMON_URL"
"""Environment variable: address of the admin listener of the server to show."""


def demo_notice() -> str:
    """Return the sentence that a demo's page shows; "" if ``RTMON_URL`` names a server."""
    if os.environ.get(URL_VARIABLE):
        return ""
    return (
        f"A demo with simulated users. To see your server, set {URL_VARIABLE} to the address of "
        "its admin listener, such as ws://127.0.0.1:8766, and start again."
    )


def from_environment() -> Feed:
    """Open the feed of the server whose address is in ``RTMON_URL``.

    If ``RTMON_URL`` is not set, start a demo: a server and simulated users in child processes,
    which end with this process. All processes of ``panel serve --num-procs`` share one demo.

    Raises:
        OptionError: ``RTMON_URL`` is not the address of an admin listener.
        ChildEnded: the demo could not be started.
        FeedError: the file with the shared demo's address belongs to another user.
    """
    url = os.environ.get(URL_VARIABLE)
    if not url:
        url = _shared_demo() if is_one_of_several() else _demo()
    return open_feed(url)


def _demo() -> str:
    """Start a demo that ends with this process. Return the address of its admin listener."""
    demo = demo_source()
    atexit.register(demo.close)
    return demo.url


def _shared_demo() -> str:
    """Return the admin address of the demo that several processes share.

    The first process starts the demo and writes the address into a temporary file. Only the
    current user can read the file. The id of the parent process is part of the file's name.
    """
    import fcntl  # not on Windows, which has no --num-procs

    path = Path(tempfile.gettempdir(), f"rtmon-demo-{os.getuid()}-{os.getppid()}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise FeedError(f"{path} belongs to another user; set {URL_VARIABLE}")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # A killed process may have left a file with the address of a demo that has ended.
        if (url := file.read()) and listens(url):
            return url
        url = _demo()
        atexit.register(path.unlink, missing_ok=True)
        file.seek(0)
        file.truncate()
        file.write(url)
    return url
