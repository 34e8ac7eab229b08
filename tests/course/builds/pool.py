"""Sample solutions of the exercise "worker pool": a right one, and six wrong ones."""

from __future__ import annotations

import asyncio
from typing import Any

from rtmon.course import judges


def right() -> Any:
    async def run_all(jobs: Any, limit: int) -> list[Any]:
        places = asyncio.Semaphore(limit)

        async def run(job: Any) -> Any:
            async with places:
                return await job()

        return await asyncio.gather(*map(run, jobs), return_exceptions=True)

    return run_all


def one_after_the_other() -> Any:
    async def run_all(jobs: Any, limit: int) -> list[Any]:
        return [await job() for job in jobs]

    return run_all


def all_at_once() -> Any:
    async def run_all(jobs: Any, limit: int) -> list[Any]:
        return await asyncio.gather(*(job() for job in jobs), return_exceptions=True)

    return run_all


def in_packs() -> Any:
    async def run_all(jobs: Any, limit: int) -> list[Any]:
        results: list[Any] = []
        for at in range(0, len(jobs), limit):
            pack = [job() for job in jobs[at : at + limit]]
            results += await asyncio.gather(*pack, return_exceptions=True)
        return results

    return run_all


def as_they_end() -> Any:
    async def run_all(jobs: Any, limit: int) -> list[Any]:
        places, results = asyncio.Semaphore(limit), []

        async def run(job: Any) -> None:
            async with places:
                results.append(await job())

        await asyncio.gather(*map(run, jobs))
        return results

    return run_all


def ends_with_the_first_error() -> Any:
    async def run_all(jobs: Any, limit: int) -> list[Any]:
        places = asyncio.Semaphore(limit)

        async def run(job: Any) -> Any:
            async with places:
                return await job()

        return await asyncio.gather(*map(run, jobs))

    return run_all


def leaves_its_workers() -> Any:
    async def run_all(jobs: Any, limit: int) -> list[Any]:
        places = asyncio.Semaphore(limit)

        async def run(job: Any) -> Any:
            async with places:
                try:
                    return await job()
                except Exception as error:
                    return error

        tasks = [asyncio.create_task(run(job)) for job in jobs]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.001)
        return [task.result() for task in tasks]

    return run_all


judge = judges.worker_pool
wrong = {
    one_after_the_other: "with limit=4, 1 of 12 jobs",
    all_at_once: "with limit=1, 3 jobs were under way",
    in_packs: "3 of the other 11 ended",
    as_they_end: "in the order of the jobs",
    ends_with_the_first_error: "raised ValueError: this job fails",
    leaves_its_workers: "jobs were still under way",
}
