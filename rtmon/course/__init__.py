"""For the notebooks of the course: exercises that look at live numbers, and things that go on."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..testing import until

__all__ = ["check", "every"]


async def check(claim: str, holds: Callable[[], object], *, within: float = 1.0) -> None:
    """Say whether an exercise is done: whether a claim about live numbers comes to hold.

    Never raises: what is missing, or goes wrong while looking, is "not yet".

    Args:
        claim: what is to hold, in words.
        holds: looked at until it returns something true.
        within: seconds to look for.
    """
    problem: list[str] = []

    def look() -> object:
        problem.clear()
        try:
            return holds()
        except Exception as error:  # noqa: BLE001 - an exercise half done raises anything
            problem.append(f"\n  The check met {type(error).__name__}: {error}")
            return False

    try:
        await until(look, timeout=within)
    except TimeoutError:
        _tell(f"○ Not yet: {claim}{''.join(problem)}")
    else:
        _tell(f"✓ Right: {claim}")


class _Sentence:
    """A text that shows itself as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _tell(text: str) -> None:
    """Show a sentence to the learner, below the cell that is running.

    Not by ``print``: while a slider of a picture is moved, Panel takes what is printed, on whatever
    thread, and shows it elsewhere.
    """
    try:
        from IPython.display import display
    except ImportError:
        print(text)  # noqa: T201 - to the learner
    else:
        show: Any = display  # which has no types
        show(_Sentence(text))


@contextlib.asynccontextmanager
async def every(seconds: float, action: Callable[[], Any]) -> AsyncIterator[asyncio.Task[None]]:
    """Do something again and again, beside what else goes on, until the context ends.

    Args:
        seconds: between two times; of a schedule, so that a slow action does not stretch it.
        action: a function, or a coroutine function. What it raises ends the repetition, and is
            raised at the end.
    """

    async def repeat() -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            done = action()
            if inspect.isawaitable(done):
                await done
            due = max(due + seconds, clock())
            await asyncio.sleep(due - clock())

    task = asyncio.create_task(repeat(), name="rtmon-every")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
