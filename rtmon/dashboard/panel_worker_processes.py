"""Detects the worker processes of ``panel serve --num-procs``, and ends them with their parent."""

from __future__ import annotations

import os
import signal
import threading
import time

from tornado.process import task_id

__all__ = ["end_with_parent", "is_one_of_several"]

PERIOD = 0.5
"""Seconds between two checks that the parent process still runs."""


def is_one_of_several() -> bool:
    """Return True in a worker process that shares its listening port with other workers."""
    return task_id() is not None


def end_with_parent() -> None:
    """Start a thread that ends this process when the parent process has ended.

    Panel does not end its worker processes. Without this thread, a worker would keep the listening
    port, and the demo that the worker has started would keep running.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), name="rtmon-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PERIOD)
    os.kill(os.getpid(), signal.SIGTERM)
