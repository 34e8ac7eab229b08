"""Run the trial of a learner's code with a time limit, whatever the code does."""

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
"""Time limit of a trial in seconds, without the time for stopping its servers and tasks."""

_BLOCKED = 2.0
"""Seconds for which the learner's code may block the event loop before it is interrupted."""


async def judged(
    promises: Sequence[Promise], scenario: Callable[[Trial], Coroutine[Any, Any, None]]
) -> Verdict:
    """Run a judge's scenario against the learner's code, and return the verdict.

    Exceptions of the learner's code are described in the verdict and never raised. All tasks,
    servers and proxies of the trial are stopped. A trial ends within 20 s. RTMON_COURSE_PATIENCE
    can extend the time limit of each wait. The limit of the trial then grows by the same time once,
    because a trial ends after the first wait that times out.

    Args:
        promises: the promises, in the order in which the scenario tests them.
        scenario: the judge's coroutine function that tests the promises.

    Raises:
        OptionError: the value of RTMON_COURSE_PATIENCE is not a number.
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
            raise error  # This is an error in the judge, not in the learner's code.
        trial.broke(str(error) if isinstance(error, Broken) else describe_error(error))
    return trial.verdict()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the asyncio log messages about writes to connections that a judge has cut."""

    def passes(record: logging.LogRecord) -> bool:
        return "socket.send() raised" not in record.getMessage()

    logger = logging.getLogger("asyncio")
    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)
