"""Check an exercise against live numbers, and tell the learner what is missing."""

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
"""Environment variable: 1 has a check raise when the answer is wrong, as graders need it."""

_INTERVAL = 0.01
"""Seconds between two looks."""

_LONGEST_LOOK = 60.0
"""Seconds that one look of a coroutine function may take; RTMON_COURSE_PATIENCE if that is more."""

Find = Callable[[], Any]
"""A function or coroutine function without arguments."""

Hint = str | Callable[[Any], str | None]
"""A hint: a text, or a function of the found value that returns a text, or None for no hint."""


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
    """Check an exercise, and show the learner the result: found and expected values if it failed.

    Two forms: with ``holds``, and with ``found`` and ``expected``, which can say what is missing::

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

    A wrong answer, or one that raises while the check looks, is "not yet". With :func:`since` the
    facts count from the exercise's cell on.

    Args:
        claim: the condition to meet, in words.
        holds: a function or coroutine function, called until it returns something true.
        found: a function or coroutine function, called until it returns what is expected: a value,
            or a mapping of names to values where a check has several facts.
        expected: a value; a condition (:func:`at_least`, :func:`at_most`, :func:`between`,
            :func:`satisfying`); or a mapping of names to these.
        hint: shown when the answer is wrong: a text, or a function of what was found that returns
            a text, or None for none. It says where to look and never the solution.
        exercise: the exercise's name, a notebook and a number: ``"01-2"``. With a name, the outcome
            goes to the learner's progress file and to the class server.
        points: points of a right answer; 1 by default. ``make docs`` writes them into the
            metadata that nbgrader reads, so it is a number, not an expression.
        within: seconds to look for. It is patience, never part of the claim: a slow machine may
            have more of it.
        strict: whether a wrong answer raises; None asks the environment for
            ``RTMON_COURSE_STRICT=1``.

    Raises:
        WrongAnswer: the answer is wrong, and the check is strict.
        OptionError: the arguments are not of one form, ``points`` has no ``exercise``, or
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
    """The last look of a check.

    Attributes:
        right: whether the exercise is done.
        missing: a sentence for each fact that is not as expected.
        found: what the hint's function gets.
        failed: whether looking raised, so that there is nothing found.
    """

    right: bool
    missing: list[str]
    found: Any = None
    failed: bool = False


def _look(holds: Find | None, found: Find | None, expected: object) -> Callable[[], Any]:
    """Return a coroutine function that looks once."""
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
        except Exception as error:  # noqa: BLE001 - an exercise half done raises anything
            problem = f"The check met {type(error).__name__}: {error}"
            return Outcome(right=False, missing=[problem], failed=True)

    return look


async def _watch(look: Callable[[], Any], within: float) -> Outcome:
    """Look again and again until the answer is right or the time is over."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + within
    while True:
        outcome: Outcome = await look()
        if outcome.right or clock() >= deadline:
            return outcome
        await asyncio.sleep(_INTERVAL)


def _words(claim: str, outcome: Outcome, hint: Hint | None) -> str:
    if outcome.right:
        return f"✓ Right: {claim}"
    lines = [f"○ Not yet: {claim}", *(f"  {sentence}" for sentence in outcome.missing)]
    advice = _advice(hint, outcome)
    return "\n".join([*lines, f"  Hint: {advice}"] if advice else lines)


def _advice(hint: Hint | None, outcome: Outcome) -> str | None:
    if not callable(hint):
        return hint
    if outcome.failed:
        return None
    try:
        return hint(outcome.found)
    except Exception:  # noqa: BLE001 - what was found may be of any kind
        return None


def _record(claim: str, outcome: Outcome, exercise: str, points: int) -> str:
    """Add the outcome to the progress file and report it to the class server; return errors."""
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
    if exercise is None:
        if points is not None:
            raise OptionError('points= are those of an exercise: name it, as exercise="01-2"')
    elif not re.fullmatch(progress_files.EXERCISE, exercise):
        raise OptionError(f"exercise={exercise!r} is not a notebook and a number, such as '01-2'")
    elif points is not None and points < 1:
        raise OptionError(f"points={points!r} of exercise {exercise} is not 1 or more")


def _strict() -> bool:
    return os.environ.get(STRICT, "").lower() not in {"", "0", "no", "false", "off"}


class _Sentence:
    """A text that shows itself as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _tell(text: str) -> None:
    """Show a text to the learner, below the cell that is running.

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
