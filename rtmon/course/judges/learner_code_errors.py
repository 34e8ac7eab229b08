"""Find the learner's own lines, in a traceback and in code that blocks the event loop."""

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
"""Directories of code that is not the learner's."""

_TICK = 0.25
"""Seconds between two looks at whether the event loop still runs."""


class BlockedLoop(BaseException):
    """Raised inside code that blocks the event loop; no ``except Exception`` catches it."""


def _is_learners(filename: str) -> bool:
    """Return True if code of this file is the learner's: neither a library's nor rtmon's."""
    return not filename.startswith(_LIBRARIES)


def describe_error(error: BaseException) -> str:
    """Describe an error, with the innermost of the learner's lines that it passed."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is_learners(frame.filename):
            return f"{text} (line {frame.lineno}: `{frame.line}`)"
    return text


def is_learners_task(task: asyncio.Task[Any]) -> bool:
    """Return True if a task runs a coroutine function of the learner."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and _is_learners(code.co_filename)


@contextlib.contextmanager
def interrupt_when_blocked(*, after: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Interrupt the learner's code with :class:`BlockedLoop` when it blocks the running loop.

    Needs the main thread of a system with ``SIGALRM``; elsewhere it does nothing.

    Args:
        after: seconds without one turn of the loop. A machine too busy to run this process does
            not count: signals that come meanwhile are delivered as one.
        tell: called with a sentence that names the line, before the code is interrupted.
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
        # Another timer, such as a test's time limit, continues.
        rest = max(rest - (loop.time() - began), _TICK) if rest else 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, rest, interval)
        timer.cancel()


def _line_that_runs(frame: FrameType | None) -> str | None:
    """Return the innermost line of the learner's code that the loop is running, or None."""
    while frame is not None and frame.f_code.co_filename != asyncio.events.__file__:
        name = frame.f_code.co_filename
        if _is_learners(name):
            return f"line {frame.f_lineno}: `{linecache.getline(name, frame.f_lineno).strip()}`"
        frame = frame.f_back
    return None
