"""Live outputs of notebook cells: charts, tables and controls of feeds and scenarios."""

from __future__ import annotations

from .live_outputs import show
from .notebook_charts import Picture
from .notebook_dashboard import Dashboard
from .saved_output import prepare

__all__ = ["Dashboard", "Picture", "prepare", "show"]
