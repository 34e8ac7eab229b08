"""The time that a view of a recording shows, to be moved by the user."""

from __future__ import annotations

from typing import ClassVar

import param

from ...views.browser import asset
from .component import Component

__all__ = ["TimeSlider"]


class TimeSlider(Component):
    """A slider over a recording.

    Attributes:
        begin: time of the first tick, Unix seconds.
        end: time of the last tick.
        at: the time that is shown; None for the end, as it grows.
    """

    begin = param.Number(default=0.0)
    end = param.Number(default=1.0)
    at = param.Number(default=None, allow_None=True)

    _esm: ClassVar[str] = asset("common.js") + asset("time_slider.js")
    _stylesheets: ClassVar[list[str]] = [asset("time_slider.css")]
