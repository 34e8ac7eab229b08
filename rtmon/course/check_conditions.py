"""Conditions for found values in ``check()``, and texts that explain wrong values. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

__all__ = ["Condition", "at_least", "at_most", "between", "misses", "satisfying", "since"]

_SHOWN = 80
"""Maximum number of characters that a learner sees of a found or expected value."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that a found value must meet in ``check()``, such as "at least 40".

    Attributes:
        words: the condition as text. It completes the sentence "this asks for …".
        holds: predicate. It takes the found value and returns a true value if that is right.
    """

    words: str
    holds: Callable[[Any], object]


def at_least(bound: float) -> Condition:
    """Return the condition that a number is equal to ``bound`` or larger."""
    return Condition(f"at least {_shown(bound)}", lambda found: found >= bound)


def at_most(bound: float) -> Condition:
    """Return the condition that a number is equal to ``bound`` or smaller."""
    return Condition(f"at most {_shown(bound)}", lambda found: found <= bound)


def between(low: float, high: float) -> Condition:
    """Return the condition that a number lies between ``low`` and ``high``, both included."""
    return Condition(f"{_shown(low)} to {_shown(high)}", lambda found: low <= found <= high)


def satisfying(words: str, holds: Callable[[Any], object]) -> Condition:
    """Return a condition that is met if the function ``holds`` returns a true value.

    Args:
        words: the condition as text, such as ``"an even number"``. It completes the sentence
            "this asks for …".
        holds: called with the found value. It returns a true value if the found value is right.
    """
    return Condition(words, holds)


def since(facts: Callable[[], Mapping[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Read counters now; return a function that returns how much each counter has grown.

    Use it in an exercise's cell to ignore what happened before the cell ran::

        grown = since(lambda: {"published": chat.published, "delivered": chat.delivered})
        ...
        await check("…", found=grown, expected={"published": 1, "delivered": 10})

    Args:
        facts: returns the counters as a mapping of names to numbers. A counter that is missing in
            the first reading counts from 0.
    """
    before = dict(facts())
    return lambda: {name: now - before.get(name, 0) for name, now in facts().items()}


def misses(found: Any, expected: Any) -> list[str]:
    """Compare found with expected values, and return one sentence for each difference.

    Args:
        found: a value, or a mapping of names to values.
        expected: a value, a :class:`Condition`, or a mapping of names to values and conditions.
            Found values whose name is not in this mapping are ignored.
    """
    if not isinstance(expected, Mapping):
        return [] if _meets(found, expected) else [f"found {_asks(found, expected)}"]
    if not isinstance(found, Mapping):
        return [f"found {_shown(found)}, this asks for {', '.join(map(str, expected))}"]
    return [
        f"{name} is {_asks(found.get(name), wanted)}"
        for name, wanted in expected.items()
        if not _meets(found.get(name), wanted)
    ]


def _meets(found: Any, expected: Any) -> bool:
    """Return True if a found value equals the expected value or meets the expected condition."""
    if not isinstance(expected, Condition):
        return bool(found == expected)
    if found is None:  # None cannot be compared with a number.
        return False
    return bool(expected.holds(found))


def _asks(found: Any, expected: Any) -> str:
    """Return the found value and the condition as text: ``"8, this asks for at least 40"``."""
    words = expected.words if isinstance(expected, Condition) else _shown(expected)
    return f"{_shown(found)}, this asks for {words}"


def _shown(value: object) -> str:
    """Return a value as one line of text: numbers are rounded, long texts are truncated."""
    if value is None:
        return "nothing yet"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, Integral):  # includes the integer types of numpy
        return f"{int(value):,}"
    if isinstance(value, Real):
        return f"{float(value):,.5g}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
