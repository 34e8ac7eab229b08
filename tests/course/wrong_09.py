"""Wrong answers to the exercises of course notebook 09. For each exercise: reason why it is wrong →
code.
"""

from __future__ import annotations

WRONG = [
    {
        "one after the other": """
answers = [await oracle.ask(number) for number in (1, 2, 3)]
""",
        "only two at a time": """
answers = [*await asyncio.gather(oracle.ask(1), oracle.ask(2)), await oracle.ask(3)]
""",
        "nobody was asked": """
answers = [1, 2, 3]
""",
        "in another order": """
answers = await asyncio.gather(oracle.ask(3), oracle.ask(2), oracle.ask(1))
""",
        "asked twice": """
for _ in range(2):
    answers = await asyncio.gather(oracle.ask(1), oracle.ask(2), oracle.ask(3))
""",
        "tasks instead of answers": """
answers = [asyncio.create_task(oracle.ask(number)) for number in (1, 2, 3)]
await asyncio.wait(answers)
""",
    },
    {
        "in this thread": """
text = report()
""",
        "in a coroutine": """
async def politely():
    await asyncio.sleep(0.2)
    return report()


text = await politely()
""",
        "in a task": """
async def beside():
    return report()


text = await asyncio.create_task(beside())
""",
        "a thread that is waited for": """
import threading

thread = threading.Thread(target=lambda: reports.append(report()))
thread.start()
thread.join()
""",
        "invented": """
text = "report 1"
""",
        "made twice": """
await asyncio.to_thread(report)
text = await asyncio.to_thread(report)
""",
    },
    {
        "one after the other": """
async def run_all(jobs, limit):
    return [await job() for job in jobs]
""",
        "all at once": """
async def run_all(jobs, limit):
    return await asyncio.gather(*(job() for job in jobs), return_exceptions=True)
""",
        "in packs": """
async def run_all(jobs, limit):
    results = []
    for at in range(0, len(jobs), limit):
        pack = [job() for job in jobs[at : at + limit]]
        results += await asyncio.gather(*pack, return_exceptions=True)
    return results
""",
        "an error ends it": """
async def run_all(jobs, limit):
    places = asyncio.Semaphore(limit)

    async def run(job):
        async with places:
            return await job()

    return await asyncio.gather(*(run(job) for job in jobs))
""",
        "as they end": """
async def run_all(jobs, limit):
    places, results = asyncio.Semaphore(limit), []

    async def run(job):
        async with places:
            results.append(await job())

    await asyncio.gather(*(run(job) for job in jobs))
    return results
""",
        "blocks": """
async def run_all(jobs, limit):
    time.sleep(1000)
""",
    },
]
