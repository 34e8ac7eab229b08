"""Handle the worker processes of ``panel serve --num-procs``, which one parent process starts."""

from __future__ import annotations

import os
import signal
import threading
import time

from tornado.process import task_id

__all__ = ["end_with_parent", "is_one_of_several"]

PERIOD = 0.5
"""Seconds between two checks that the parent process is running."""


def is_one_of_several() -> bool:
    """Return True if this process is one of several workers that share a port."""
    return task_id() is not None


def end_with_parent() -> None:
    """Send SIGTERM to this process as soon as its parent process has ended.

    Panel does not do this. A worker without a parent would keep the port open, and would keep a
    demo that it has started running.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), name="rtmon-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PERIOD)
    os.kill(os.getpid(), signal.SIGTERM)
