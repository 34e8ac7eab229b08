"""Conditions for the facts that a check finds, with words for both. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

__all__ = ["Condition", "at_least", "at_most", "between", "misses", "satisfying", "since"]

_SHOWN = 80
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition for a fact with more than one right value.

    Attributes:
        words: completes "this asks for …": ``"at least 40"``.
        holds: returns something true for a right value.
    """

    words: str
    holds: Callable[[Any], object]


def at_least(bound: float) -> Condition:
    """Return a condition: a number not below the bound."""
    return Condition(f"at least {_shown(bound)}", lambda found: found >= bound)


def at_most(bound: float) -> Condition:
    """Return a condition: a number not above the bound."""
    return Condition(f"at most {_shown(bound)}", lambda found: found <= bound)


def between(low: float, high: float) -> Condition:
    """Return a condition: a number from low to high, both included."""
    return Condition(f"{_shown(low)} to {_shown(high)}", lambda found: low <= found <= high)


def satisfying(words: str, holds: Callable[[Any], object]) -> Condition:
    """Return a condition: a value that a predicate accepts.

    Args:
        words: completes "this asks for …": ``"one of few"``.
        holds: called with the found value; returns a true value if it is right.
    """
    return Condition(words, holds)


def since(facts: Callable[[], Mapping[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Remember numbers as they are now; the function returned gives their increases since.

    In an exercise's cell it makes the check independent of what was done before::

        grown = since(lambda: {"published": chat.published, "delivered": chat.delivered})
        ...
        await check("…", found=grown, expected={"published": 1, "delivered": 10})

    Args:
        facts: returns numbers by name. A name that appears later counts from 0.
    """
    before = dict(facts())
    return lambda: {name: now - before.get(name, 0) for name, now in facts().items()}


def misses(found: Any, expected: Any) -> list[str]:
    """Compare found and expected values; returns a sentence for each difference.

    Args:
        found: a value, or values by name.
        expected: a value, a :class:`Condition`, or a mapping of names to these. Values found under
            other names are ignored.
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
    if not isinstance(expected, Condition):
        return bool(found == expected)
    if found is None:  # a missing value has no order
        return False
    return bool(expected.holds(found))


def _asks(found: Any, expected: Any) -> str:
    words = expected.words if isinstance(expected, Condition) else _shown(expected)
    return f"{_shown(found)}, this asks for {words}"


def _shown(value: object) -> str:
    """Return a value as learners read it: numbers rounded, long values cut, on one line."""
    if value is None:
        return "nothing yet"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, Integral):  # those of numpy, too
        return f"{int(value):,}"
    if isinstance(value, Real):
        return f"{float(value):,.5g}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
