"""Generate the schedule of a simulated user, from a seed: when it connects, sends and leaves."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ..core.option_validation import one_of, within
from ..errors import OptionError

__all__ = ["KINDS", "Kind", "LoadOptions", "Say", "Visit", "due", "rate_at", "visits", "words"]

_WORDS = (
    *("and", "but", "so", "then", "here", "there", "now", "soon", "fast", "slow", "near", "far"),
    *("open", "close", "send", "wait", "read", "write", "join", "leave", "room", "line", "wire"),
    *("frame", "pulse", "signal", "echo", "burst", "queue", "buffer", "socket", "server"),
    *("client", "stream", "channel", "latency", "jitter", "retry", "🙂", "über", "naïve"),
)
"""Words of the simulated messages. Some have multi-byte UTF-8 characters, to reveal code that
counts characters instead of bytes."""

_TALK = " ".join(random.Random(1).choices(_WORDS, k=8_000))
"""Text from which messages are cut. Choosing each word at random took a tenth of the CPU time."""

Leaving = Literal["normal", "going away", "abort"]

Kind = Literal["chat", "room", "publish", "text", "binary"]
"""The kind of a simulated message.

* ``chat``: a hub's ``chat_message``, which the hub sends to all clients. Other servers receive the
  same JSON text.
* ``room``: a ``room_message`` in a room of :attr:`LoadOptions.group` users.
* ``publish``: a ``publish`` on a channel with :attr:`LoadOptions.group` subscribers.
* ``text``, ``binary``: plain words in a text or binary message, for echo servers.
"""

KINDS: tuple[Kind, ...] = ("chat", "room", "publish", "text", "binary")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Number and behaviour of the simulated users.

    Attributes:
        users: number of users.
        rate: average messages per second of each connected user.
        rate_to: the rate at the end of ``duration``, reached linearly; None for a constant rate.
        loop: ``open``: messages are due by a schedule that does not wait for answers, and
            latency counts from the due time. ``closed``: each user waits for the answer, then
            pauses for 1/rate seconds on average before the next message. A slow server thus gets
            fewer messages.
        duration: seconds until the users stop; None to run until stopped.
        ramp: seconds over which the users connect; 0 connects all at once.
        storm: seconds between two reconnect storms, in which all connections end without a close
            frame and all users reconnect at once; None for no storms.
        size: characters of a typical message's text; a few messages are much longer.
        mix: kind of message → its share. Only the ratios of the shares matter, so any positive
            numbers can be used.
        group: number of users in one room or channel.
        churn: share of users that disconnect and return, from 0 to 1.
        stay: average seconds that users who disconnect and return stay connected; they stay
            disconnected half as long.
        going_away: share of disconnects with close code 1001, like a closed browser tab.
        aborts: share of disconnects without a close frame; the others close with 1000.
        compression: True to offer permessage-deflate, as browsers do.
        seed: seed of the random numbers; the same seed gives the same schedule.
    """

    users: int = 20
    rate: float = 1.0
    rate_to: float | None = None
    loop: Literal["open", "closed"] = "open"
    duration: float | None = None
    ramp: float = 2.0
    storm: float | None = None
    size: int = 60
    mix: Mapping[Kind, float] = field(default_factory=lambda: MappingProxyType({"chat": 1.0}))
    group: int = 10
    churn: float = 0.25
    stay: float = 15.0
    going_away: float = 0.3
    aborts: float = 0.05
    compression: bool = True
    seed: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (
            ("users", 1, 100_000),
            ("rate", 0.0, 10_000.0),
            ("rate_to", 0.0, 10_000.0),
            ("duration", 0.0, math.inf),
            ("ramp", 0.0, 86_400.0),
            ("storm", 0.1, 86_400.0),
            ("size", 1, 10_000),
            ("group", 1, 100_000),
            ("churn", 0.0, 1.0),
            ("stay", 0.01, 86_400.0),
            ("going_away", 0.0, 1.0),
            ("aborts", 0.0, 1.0),
        ):
            if (value := getattr(self, name)) is not None:
                within(name, value, low, high)
        if self.going_away + self.aborts > 1:
            raise OptionError("going_away and aborts are shares of the same leavings: at most 1.")
        if self.rate_to is not None and not self.duration:
            raise OptionError("rate_to is reached after duration: give that, too.")
        one_of("loop", self.loop, "open", "closed")
        for kind, share in self.mix.items():
            if kind not in KINDS or not 0 < share < math.inf:
                raise OptionError(
                    f"mix has {kind!r}: {share}; give positive shares of {', '.join(KINDS)}."
                )
        if not self.mix:
            raise OptionError("mix is empty: give at least one kind of message.")


@dataclass(frozen=True, slots=True)
class Say:
    """A message of a simulated user.

    Attributes:
        gap: pause since the previous message, in multiples of the average pause at the present
            rate; 1 on average.
        kind: the kind of message.
        text: the message's text.
    """

    gap: float
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Visit:
    """One connection of a simulated user, from connecting to disconnecting.

    Attributes:
        after: seconds to wait before connecting, from the start or the end of the previous visit.
        stay: seconds until the user disconnects; None to stay until the load stops.
        leaving: the kind of close, see :meth:`SimulatedConnection.leave`.
        says: an endless iterator of the user's messages.
    """

    after: float
    stay: float | None
    leaving: Leaving
    says: Iterator[Say]


def rate_at(options: LoadOptions, time: float) -> float:
    """Return the messages per second of one user, at a time in seconds after the start."""
    if options.rate_to is None or not options.duration:
        return options.rate
    share = min(1.0, max(0.0, time / options.duration))
    return options.rate + (options.rate_to - options.rate) * share


def due(options: LoadOptions, time: float, gap: float) -> float:
    """Return when the next message is due, in seconds since the start; infinity if never.

    Args:
        options: the options with the rate.
        time: due time of the previous message, in seconds since the start.
        gap: the pause in multiples of the average pause, see :class:`Say`.
    """
    rate = rate_at(options, time)
    end = options.duration or 0.0
    if options.rate_to is not None and time < end:
        slope = (options.rate_to - options.rate) / end
        # Solve rate·x + slope·x²/2 = gap for x, in the form that stays exact for slopes near 0.
        square = rate * rate + 2 * slope * gap
        divisor = rate + math.sqrt(square) if square >= 0 else 0.0
        if divisor and time + 2 * gap / divisor <= end:
            return time + 2 * gap / divisor
        gap -= (rate + options.rate_to) / 2 * (end - time)
        time, rate = end, options.rate_to
    return time + gap / rate if rate > 0 else math.inf


def visits(options: LoadOptions, user: int) -> Iterator[Visit]:
    """Yield the visits of a user: a single endless one, or repeated ones for a user that churns.

    Args:
        options: the options of the load.
        user: number of the user, from 0.
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
    # Each visit has its own random numbers, so that its messages do not affect later visits.
    rng = random.Random(seed)
    kinds, shares = list(options.mix), list(options.mix.values())
    while options.rate > 0 or options.rate_to:
        length = min(10_000, max(1, round(options.size * rng.lognormvariate(0.0, 0.8))))
        text = words(rng, length)
        kind = kinds[0] if len(kinds) == 1 else rng.choices(kinds, shares)[0]
        yield Say(rng.expovariate(1.0), kind, text)


def words(rng: random.Random, length: int) -> str:
    """Return random words as a text of ``length`` characters. Long texts repeat themselves."""
    begin = rng.randrange(len(_TALK) - length) if length < len(_TALK) else 0
    return (_TALK * (1 + length // len(_TALK)))[begin : begin + length]
