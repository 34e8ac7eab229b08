"""What a simulated user does and when: pure, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import OptionError

__all__ = ["LoadOptions", "Say", "Visit", "visits", "words"]

_WORDS = (
    *("and", "but", "so", "then", "here", "there", "now", "soon", "fast", "slow", "near", "far"),
    *("open", "close", "send", "wait", "read", "write", "join", "leave", "room", "line", "wire"),
    *("frame", "pulse", "signal", "echo", "burst", "queue", "buffer", "socket", "server"),
    *("client", "stream", "channel", "latency", "jitter", "retry", "🙂", "über", "naïve"),
)
"""Some take several bytes in UTF-8, so that characters and bytes are never mistaken."""

Leaving = Literal["normal", "going away", "abort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How many users there are and what they do.

    Attributes:
        users: how many.
        rate: messages a second that each sends while it is there, on average.
        duration: seconds until they stop; None goes on until told.
        ramp: seconds over which they arrive.
        size: a typical message's text in characters; a few are much longer.
        churn: share of the users who come and go, from 0 to 1.
        stay: seconds that these stay, and half of which they stay away, on average.
        going_away: share of leavings with close code 1001, as a closed browser tab has it.
        aborts: share of leavings without a close frame; the others close with 1000.
        seed: the same seed does the same.
    """

    users: int = 20
    rate: float = 1.0
    duration: float | None = None
    ramp: float = 2.0
    size: int = 60
    churn: float = 0.25
    stay: float = 15.0
    going_away: float = 0.3
    aborts: float = 0.05
    seed: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (
            ("users", 1, 100_000),
            ("rate", 0.0, 10_000.0),
            ("ramp", 0.0, 86_400.0),
            ("size", 1, 10_000),
            ("churn", 0.0, 1.0),
            ("stay", 0.01, 86_400.0),
            ("going_away", 0.0, 1.0),
            ("aborts", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f"{name} is {value}: give a value from {low} to {high}.")
        if self.duration is not None and self.duration < 0:
            raise OptionError(f"duration is {self.duration}: give seconds from 0 on.")
        if self.going_away + self.aborts > 1:
            raise OptionError("going_away and aborts are shares of the same leavings: at most 1.")


@dataclass(frozen=True, slots=True)
class Say:
    """A message, so many seconds after the one before."""

    after: float
    text: str


@dataclass(frozen=True, slots=True)
class Visit:
    """One stay of a user.

    Attributes:
        after: seconds after the start, or after the stay before.
        stay: seconds until it leaves by itself; None stays.
        leaving: how.
        says: what it says meanwhile, without end.
    """

    after: float
    stay: float | None
    leaving: Leaving
    says: Iterator[Say]


def visits(options: LoadOptions, user: int) -> Iterator[Visit]:
    """What a user does: one stay without end, or one after the other.

    Args:
        options: as for all users.
        user: which user, from 0.
    """
    rng = random.Random(f"{options.seed}/{user}")
    comes_and_goes = rng.random() < options.churn
    after = options.ramp * user / options.users
    while True:
        stay = rng.expovariate(1 / options.stay) if comes_and_goes else None
        yield Visit(after, stay, _leaving(options, rng), _says(options, rng.getrandbits(64)))
        after = rng.expovariate(2 / options.stay)


def _leaving(options: LoadOptions, rng: random.Random) -> Leaving:
    chance = rng.random()
    if chance < options.aborts:
        return "abort"
    return "going away" if chance < options.aborts + options.going_away else "normal"


def _says(options: LoadOptions, seed: int) -> Iterator[Say]:
    # A generator of its own: how much is said during one stay does not change the next one.
    rng = random.Random(seed)
    while options.rate > 0:
        length = min(10_000, max(1, round(options.size * rng.lognormvariate(0.0, 0.8))))
        yield Say(rng.expovariate(options.rate), words(rng, length))


def words(rng: random.Random, length: int) -> str:
    """So many characters of something that looks like talk."""
    return " ".join(rng.choices(_WORDS, k=length // 4 + 1))[:length]
