"""Judge a learner's worker pool, which runs jobs concurrently.

The number of jobs that the pool runs at the same time is limited. The pool has to return the
results in the order of the jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .trial import Broken, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["Job", "RunAll", "worker_pool"]

Job = Callable[[], Awaitable[Any]]
"""Type of a job: a coroutine function without arguments."""

RunAll = Callable[[Sequence[Job], int], Awaitable[Sequence[Any]]]
"""Type of the learner's function ``async def run_all(jobs, limit)``.

It returns a list with the result of each job.
"""

_ORDER = Promise(
    "results stand in the order of the jobs",
    "12 results, though the first job ends last",
    "in which order do the jobs end, and at which place does each result have to stand?",
)
_TOGETHER = Promise(
    "as many jobs as allowed run side by side",
    "with limit=4, four jobs are under way at once; with limit=1, one",
    "what does `await job()` do to the jobs that come after it?",
)
_LIMIT = Promise(
    "never more than the limit are under way",
    "with limit=4, at most four of 12 jobs",
    "who decides when the fifth job begins?",
)
_REFILL = Promise(
    "a free place is taken at once",
    "one job is slow: the other 11 end before it does",
    "do all places wait for the slowest one?",
)
_FAILED = Promise(
    "a job that fails spoils no other",
    "the third of six jobs raises ValueError: its place holds the error, all others their results",
    "what happens to the other jobs, and to the place in the list, when one raises?",
)
_EMPTY = Promise(
    "no job is no problem",
    "[] for no jobs, and two results for two jobs with limit=100",
    "what do your workers do when there is nothing to do for them?",
)
_CANCELLED = Promise(
    "when it is cancelled, its jobs are, too",
    "no job is under way afterwards",
    "who cancels the tasks that your function has started?",
)


async def worker_pool(run_all: RunAll) -> Verdict:
    """Judge a learner's function that runs jobs concurrently, but at most ``limit`` at once.

    If a job raises an exception, the list of results has to contain this exception in place of the
    job's result.

    Args:
        run_all: the learner's function, ``async def run_all(jobs, limit)``.
    """

    async def scenario(trial: Trial) -> None:
        with trial.promise(_ORDER):
            jobs = _Jobs()
            made = [jobs.make(number, 0.2 - 0.015 * number) for number in range(12)]
            _compare(await trial.call(run_all, made, 4), list(range(12)))
        with trial.promise(_TOGETHER):
            if jobs.most < 4:
                raise Broken(f"with limit=4, {jobs.most} of 12 jobs were under way at most")
            alone = _Jobs()
            await trial.call(run_all, [alone.make(number, 0.01) for number in range(3)], 1)
            if alone.most > 1:
                raise Broken(f"with limit=1, {alone.most} jobs were under way at once")
        with trial.promise(_LIMIT) as found:
            found.text = f"with limit=4, {jobs.most} jobs were under way at most"
            if jobs.most > 4:
                raise Broken(f"with limit=4, {jobs.most} jobs were under way at once")
        with trial.promise(_REFILL):
            jobs = _Jobs()
            others = [jobs.make(number, 0.01) for number in range(1, 12)]
            slow = jobs.make(0, until=lambda: len(jobs.ended) >= 11)
            task = trial.start(run_all, [slow, *others], 4)
            await trial.until(
                task.done,
                lambda: f"{len(jobs.ended)} of the other 11 ended while the slow job went on",
            )
        with trial.promise(_FAILED):
            jobs = _Jobs()
            made = [jobs.make(number, 0.02) for number in range(6)]
            made[2] = jobs.make(ValueError("this job fails"), 0.01)
            results = await trial.call(run_all, made, 3)
            if not (isinstance(results, list | tuple) and len(results) == 6):
                raise Broken(f"{results!r:.60} was returned")
            if not isinstance(results[2], ValueError):
                raise Broken(f"the third of the results is {results[2]!r:.40}")
            _compare([*results[:2], 2, *results[3:]], list(range(6)))
        with trial.promise(_EMPTY):
            _compare(await trial.call(run_all, [], 3), [])
            jobs = _Jobs()
            made = [jobs.make(number, 0.01) for number in range(2)]
            _compare(await trial.call(run_all, made, 100), [0, 1])
        with trial.promise(_CANCELLED):
            jobs = _Jobs()
            task = trial.start(run_all, [jobs.make(number, 3600) for number in range(3)], 2)
            await trial.until(lambda: jobs.running == 2, "two jobs did not begin")
            task.cancel()
            await trial.until(
                lambda: not jobs.running,
                lambda: f"{jobs.running} jobs were still under way {trial.patience:g} s later",
            )

    promises = [_ORDER, _TOGETHER, _LIMIT, _REFILL, _FAILED, _EMPTY, _CANCELLED]
    return await judged(promises, scenario)


class _Jobs:
    """Creates jobs, and counts how many of them run at the same time.

    Attributes:
        running: number of jobs that are running now.
        most: largest number of jobs that ran at the same time.
        ended: results of the jobs that have returned, in the order in which they returned.
    """

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.ended: list[Any] = []

    def make(
        self, result: Any, seconds: float = 0, *, until: Callable[[], bool] | None = None
    ) -> Job:
        """Create a job that sleeps, then waits for a condition, then returns or raises.

        Args:
            result: what the job returns. If ``result`` is an exception, the job raises it instead.
            seconds: how long the job sleeps.
            until: the condition that the job waits for; None for no condition.
        """

        async def job() -> Any:
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await asyncio.sleep(seconds)
                while until is not None and not until():  # noqa: ASYNC110 - there is no event
                    await asyncio.sleep(0.005)
            finally:
                self.running -= 1
            if isinstance(result, Exception):
                raise result
            self.ended.append(result)
            return result

        return job


def _compare(results: Any, wanted: list[Any]) -> None:
    """Compare the list that the learner's function returned with the wanted results.

    Raises:
        Broken: the results differ, or are no list.
    """
    if not isinstance(results, list | tuple) or list(results) != wanted:
        raise Broken(f"{results!r:.60} was returned, in place of {wanted}")
