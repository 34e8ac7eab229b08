"""What a notebook cell shows, for as long as it is on a page: pictures of feeds and scenarios."""

from __future__ import annotations

from .dashboard import Dashboard
from .output import prepare
from .picture import Picture
from .shown import show

__all__ = ["Dashboard", "Picture", "prepare", "show"]
