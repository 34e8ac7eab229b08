"""Live outputs of notebook cells: pictures of feeds and scenarios."""

from __future__ import annotations

from .dashboard import Dashboard
from .live_outputs import show
from .picture import Picture
from .saved_output import prepare

__all__ = ["Dashboard", "Picture", "prepare", "show"]
