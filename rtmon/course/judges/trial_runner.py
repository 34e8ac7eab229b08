"""Run a trial: with a time limit, and without a way for the learner's code to stop it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from websockets.exceptions import WebSocketException

from .learner_code_errors import describe_error, interrupt_when_blocked
from .trial import PATIENCE, Broken, Trial
from .verdict import Promise, Verdict

__all__ = ["judged"]

_TIME_LIMIT = 17.0
"""Seconds that a trial may take, one wait among them; cleaning up comes on top."""

_BLOCKED = 2.0
"""Seconds for which the learner's code may block the event loop."""


async def judged(
    promises: Sequence[Promise], scenario: Callable[[Trial], Coroutine[Any, Any, None]]
) -> Verdict:
    """Run a scenario against the learner's code, and return the verdict.

    Never raises because of the learner's code, and leaves nothing behind. Ends within 20 s; with
    RTMON_COURSE_PATIENCE later by as much as one wait is longer, since a trial ends with the first
    wait that is in vain.

    Args:
        promises: in the order in which the scenario tries them.
        scenario: coroutine function that tries them.

    Raises:
        OptionError: RTMON_COURSE_PATIENCE is not a number.
    """
    trial = Trial(promises)
    limit = _TIME_LIMIT + trial.patience - PATIENCE
    task = asyncio.create_task(scenario(trial), name="rtmon-judge")
    loop = asyncio.get_running_loop()

    def interrupted(found: str) -> None:
        trial.interruption = trial.interruption or found
        loop.call_soon_threadsafe(task.cancel)

    try:
        with _quiet(), interrupt_when_blocked(after=_BLOCKED, tell=interrupted):
            await asyncio.wait([task], timeout=limit)
            if not task.done():
                trial.interruption = f"this was not done after {limit:g} s"
            await trial.end(task)
    finally:
        task.cancel()
    if trial.interruption:
        trial.broke(trial.interruption)
    elif not task.cancelled() and (error := task.exception()) is not None:
        if not isinstance(error, Broken | OSError | TimeoutError | WebSocketException):
            raise error  # the judge's own fault
        trial.broke(str(error) if isinstance(error, Broken) else describe_error(error))
    return trial.verdict()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep asyncio from logging each write to a connection that a judge has cut."""

    def passes(record: logging.LogRecord) -> bool:
        return "socket.send() raised" not in record.getMessage()

    logger = logging.getLogger("asyncio")
    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)
