"""Knobs: numeric settings of a scenario that can be changed while the scenario runs."""

from __future__ import annotations

from typing import Any, Self, overload

from ...errors import OptionError

__all__ = ["Adjustable", "Knob"]


class Knob:
    """A numeric setting of a running scenario: an attribute in code, a slider in a notebook.

    Args:
        default: the value if none is given.
        low: the lowest value.
        high: the highest value.
        label: label of the slider, with the unit.
        step: step of the slider.
        whole: True to accept only whole numbers.
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
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: Adjustable, owner: type) -> Any: ...

    def __get__(self, instance: Adjustable | None, owner: type) -> Any:
        if instance is None:
            return self
        return vars(instance).get(self.name, self.default)

    def __set__(self, instance: Adjustable, value: float) -> None:
        if isinstance(value, bool) or not self.low <= value <= self.high:
            raise OptionError(
                f"{self.name} is {value!r}: give a value from {self.low} to {self.high}."
            )
        if self.whole and value != int(value):
            raise OptionError(f"{self.name} is {value}: give a whole number.")
        vars(instance)[self.name] = int(value) if self.whole else float(value)
        instance.moved(self.name)


class Adjustable:
    """Base class of objects that have knobs."""

    @classmethod
    def knobs(cls) -> dict[str, Knob]:
        """Return all knobs of this class: name → knob."""
        return {
            name: knob
            for base in reversed(cls.__mro__)
            for name, knob in vars(base).items()
            if isinstance(knob, Knob)
        }

    def moved(self, knob: str) -> None:
        """React to a new value of a knob. Subclasses override this method."""
