"""Check a learner's exercise against live measurements, and show the learner what is missing."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

from ..core.clock import SYSTEM_CLOCK
from ..errors import OptionError, RtmonError, WrongAnswer
from . import class_server_reporter, progress_files
from .check_conditions import misses
from .time_limits import patience

__all__ = ["check"]

STRICT = "RTMON_COURSE_STRICT"
"""Environment variable. If its value is 1, ``check()`` raises WrongAnswer when an answer is wrong.
Grading tools such as nbgrader need this exception.
"""

_INTERVAL = 0.01
"""Seconds between two calls of the function that reads the facts of a check."""

_LONGEST_LOOK = 60.0
"""Time limit in seconds of one call of a check's coroutine function.
RTMON_COURSE_PATIENCE replaces this limit if its value is larger.
"""

Find = Callable[[], Any]
"""Type of the arguments ``holds`` and ``found`` of ``check()``: a function or coroutine function
without arguments.
"""

Hint = str | Callable[[Any], str | None]
"""Type of the argument ``hint`` of ``check()``: the text of the hint, or a function that takes the
found value and returns the text. The function returns None to show no hint.
"""


@overload
async def check(
    claim: str,
    holds: Find,
    *,
    hint: Hint | None = ...,
    exercise: str | None = ...,
    points: int | None = ...,
    within: float = ...,
    strict: bool | None = ...,
) -> None: ...


@overload
async def check(
    claim: str,
    *,
    found: Find,
    expected: object,
    hint: Hint | None = ...,
    exercise: str | None = ...,
    points: int | None = ...,
    within: float = ...,
    strict: bool | None = ...,
) -> None: ...


async def check(
    claim: str,
    holds: Find | None = None,
    *,
    found: Find | None = None,
    expected: object = None,
    hint: Hint | None = None,
    exercise: str | None = None,
    points: int | None = None,
    within: float = 1.0,
    strict: bool | None = None,
) -> None:
    """Check an exercise, and show the result to the learner below the notebook cell.

    There are two forms. Pass ``holds`` for a yes-or-no condition. Pass ``found`` and ``expected``
    to show the learner also the found and the expected value when the answer is wrong::

        await check(
            "forty are here",
            found=lambda: {"open": server.monitor.snapshot().open},
            expected={"open": at_least(40)},
            hint=lambda facts: f"connect {40 - facts['open']} more",
            exercise="00-1",
            points=2,
        )

        ○ Not yet: forty are here
          open is 8, this asks for at least 40
          Hint: connect 32 more

    A wrong answer is shown as "Not yet". So is an answer for which ``holds`` or ``found`` raises
    an exception. Use :func:`since` to count only what happens after the exercise's cell began.

    Args:
        claim: the condition that the learner has to meet, as text.
        holds: a function or coroutine function. It is called until it returns a true value.
        found: a function or coroutine function. It is called until it returns the expected value.
            It returns a mapping of names to values if the check compares several values.
        expected: a value; a condition (:func:`at_least`, :func:`at_most`, :func:`between`,
            :func:`satisfying`); or a mapping of names to values and conditions.
        hint: shown when the answer is wrong: a text, a function that takes the found value and
            returns a text, or None for no hint. A hint never contains the solution.
        exercise: the exercise's name, which is a notebook and a number: ``"01-2"``. If it is
            given, the result is written to the learner's progress file and sent to the class
            server.
        points: points for a right answer; 1 by default. In a notebook, write a literal number:
            ``make docs`` copies this number into the metadata that nbgrader reads.
        within: seconds after which a wrong answer is final. Increase this time for a slow machine.
            The learner is not shown this time.
        strict: True to raise an exception when the answer is wrong. None reads the environment
            variable ``RTMON_COURSE_STRICT``.

    Raises:
        WrongAnswer: the answer is wrong, and ``strict`` is true.
        OptionError: the arguments mix the two forms, ``points`` is given without ``exercise``, or
            ``exercise`` is not a notebook and a number.
    """
    look = _look(holds, found, expected)
    _validate(exercise, points)
    outcome = await _watch(look, patience(within))
    text = _words(claim, outcome, hint)
    if exercise is not None:
        text += _record(claim, outcome, exercise, points or 1)
    _tell(text)
    if not outcome.right and (_strict() if strict is None else strict):
        raise WrongAnswer(text)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one call of the function ``holds`` or ``found`` of a check.

    Attributes:
        right: True if the answer is right.
        missing: one sentence for each value that differs from the expected value.
        found: the value returned by ``holds`` or ``found``, which is passed to the hint function.
        failed: True if ``holds`` or ``found`` raised an exception. ``found`` is then None.
    """

    right: bool
    missing: list[str]
    found: Any = None
    failed: bool = False


