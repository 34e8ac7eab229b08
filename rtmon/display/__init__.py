"""What a notebook cell shows, for as long as it is on a page: pictures of feeds and scenarios."""

from __future__ import annotations

from .dashboard import Dashboard
from .live_outputs import show
from .picture import Picture
from .saved_output import prepare

__all__ = ["Dashboard", "Picture", "prepare", "show"]
