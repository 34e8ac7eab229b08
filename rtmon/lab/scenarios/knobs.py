"""What can be turned on a scenario, and what can be seen of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, overload

from ...errors import OptionError

if TYPE_CHECKING:
    from .base import Scenario

__all__ = ["Curve", "Knob"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A number over time, and where it is drawn.

    Attributes:
        key: its name in :attr:`Scenario.rows`.
        label: what a legend calls it.
        chart: the title of the chart that it is drawn in; curves of one chart have one unit.
        color: how it is drawn.
    """

    key: str
    label: str
    chart: str
    color: str = "#3b82f6"


class Knob:
    """A number that can be moved while a scenario runs: an attribute, and a slider.

    Args:
        default: its value unless one is given.
        low: the lowest value.
        high: the highest value.
        label: what the slider says, with the unit.
        step: of the slider.
        whole: whether it is a whole number.
    """

    name: str

    def __init__(
        self,
        default: float,
        low: float,
        high: float,
        label: str,
        *,
        step: float = 1.0,
        whole: bool = False,
    ) -> None:
        self.default, self.low, self.high = default, low, high
        self.label, self.step, self.whole = label, step, whole

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, scenario: None, owner: type) -> Self: ...

    @overload
    def __get__(self, scenario: Scenario, owner: type) -> Any: ...

    def __get__(self, scenario: Scenario | None, owner: type) -> Any:
        if scenario is None:
            return self
        return vars(scenario).get(self.name, self.default)

    def __set__(self, scenario: Scenario, value: float) -> None:
        if isinstance(value, bool) or not self.low <= value <= self.high:
            raise OptionError(
                f"{self.name} is {value!r}: give a value from {self.low} to {self.high}."
            )
        if self.whole and value != int(value):
            raise OptionError(f"{self.name} is {value}: give a whole number.")
        vars(scenario)[self.name] = int(value) if self.whole else float(value)
        scenario.moved(self.name)
