"""What a connection may suffer, and how that is said: the same for one of them and for all."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, Literal

from ..core.option_checks import one_of
from ..errors import OptionError

__all__ = ["Conditions", "Direction", "Faults", "directions"]

Direction = Literal["up", "down", "both"]
"""``up`` is from the client to the server, ``down`` from the server to the client."""


def directions(direction: Direction) -> tuple[Literal["up", "down"], ...]:
    """The directions that are meant.

    Raises:
        OptionError: it is none.
    """
    if direction == "both":
        return ("up", "down")
    one_of("direction", direction, "up", "down", "both")
    return (direction,)


@dataclass(slots=True, kw_only=True)
class Conditions:
    """What one direction of a connection is like.

    Attributes:
        latency: seconds that everything takes longer.
        jitter: up to so many seconds are added by chance, evenly; order stays, as TCP has it.
        bandwidth: bytes a second; None is without a bound.
        frozen: whether nothing passes, and nobody is told.
        cut_after: bytes of a connection that pass before it is cut; None never cuts.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    frozen: bool = False
    cut_after: int | None = None

    def update(self, changes: dict[str, Any]) -> None:
        """Change some; nothing is changed if one of them is wrong.

        Raises:
            OptionError: there is no such fault, or its value makes no sense.
        """
        for name, value in changes.items():
            if name not in self.__slots__:
                raise OptionError(f"{name!r} is no fault: there are {', '.join(self.__slots__)}.")
            if name in {"latency", "jitter"} and not 0 <= value <= 3600:
                raise OptionError(f"{name} is {value}: give seconds from 0 to 3600.")
            if name == "bandwidth" and value is not None and not value > 0:
                raise OptionError(f"bandwidth is {value}: give bytes a second, or None; or freeze.")
            if name == "cut_after" and value is not None and value < 0:
                raise OptionError(f"cut_after is {value}: give bytes from 0 on, or None.")
        for name, value in changes.items():
            setattr(self, name, value)


class Faults(abc.ABC):
    """What can be done to one connection, or to all of a proxy's."""

    @abc.abstractmethod
    def set(self, direction: Direction = "both", **changes: Any) -> None:
        """Change the conditions of a direction; see :class:`Conditions` for what there is.

        Raises:
            OptionError: there is no such fault, or its value makes no sense.
        """

    @abc.abstractmethod
    def conditions(self, direction: Literal["up", "down"]) -> Conditions:
        """What a direction is like now. Change it by :meth:`set`."""

    @abc.abstractmethod
    def cut(self, *, reset: bool = True) -> None:
        """End connections without a close frame, whatever is under way.

        Args:
            reset: by a TCP reset, as a peer that restarted does; else by the end of the stream,
                as a process does that was killed.
        """

    @abc.abstractmethod
    def half_open(self, gone: Literal["server", "client"] = "server") -> None:
        """One end is gone and the other is not told: what it sends vanishes, nothing comes.

        Args:
            gone: who is gone; its own end is reset.
        """

    def freeze(self, direction: Direction = "both") -> None:
        """Let nothing pass, and tell nobody; buffers fill up, then the sender has to wait."""
        self.set(direction, frozen=True)

    def thaw(self, direction: Direction = "both") -> None:
        """Let pass again; what has waited goes first."""
        self.set(direction, frozen=False)

    @property
    def frozen(self) -> bool:
        """Whether anything is frozen."""
        return any(self.conditions(each).frozen for each in ("up", "down"))

    @property
    def latency(self) -> float:
        """Seconds added each way; where the ways differ, those upwards."""
        return self.conditions("up").latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self.set(latency=seconds)

    @property
    def jitter(self) -> float:
        """Seconds added by chance at most, each way."""
        return self.conditions("up").jitter

    @jitter.setter
    def jitter(self, seconds: float) -> None:
        self.set(jitter=seconds)

    @property
    def bandwidth(self) -> float | None:
        """Bytes a second and way; None is without a bound."""
        return self.conditions("up").bandwidth

    @bandwidth.setter
    def bandwidth(self, rate: float | None) -> None:
        self.set(bandwidth=rate)

    @property
    def cut_after(self) -> int | None:
        """Bytes each way after which a connection is cut; None never cuts."""
        return self.conditions("up").cut_after

    @cut_after.setter
    def cut_after(self, count: int | None) -> None:
        self.set(cut_after=count)
