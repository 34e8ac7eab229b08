"""Find the line of a learner's code that raised an exception or blocks the event loop.

Code that blocks the event loop is interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import signal
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["BlockedLoop", "describe_error", "interrupt_when_blocked", "is_learners_task"]

_LIBRARIES = (
    *{sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib")},
    str(Path(__file__).parents[2]),
    "<frozen",
)
"""Path prefixes of library code: the standard library, installed packages, and rtmon."""

_TICK = 0.25
"""Seconds between two checks of whether the event loop is blocked."""


class BlockedLoop(BaseException):
    """Raised inside a learner's code to interrupt code that blocks the event loop.

    The class derives from BaseException, so that an ``except Exception`` in the learner's code does
    not catch the exception.
    """


def _is_learners(filename: str) -> bool:
    """Return True if a file contains the learner's code, and not code of a library or of rtmon."""
    return not filename.startswith(_LIBRARIES)


def describe_error(error: BaseException) -> str:
    """Return the type and message of an error, and the line of the learner's code that raised it.

    If the traceback has several lines of the learner, the innermost one is named.
    """
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is_learners(frame.filename):
            return f"{text} (line {frame.lineno}: `{frame.line}`)"
    return text


def is_learners_task(task: asyncio.Task[Any]) -> bool:
    """Return True if an asyncio task runs a coroutine function that the learner has written."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and _is_learners(code.co_filename)


@contextlib.contextmanager
def interrupt_when_blocked(*, after: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Raise :class:`BlockedLoop` in the learner's code when the code blocks the event loop.

    This needs the main thread and a system with ``SIGALRM``. In other threads, and on Windows, it
    does nothing.

    Args:
        after: seconds for which the code may block the event loop. A timer signal counts this time.
            While the operating system runs other processes, this process gets only one signal, so
            such a pause is not counted.
        tell: called just before the code is interrupted, with a sentence that names the blocking
            line.
    """
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    loop, missed = asyncio.get_running_loop(), 0
    timer: asyncio.Handle

    def beat() -> None:
        nonlocal missed, timer
        missed = 0
        timer = loop.call_later(_TICK / 5, beat)

    def look(_signal: int, frame: FrameType | None) -> None:
        nonlocal missed
        missed += 1
        line = _line_that_runs(frame)
        if missed * _TICK >= after and line is not None:
            missed = 0
            tell(
                f"your code kept the event loop busy for {after:g} s, and everything else "
                f"had to wait ({line})"
            )
            raise BlockedLoop

    timer = loop.call_soon(beat)
    handler = signal.signal(signal.SIGALRM, look)
    began, (rest, interval) = loop.time(), signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    try:
        yield
    finally:
        # Restore the timer that was set before, such as the time limit of a test.
        rest = max(rest - (loop.time() - began), _TICK) if rest else 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, rest, interval)
        timer.cancel()


def _line_that_runs(frame: FrameType | None) -> str | None:
    """Return the line of the learner's code that the event loop is running; None if there is none.

    If several lines are on the call stack, the innermost one is returned.
    """
    while frame is not None and frame.f_code.co_filename != asyncio.events.__file__:
        name = frame.f_code.co_filename
        if _is_learners(name):
            return f"line {frame.f_lineno}: `{linecache.getline(name, frame.f_lineno).strip()}`"
        frame = frame.f_back
    return None
