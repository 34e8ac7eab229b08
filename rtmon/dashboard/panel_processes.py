"""The processes of ``panel serve --num-procs``: each shows pages, one parent has started them."""

from __future__ import annotations

import os
import signal
import threading
import time

from tornado.process import task_id

__all__ = ["end_with_parent", "is_one_of_several"]

PERIOD = 0.5
"""Seconds between two looks at the parent."""


def is_one_of_several() -> bool:
    """Return True in a process that shares its port with others."""
    return task_id() is not None


def end_with_parent() -> None:
    """End this process when its parent has ended, which Panel itself does not.

    Else it would hold the port, and the demo that it has started would go on.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), name="rtmon-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PERIOD)
    os.kill(os.getpid(), signal.SIGTERM)
