"""Run the notebooks of the course at a reader's speed; `make test-course-slow`.

Each notebook gets its own kernel, all at the same time, with the official solutions as answers.
A reader takes a minute for the text before a cell. Prints how many minutes each notebook takes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from .kernel import COUNT_LEFT, PATIENT, Kernel, Run
from .notebooks import NOTEBOOKS, Notebook

READING = 60.0
"""Seconds that a reader takes for the text before a cell."""

TOLERANCE = 5.0
"""Minutes by which the time in the head of a notebook may be wrong."""

STAGGER = 7.0
"""Seconds between the starts of two notebooks, so that their cells do not run at the same time."""


async def run(name: str, how: Run, *, after: float) -> tuple[float, list[str]]:
    """Run a notebook at a reader's speed.

    Args:
        name: of the notebook.
        how: to run it; its answers are the solutions.
        after: seconds to wait before it starts.

    Returns:
        Seconds that it took, and what went wrong.
    """
    await asyncio.sleep(after)
    notebook = Notebook.read(name)
    how.answers = dict(notebook.exercises())
    clock = asyncio.get_running_loop().time
    async with Kernel.start(notebook) as kernel:
        await kernel.run(COUNT_LEFT + PATIENT)
        began = clock()
        problems: list[str] = []
        try:
            said = await kernel.run_all(notebook, how)
        except Exception as error:  # noqa: BLE001 - a cell may raise anything; the others go on
            at = max(kernel.seconds, default=-1)
            problems.append(f"the code cell after [{at}] failed: {error}")
        else:
            problems += [
                f"[{at}] {told}"
                for at, each in said.items()
                for told in each
                if not told.startswith("✓ Right")
            ]
            if left := await kernel.left():
                problems.append(left)
            minutes = (clock() - began) / 60
            if how.pause >= READING and abs(minutes - notebook.minutes) > TOLERANCE:
                problems.append(f"its head says {notebook.minutes} minutes")
        took = clock() - began
    told = "; ".join(problems) or "passed"
    print(f"{name}: {took / 60:.0f} minutes, {told}", flush=True)  # noqa: T201 - the result
    return took, problems


async def main(arguments: list[str]) -> int:
    """Run the given notebooks, all by default; return how many failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.course.slow", description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of names, such as 00; all by default")
    parser.add_argument(
        "--pause", type=float, default=READING, help="seconds before each such cell"
    )
    parser.add_argument("--times", type=int, default=1, help="times in a row to run each cell")
    options = parser.parse_args(arguments)
    names = [name for name in NOTEBOOKS if name.startswith(tuple(options.names or [""]))]
    done = await asyncio.gather(
        *(
            run(name, Run(pause=options.pause, times=options.times), after=number * STAGGER)
            for number, name in enumerate(names)
        )
    )
    return sum(bool(problems) for _, problems in done)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
