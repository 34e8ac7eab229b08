"""Network faults of one direction of a connection, for one connection or all of a proxy's."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, Literal

from ..core.option_validation import one_of
from ..errors import OptionError

__all__ = ["Conditions", "Direction", "Faults", "directions"]

Direction = Literal["up", "down", "both"]
"""``up`` is from the client to the server, ``down`` from the server to the client."""


def directions(direction: Direction) -> tuple[Literal["up", "down"], ...]:
    """Return the single directions that a direction stands for.

    Raises:
        OptionError: there is no such direction.
    """
    if direction == "both":
        return ("up", "down")
    one_of("direction", direction, "up", "down", "both")
    return (direction,)


@dataclass(slots=True, kw_only=True)
class Conditions:
    """Network conditions of one direction of a connection.

    Attributes:
        latency: seconds by which every byte is delayed.
        jitter: seconds added at most, at random and evenly; order is kept, as in TCP.
        bandwidth: bytes per second; None is unlimited.
        frozen: True if nothing passes, while both connections stay open.
        cut_after: bytes after which the connection is cut; None never cuts.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    frozen: bool = False
    cut_after: int | None = None

    def update(self, changes: dict[str, Any]) -> None:
        """Change several conditions at once; if one is invalid, none is changed.

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
    """Faults that can be injected into one connection, or into all connections of a proxy."""

    @abc.abstractmethod
    def set(self, direction: Direction = "both", **changes: Any) -> None:
        """Change the conditions of a direction; :class:`Conditions` lists them.

        Raises:
            OptionError: there is no such fault, or its value makes no sense.
        """

    @abc.abstractmethod
    def conditions(self, direction: Literal["up", "down"]) -> Conditions:
        """Return the conditions of a direction; change them by :meth:`set`."""

    @abc.abstractmethod
    def cut(self, *, reset: bool = True) -> None:
        """End connections without a close frame, and drop bytes under way.

        Args:
            reset: end with a TCP reset, as after a peer's restart; else with the end of the
                stream, as after a killed process.
        """

    @abc.abstractmethod
    def half_open(self, gone: Literal["server", "client"] = "server") -> None:
        """Make connections half-open: one end is gone, and the other end does not learn of it.

        Args:
            gone: the end that is gone; its own side is reset.
        """

    def freeze(self, direction: Direction = "both") -> None:
        """Stop passing bytes: buffers fill up, then the sender blocks."""
        self.set(direction, frozen=True)

    def thaw(self, direction: Direction = "both") -> None:
        """Pass bytes again, the held ones first."""
        self.set(direction, frozen=False)

    @property
    def frozen(self) -> bool:
        """True if a direction is frozen."""
        return any(self.conditions(each).frozen for each in ("up", "down"))

    @property
    def latency(self) -> float:
        """Seconds added in each direction; if the directions differ, upwards."""
        return self.conditions("up").latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self.set(latency=seconds)

    @property
    def jitter(self) -> float:
        """Seconds added at random at most, in each direction."""
        return self.conditions("up").jitter

    @jitter.setter
    def jitter(self, seconds: float) -> None:
        self.set(jitter=seconds)

    @property
    def bandwidth(self) -> float | None:
        """Bytes per second in each direction; None is unlimited."""
        return self.conditions("up").bandwidth

    @bandwidth.setter
    def bandwidth(self, rate: float | None) -> None:
        self.set(bandwidth=rate)

    @property
    def cut_after(self) -> int | None:
        """Bytes in each direction after which a connection is cut; None never cuts."""
        return self.conditions("up").cut_after

    @cut_after.setter
    def cut_after(self, count: int | None) -> None:
        self.set(cut_after=count)
