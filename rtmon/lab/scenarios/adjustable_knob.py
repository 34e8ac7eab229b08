"""Knobs: numbers of a scenario that can be changed while it runs."""

from __future__ import annotations

from typing import Any, Self, overload

from ...errors import OptionError

__all__ = ["Adjustable", "Knob"]


class Knob:
    """A number that can be changed while a scenario runs: an attribute, and a slider.

    Args:
        default: its value unless one is given.
        low: the lowest value.
        high: the highest value.
        label: of the slider, with the unit.
        step: of the slider.
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
    """An object with knobs."""

    @classmethod
    def knobs(cls) -> dict[str, Knob]:
        """Return its knobs by name."""
        return {
            name: knob
            for base in reversed(cls.__mro__)
            for name, knob in vars(base).items()
            if isinstance(knob, Knob)
        }

    def moved(self, knob: str) -> None:
        """Called when a knob has a new value."""
