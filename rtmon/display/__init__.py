"""Live outputs of notebook cells, such as the dashboard of a feed and charts of scenarios."""

from __future__ import annotations

from .live_notebook_outputs import show
from .notebook_dashboard import Dashboard
from .notebook_picture import Picture
from .saved_notebook_output import prepare

__all__ = ["Dashboard", "Picture", "prepare", "show"]
