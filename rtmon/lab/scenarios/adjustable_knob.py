"""Knobs: numeric settings of a scenario that the user can change while the scenario runs."""

from __future__ import annotations

from typing import Any, Self, overload

from ...errors import OptionError

__all__ = ["Adjustable", "Knob"]


class Knob:
    """A setting of a scenario: an attribute in Python, and a slider in a notebook.

    Args:
        default: initial value.
        low: the lowest accepted value.
        high: the highest accepted value.
        label: label of the slider, with the unit.
        step: step of the slider.
        whole: True if only whole numbers are accepted.
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
    """Base class of objects with :class:`Knob` attributes."""

    @classmethod
    def knobs(cls) -> dict[str, Knob]:
        """Return the knobs of this class: attribute name → knob."""
        return {
            name: knob
            for base in reversed(cls.__mro__)
            for name, knob in vars(base).items()
            if isinstance(knob, Knob)
        }

    def moved(self, knob: str) -> None:
        """Override this method to react to a new value of a knob.

        Args:
            knob: name of the changed knob.
        """
