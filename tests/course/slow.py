"""Run the notebooks of the course at a reader's speed; `make test-course-slow`.

All notebooks run at the same time, each in its own kernel, with the official solutions as answers.
Before each cell that follows text, the run waits one minute, as a reader would. It prints how many
minutes each notebook took.
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
"""Largest allowed difference in minutes from the duration that a notebook announces."""

STAGGER = 7.0
"""Seconds between the starts of two notebooks, so that their cells do not all run at once."""


async def run(name: str, how: Run, *, after: float) -> tuple[float, list[str]]:
    """Run a notebook at a reader's speed.

    Args:
        name: Name of the notebook.
        how: Options of the run. Its answers are replaced by the solutions.
        after: Seconds to wait before the run starts.

    Returns:
        Seconds that the run took, and a description of each fault.
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
        # A cell may raise any exception, and the other notebooks must continue.
        except Exception as error:  # noqa: BLE001
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
    """Run the notebooks named on the command line, or all; return how many failed."""
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
