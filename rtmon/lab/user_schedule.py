"""The schedule of a simulated user: when it connects, leaves and sends which messages. Pure."""

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
"""Some take several bytes in UTF-8, so that characters and bytes are never mistaken."""

_TALK = " ".join(random.Random(1).choices(_WORDS, k=8_000))
"""Text that messages are cut from. Choosing the words of each message took a tenth of the CPU."""

Leaving = Literal["normal", "going away", "abort"]

Kind = Literal["chat", "room", "publish", "text", "binary"]
"""Kind of a simulated user's message.

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
        rate: messages per second that each connected user sends, on average.
        rate_to: rate at the end of ``duration``; the rate changes linearly. None for a constant
            rate.
        loop: ``open``: a schedule decides when messages are due, whatever the server answers;
            latency counts from when a message was due. ``closed``: each user waits for the answer,
            then pauses for 1/rate seconds on average, so a slow server receives fewer messages.
        duration: seconds until users stop; None to run until stopped.
        ramp: seconds over which users connect; 0 to connect all at once.
        storm: interval in seconds at which all connections are cut without a close frame and all
            users reconnect at once; None for never.
        size: typical length of a message's text in characters; a few messages are much longer.
        mix: kind of message → its relative frequency, a positive number.
        group: number of users in one room or channel.
        churn: share of users that leave and return, from 0 to 1.
        stay: mean time that these users stay connected, in seconds. They stay away half as long.
        going_away: share of departures with close code 1001, which a closed browser tab sends.
        aborts: share of departures without a close frame. The other departures use code 1000.
        compression: True to offer permessage-deflate, as browsers do.
        seed: seed of the random numbers: the same seed gives the same schedule.
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
        gap: time since the previous message, in units of the mean interval between messages;
            1 on average.
        kind: kind of message.
        text: text of the message.
    """

    gap: float
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Visit:
    """One connection of a simulated user, from connecting to leaving.

    Attributes:
        after: seconds from the start of the load, or from the end of the user's previous visit.
        stay: seconds until the user leaves; None if it stays until the end.
        leaving: how the user leaves, see :meth:`.SimulatedConnection.leave`.
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
    """Return the time at which the next message is due; infinity if never.

    Args:
        options: options with the rate, which may change linearly.
        time: time at which the previous message was due, in seconds since the start.
        gap: distance to the next message, in units of the mean interval between messages.
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
    """Yield the visits of a user: one that does not end, or several with pauses between them.

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
    """Return chat-like text of a given length in characters; long texts repeat themselves."""
    begin = rng.randrange(len(_TALK) - length) if length < len(_TALK) else 0
    return (_TALK * (1 + length // len(_TALK)))[begin : begin + length]
