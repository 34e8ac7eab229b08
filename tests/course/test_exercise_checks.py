"""The function `check` of the course, which tests a learner's answer and prints the result."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtmon.course import at_least, at_most, between, check, satisfying, since
from rtmon.errors import OptionError, WrongAnswer

Said = pytest.CaptureFixture[str]


async def said(capsys: Said, *args: Any, **options: Any) -> list[str]:
    """Run a check, and return the lines that it printed."""
    await check(*args, **{"within": 0.01, **options})
    return capsys.readouterr().out.splitlines()


async def test_check_prints_found_and_expected_value_and_hint_when_answer_is_wrong(
    capsys: Said,
) -> None:
    """Exercise check prints the found value, the expected value and a hint when the answer is
    wrong, and "Right" when it is right.
    """
    facts = {"open": 8}
    options: dict[str, Any] = {
        "found": lambda: facts,
        "expected": {"open": at_least(40)},
        "hint": lambda found: f"connect {40 - found['open']} more",
    }
    assert await said(capsys, "forty are here", **options) == [
        "○ Not yet: forty are here",
        "  open is 8, this asks for at least 40",
        "  Hint: connect 32 more",
    ]
    facts["open"] = 40
    assert await said(capsys, "forty are here", **options) == ["✓ Right: forty are here"]


async def test_check_prints_only_the_values_that_differ(capsys: Said) -> None:
    """Exercise check of several values prints only the values that differ from what the check
    expects.
    """
    lines = await said(
        capsys,
        "several",
        found=lambda: {"one": 1, "two": 3, "other": 9},
        expected={"one": 1, "two": 2, "three": "x"},
        hint="count",
    )
    assert lines == [
        "○ Not yet: several",
        "  two is 3, this asks for 2",
        "  three is nothing yet, this asks for 'x'",
        "  Hint: count",
    ]


@pytest.mark.parametrize(
    ("found", "expected", "sentence"),
    [
        (1234.5678, 2, "found 1,234.6, this asks for 2"),
        (0.123456, at_most(0.1), "found 0.12346, this asks for at most 0.1"),
        (12, between(1, 10), "found 12, this asks for 1 to 10"),
        (False, True, "found False, this asks for True"),
        ("<b>\n\x1b[1m", "b", r"found '<b>\n\x1b[1m', this asks for 'b'"),
        (None, at_least(1), "found nothing yet, this asks for at least 1"),
        ([3], satisfying("one of few", lambda found: len(found) > 1), "one of few"),
        (range(99999), {"open": 1}, "found range(0, 99999), this asks for open"),
        ("x" * 999, 1, f"'{'x' * 78}…, this asks for 1"),
    ],
)
async def test_check_prints_values_rounded_shortened_and_on_one_line(
    capsys: Said, found: Any, expected: Any, sentence: str
) -> None:
    """Exercise check prints a found value on one line: rounded, shortened, and with control
    characters escaped.
    """
    _, line = await said(capsys, "it holds", found=lambda: found, expected=expected)
    assert sentence in line


async def test_check_passes_when_its_function_returns_the_expected_value_in_time(
    capsys: Said,
) -> None:
    """Exercise check calls the learner's function or coroutine function repeatedly, and passes when
    the function returns the expected value within the time limit.
    """
    looks: list[int] = []

    async def count() -> int:
        looks.append(1)
        return len(looks)

    assert await said(capsys, "third", found=count, expected=3, within=60) == ["✓ Right: third"]
    assert await said(capsys, "fifth", lambda: looks.append(1) or len(looks) > 4, within=60) == [
        "✓ Right: fifth"
    ]


async def test_check_prints_not_yet_when_its_functions_raise(capsys: Said) -> None:
    """Exercise check prints "Not yet" with the exception's text and no traceback when a function
    given to the check raises an exception.
    """
    assert await said(capsys, "broken", lambda: 1 / 0, hint=str) == [
        "○ Not yet: broken",
        "  The check met ZeroDivisionError: division by zero",
    ]
    assert await said(capsys, "odd", found=lambda: "x", expected=at_least(1), hint="look") == [
        "○ Not yet: odd",
        "  The check met TypeError: '>=' not supported between instances of 'str' and 'int'",
        "  Hint: look",
    ]
    lines = await said(capsys, "odd", found=lambda: 1, expected=2, hint=lambda found: found["x"])
    assert lines == ["○ Not yet: odd", "  found 1, this asks for 2"]


async def test_since_returns_a_function_that_gives_the_growth_of_counts(capsys: Said) -> None:
    """Function since() of the course returns a function that gives how much each count has grown
    since the call of since().
    """
    counts = {"published": 7}
    grown = since(lambda: counts)
    counts["published"] += 1
    counts["late"] = 3
    lines = await said(capsys, "one", found=grown, expected={"published": 1, "late": 2})
    assert lines == ["○ Not yet: one", "  late is 3, this asks for 2"]


async def test_strict_check_raises_when_the_answer_is_wrong(
    capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exercise check with strict=True or RTMON_COURSE_STRICT=1 prints a wrong answer and raises
    an AssertionError.
    """
    with pytest.raises(WrongAnswer, match="found 1, this asks for 2"):
        await said(capsys, "two", found=lambda: 1, expected=2, strict=True)
    assert "Not yet: two" in capsys.readouterr().out
    monkeypatch.setenv("RTMON_COURSE_STRICT", "1")
    with pytest.raises(AssertionError):
        await said(capsys, "undone", lambda: None)
    capsys.readouterr()
    assert await said(capsys, "undone", lambda: None, strict=False) == ["○ Not yet: undone"]
    assert await said(capsys, "done", lambda: True) == ["✓ Right: done"]
    monkeypatch.setenv("RTMON_COURSE_STRICT", "0")
    assert await said(capsys, "undone", lambda: None) == ["○ Not yet: undone"]


async def test_check_waits_as_long_as_the_patience_variable_says(
    capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exercise check waits for a right answer at least as many seconds as RTMON_COURSE_PATIENCE
    says, and raises OptionError when the variable is not a number.
    """
    looks: list[int] = []
    monkeypatch.setenv("RTMON_COURSE_PATIENCE", "60")
    assert await said(capsys, "20th", lambda: looks.append(1) or len(looks) > 19, within=0) == [
        "✓ Right: 20th"
    ]
    monkeypatch.setattr("rtmon.course.exercise_checks._LONGEST_LOOK", 0.001)
    assert await said(capsys, "slept", lambda: asyncio.sleep(0.05, True)) == ["✓ Right: slept"]
    monkeypatch.setenv("RTMON_COURSE_PATIENCE", "long")
    with pytest.raises(OptionError, match="RTMON_COURSE_PATIENCE='long' is not a number"):
        await check("20th", lambda: True)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "either a function, or found="),
        ({"holds": lambda: 1, "found": lambda: 1, "expected": 1}, "either a function, or found="),
        ({"holds": lambda: 1, "expected": 1}, "give both"),
        ({"found": lambda: 1}, "give both"),
        ({"holds": lambda: 1, "points": 2}, "name it"),
        ({"holds": lambda: 1, "exercise": "../01"}, "is not a notebook and a number"),
        ({"holds": lambda: 1, "exercise": "01-1", "points": 0}, "is not 1 or more"),
    ],
)
async def test_check_refuses_wrong_arguments(options: dict[str, Any], complaint: str) -> None:
    """Exercise check that a notebook's author calls with wrong arguments raises OptionError that
    names the mistake.
    """
    with pytest.raises(OptionError, match=complaint):
        await check("it holds", **options)
