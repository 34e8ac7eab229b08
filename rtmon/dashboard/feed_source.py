"""Opens the feed of a served dashboard: the server at ``RTMON_URL``, or else a demo server."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

from ..core.child_processes import demo_source, listens
from ..errors import FeedError
from ..feeds import Feed, open_feed
from .panel_worker_processes import is_one_of_several

__all__ = ["URL_VARIABLE", "demo_notice", "from_environment"]

URL_VARIABLE = "RTMON_URL"
"""Name of the environment variable with the address of the monitored server's admin listener."""


def demo_notice() -> str:
    """Return a notice for viewers that the dashboard shows a demo; "" if ``RTMON_URL`` is set."""
    if os.environ.get(URL_VARIABLE):
        return ""
    return (
        f"A demo with simulated users. To see your server, set {URL_VARIABLE} to the address of "
        "its admin listener, such as ws://127.0.0.1:8766, and start again."
    )


def from_environment() -> Feed:
    """Open the feed of the server whose admin listener is at ``RTMON_URL``.

    If ``RTMON_URL`` is not set, start a demo: a server with simulated users, in child processes
    that end with this process. All processes of ``panel serve --num-procs`` share one demo.

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
    """Start a demo that ends with this process; return the address of its admin listener."""
    demo = demo_source()
    atexit.register(demo.close)
    return demo.url


def _shared_demo() -> str:
    """Return the address of the demo that several processes share; start the demo if needed.

    The processes exchange the address through a file in the temporary directory. Only this user
    can read the file. The file's name contains the id of the processes' parent.
    """
    # fcntl does not exist on Windows. There, Panel does not support --num-procs.
    import fcntl

    path = Path(tempfile.gettempdir(), f"rtmon-demo-{os.getuid()}-{os.getppid()}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise FeedError(f"{path} belongs to another user; set {URL_VARIABLE}")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # The file may contain the address of a demo whose process was killed. So check that the
        # demo still accepts connections.
        if (url := file.read()) and listens(url):
            return url
        url = _demo()
        atexit.register(path.unlink, missing_ok=True)
        file.seek(0)
        file.truncate()
        file.write(url)
    return url