def _look(holds: Find | None, found: Find | None, expected: object) -> Callable[[], Any]:
    """Return a coroutine function that calls ``holds`` or ``found`` and returns an Outcome."""
    find = holds if found is None else found
    if find is None or (holds is not None and found is not None):
        raise OptionError("check() takes either a function, or found= and expected=")
    if (found is None) != (expected is None):
        raise OptionError("check() compares found= with expected=: give both")

    async def look() -> Outcome:
        try:
            facts = find()
            if inspect.isawaitable(facts):
                async with asyncio.timeout(patience(_LONGEST_LOOK)):
                    facts = await facts
            if found is None:
                return Outcome(bool(facts), [], facts)
            missing = misses(facts, expected)
            return Outcome(not missing, missing, facts)
        except Exception as error:  # noqa: BLE001 - unfinished code of a learner raises anything
            problem = f"The check met {type(error).__name__}: {error}"
            return Outcome(right=False, missing=[problem], failed=True)

    return look


async def _watch(look: Callable[[], Any], within: float) -> Outcome:
    """Call ``look`` until the answer is right or ``within`` seconds have passed.

    Returns the last outcome.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within
    while True:
        outcome: Outcome = await look()
        if outcome.right or clock() >= deadline:
            return outcome
        await asyncio.sleep(_INTERVAL)


def _words(claim: str, outcome: Outcome, hint: Hint | None) -> str:
    """Return the text that the learner sees: the result, the differences and the hint."""
    if outcome.right:
        return f"✓ Right: {claim}"
    lines = [f"○ Not yet: {claim}", *(f"  {sentence}" for sentence in outcome.missing)]
    advice = _advice(hint, outcome)
    return "\n".join([*lines, f"  Hint: {advice}"] if advice else lines)


def _advice(hint: Hint | None, outcome: Outcome) -> str | None:
    """Return the hint as text; None if there is no hint for this outcome."""
    if not callable(hint):
        return hint
    if outcome.failed:
        return None
    try:
        return hint(outcome.found)
    except Exception:  # noqa: BLE001 - the hint function may not expect the learner's value
        return None


def _record(claim: str, outcome: Outcome, exercise: str, points: int) -> str:
    """Append the outcome to the learner's progress file, and report it to the class server.

    Returns a text about the errors that occurred, to be shown to the learner; empty if none did.
    """
    note = outcome.missing[0] if outcome.missing else ""
    entry = progress_files.ProgressEntry(
        time=round(SYSTEM_CLOCK.time(), 3),
        learner=progress_files.learner(),
        exercise=exercise,
        claim=claim,
        right=outcome.right,
        points=points,
        note=progress_files.one_line(note, 200),
    )
    path = progress_files.progress_file()
    entries = [entry]
    problems = []
    try:
        if path is not None:
            progress_files.append(path, entry)
            entries = progress_files.entries_of(path, entry.learner)
    except (OSError, RtmonError) as error:
        problems.append(f"This was not added to your progress file: {error}")
    try:
        class_server_reporter.report(entry.learner, progress_files.report_of(entries))
    except RtmonError as error:
        problems.append(f"The class server does not know of this yet: {error}")
    return "".join(f"\n  ({problem})" for problem in problems)


def _validate(exercise: str | None, points: int | None) -> None:
    """Raise OptionError if the exercise's name or its points are not valid."""
    if exercise is None:
        if points is not None:
            raise OptionError('points= are those of an exercise: name it, as exercise="01-2"')
    elif not re.fullmatch(progress_files.EXERCISE, exercise):
        raise OptionError(f"exercise={exercise!r} is not a notebook and a number, such as '01-2'")
    elif points is not None and points < 1:
        raise OptionError(f"points={points!r} of exercise {exercise} is not 1 or more")


def _strict() -> bool:
    """Return True if RTMON_COURSE_STRICT requests an exception for wrong answers."""
    return os.environ.get(STRICT, "").lower() not in {"", "0", "no", "false", "off"}


class _Sentence:
    """A text that IPython displays without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _tell(text: str) -> None:
    """Show a text to the learner, below the notebook cell that is running.

    IPython's ``display`` is used instead of ``print``, because Panel captures printed output while
    the learner moves a slider. Panel would show this output elsewhere in the notebook.
    """
    try:
        from IPython.display import display
    except ImportError:
        print(text)  # noqa: T201 - to the learner
    else:
        show: Any = display  # IPython has no type annotations for display()
        show(_Sentence(text))
