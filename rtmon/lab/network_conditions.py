"""Network faults that a fault proxy can inject, such as latency, a bandwidth limit or a cut."""

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
    """Return ``("up", "down")`` for ``"both"``, else a tuple with the given direction only.

    Raises:
        OptionError: the direction is not ``"up"``, ``"down"`` or ``"both"``.
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
        jitter: maximum random delay, in seconds, added to the latency with a uniform
            distribution. Bytes keep their order, as in TCP.
        bandwidth: bytes per second; None is unlimited.
        frozen: True if no bytes pass, while both connections stay open.
        cut_after: number of bytes after which the connection is cut; None for no cut.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    frozen: bool = False
    cut_after: int | None = None

    def update(self, changes: dict[str, Any]) -> None:
        """Change several conditions at once. If one value is invalid, no condition is changed.

        Raises:
            OptionError: a condition does not exist, or its value is out of range.
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
    """Methods that inject faults into one connection, or into all connections of a proxy."""

    @abc.abstractmethod
    def set(self, direction: Direction = "both", **changes: Any) -> None:
        """Change the network conditions of a direction. :class:`Conditions` lists their names.

        Raises:
            OptionError: a condition does not exist, or its value is out of range.
        """

    @abc.abstractmethod
    def conditions(self, direction: Literal["up", "down"]) -> Conditions:
        """Return the network conditions of a direction. To change them, call :meth:`set`."""

    @abc.abstractmethod
    def cut(self, *, reset: bool = True) -> None:
        """End connections without a close frame, and drop the bytes in transit.

        Args:
            reset: True to end with a TCP reset (RST), as after a restart of the peer's machine;
                False to end with the end of the stream (FIN), as after a killed process.
        """

    @abc.abstractmethod
    def half_open(self, gone: Literal["server", "client"] = "server") -> None:
        """Make connections half-open: one side's TCP connection ends, but the other side's stays.

        Args:
            gone: the side whose TCP connection is reset. The other side gets neither FIN nor RST.
        """

    def freeze(self, direction: Direction = "both") -> None:
        """Stop passing bytes in a direction. When all buffers are full, the sender blocks."""
        self.set(direction, frozen=True)

    def thaw(self, direction: Direction = "both") -> None:
        """Pass bytes in a direction again, beginning with the bytes held while frozen."""
        self.set(direction, frozen=False)

    @property
    def frozen(self) -> bool:
        """True if at least one direction is frozen."""
        return any(self.conditions(each).frozen for each in ("up", "down"))

    @property
    def latency(self) -> float:
        """Delay of each direction in seconds. If the directions differ, the value of ``up``."""
        return self.conditions("up").latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self.set(latency=seconds)

    @property
    def jitter(self) -> float:
        """Maximum random delay per direction, in seconds."""
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
        """Number of bytes in a direction after which a connection is cut; None for no cut."""
        return self.conditions("up").cut_after

    @cut_after.setter
    def cut_after(self, count: int | None) -> None:
        self.set(cut_after=count)
